"""A plan: what a session keeps per signature (feeds, fetches, targets), so that the second step of a kind
costs its kernels alone.

Building one: prune to what is needed, infer dtypes and shapes, bind kernels, lower to a function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...graphfmt import dtypes
from ...graphfmt.errors import TfgError, invalid
from ...graphfmt.gc_pause import no_collection
from ...graphfmt.graph import Endpoint, Graph, Node, endpoint
from ...graphfmt.names import counted
from ...graphfmt.shapes import Shape
from ...kernels.core.binding import bind
from ...kernels.core.op_sets import ENTERS, SAVERS
from ...kernels.core.traits import Role
from ..execution.state_lock import Access
from ..passes.prune import PrunedGraph, StepSignature, prune
from .liveness import Line, needed_lines, sends_first
from .lowering import Segment, lower, scalar_or_array
from .typed_graph import TypedNode, type_graph

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ...graphfmt.dtypes import DType
    from ...kernels.core.facts import Fact
    from ..execution.functions import Functions
    from ..execution.step import Step
    from .segmentation import TaskGraph


class Feed(NamedTuple):
    """A fed output: its name as the caller wrote it, and what a value for it must be."""

    name: str
    dtype: DType
    shape: Shape

    def check(self, value: Any) -> Any:
        """The value as kernels take it: an array of the feed's dtype, a numpy scalar for a number of rank 0
        (Python's operators handle those several times as fast). Raises INVALID_ARGUMENT."""
        array = self._as_array(value)
        if not self.shape.is_compatible(Shape(array.shape)):
            raise invalid(
                f"Cannot feed value of shape {Shape(array.shape)} for {self.name!r}, "
                f"which has shape {self.shape}",
                node=endpoint(self.name).node,
            )
        return array if array.ndim or array.dtype == object else array[()]

    def _as_array(self, value: Any) -> Any:
        wanted = self.dtype.numpy
        if isinstance(value, np.ndarray) and value.dtype == wanted and not wanted.hasobject:
            return value
        if self.dtype.name in ("resource", "variant"):
            raise self._refused("which cannot be fed")
        if self.dtype.is_opaque:
            return self._as_strings(value)
        try:
            array = np.asarray(value)
        except (ValueError, OverflowError) as error:
            raise self._refused(f"and the value fed is not an array: {error}") from None
        if array.size == 0 and not isinstance(value, np.ndarray):
            return array.astype(wanted)
        if not _is_numeric(array) or not _fits(array, self.dtype):
            raise self._refused(f"and cannot be fed {_described(array)}")
        return array.astype(wanted)

    def _as_strings(self, value: Any) -> Any:
        try:
            return as_strings(value)
        except TfgError:
            raise self._refused(f"and cannot be fed {_described(np.asarray(value))}") from None

    def _refused(self, why: str) -> TfgError:
        return invalid(f"{self.name!r} is {self.dtype}, {why}", node=endpoint(self.name).node)


def _is_numeric(array: Any) -> bool:
    kind = array.dtype.kind
    return kind in "biufc" or (kind == "V" and array.dtype.names is None)


def _described(array: Any) -> str:
    """What a value is that does not fit: the element itself where there is but one."""
    if array.dtype.kind in "OSU":
        kinds = {type(item) for item in array.reshape(-1).tolist()}
        return "text" if kinds & {str, bytes} else "a number of more than 64 bits"
    try:
        name = dtypes.of_numpy(array.dtype).name
    except (TfgError, ValueError, KeyError):
        name = str(array.dtype)
    return f"the {name} {array.reshape(-1)[0]}" if array.size == 1 else f"{name} values without loss"


def _fits(array: Any, dtype: DType) -> bool:
    """Whether values may be fed as another dtype: Python numbers as any real type that holds them, but
    never floats as integers."""
    if array.dtype == dtype.numpy:
        return True
    if array.dtype.kind == "b":
        return False
    if dtype.is_floating or dtype.is_complex:
        return array.dtype.kind != "c" or dtype.is_complex
    if array.dtype.kind not in "iu" or not (dtype.is_integer or dtype.is_quantized):
        return False
    limits = np.iinfo(dtype.numpy) if dtype.numpy.kind in "iu" else None
    return limits is None or array.size == 0 or bool(limits.min <= array.min() and array.max() <= limits.max)


def _encoded(text: str) -> bytes:
    """UTF-8; a lone surrogate, which JSON can write, becomes the bytes that it would have."""
    return text.encode("utf-8", "surrogatepass")


def as_strings(value: Any) -> Any:
    """Strings as an object array of bytes."""
    array = np.asarray(value, object) if not isinstance(value, np.ndarray) else value
    flat = [_encoded(x) if isinstance(x, str) else x for x in array.reshape(-1).tolist()]
    if not all(isinstance(x, bytes) for x in flat):
        raise invalid("a string tensor can only be fed strings")
    result = np.empty(array.size, object)
    result[:] = flat
    return result.reshape(array.shape)


class Plan(NamedTuple):
    """How a step of one signature runs: as one function (``segment``), or, where some node may have to wait,
    as units under a scheduler (``cut``)."""

    graph: Graph
    feeds: tuple[Feed, ...]
    fetches: tuple[Endpoint, ...]
    arguments: tuple[Endpoint | None, ...]
    constants: Mapping[Endpoint, Any]
    segment: Segment | None
    cut: TaskGraph | None
    changes_state: bool
    access: Access

    def execute(self, step: Step, values: Sequence[Any]) -> Sequence[Any]:
        """Runs a step on the values of the feeds; gives those of the fetches."""
        if self.segment is not None:
            return self.segment.function(step, *values)
        from ..execution.executor import execute

        assert self.cut is not None
        return execute(self.cut, step, self.known(values), self.fetches)

    def known(self, values: Sequence[Any]) -> Mapping[Endpoint, Any]:
        """What is known before a step begins: constants, and the values of the feeds."""
        fed = {argument: value for argument, value in zip(self.arguments, values) if argument is not None}
        return {**self.constants, **fed}

    def node_of(self, error: BaseException) -> Node | None:
        """The node at which a step failed."""
        if self.segment is not None:
            return self.segment.node_of(error)
        assert self.cut is not None
        return next((n for n in (s.node_of(error) for s in self.cut.segments) if n is not None), None)


def build(
    graph: Graph,
    asked: StepSignature,
    *,
    traced: bool = False,
    functions: Functions | None = None,
    given: Mapping[str, Sequence[Fact]] | None = None,
    compiled: bool = True,
    maybe_dead: Collection[str] | None = None,
    limited: bool = False,
    xp: Any = np,
) -> Plan:
    """The plan of a signature. Raises the first fault of the part of the graph that it needs.

    Args:
        functions: the library that nodes call functions of.
        given: for the body of a function, what is known of its fed placeholders; it may fetch resources too. For
            a part, what is known of its receives.
        compiled: whether loops and branches that are well formed run as Python's own.
        maybe_dead: for the part of a graph that one device runs, the names of its sends and receives whose values may
            be dead. Its plan is always one of units, and its loops need not be whole.
        limited: whether a part is to count the memory that it uses.
        xp: what the kernels of a part compute with, CuPy on a GPU.
    """
    with no_collection():
        return _build(graph, asked, traced, functions, given, compiled, maybe_dead, limited, xp)


def _build(
    graph: Graph,
    asked: StepSignature,
    traced: bool,
    functions: Functions | None,
    given: Mapping[str, Sequence[Fact]] | None,
    compiled: bool,
    maybe_dead: Collection[str] | None,
    limited: bool,
    xp: Any,
) -> Plan:
    pruned = prune(graph, asked)
    is_part = maybe_dead is not None
    frames = _frames(pruned, is_whole=not is_part)
    prepared = type_graph(pruned.graph, functions.library if functions is not None else None, given)
    facts: dict[str, Sequence[Fact]] = {p.node.name: p.output_facts for p in prepared}
    for name, fetch in zip(asked.fetches, pruned.fetches) if given is None or is_part else ():
        _check_fetch(graph, name, fetch, facts[fetch.node])
    feeds = tuple(feed(name, graph, facts, argument) for name, argument in zip(asked.feeds, pruned.arguments))
    fed = {name for name in pruned.arguments if name is not None}
    lines = [_line(graph, p, functions, xp) for p in prepared if p.node.name not in fed]
    lines = needed_lines(
        lines, [*(f.node for f in pruned.fetches), *pruned.targets], _observable(lines, maybe_dead or ())
    )
    arguments = tuple(None if name is None else Endpoint(name, 0) for name in pruned.arguments)
    changes_state = any(line.prepared.op.changes_state(line.prepared.bound) for line in lines)
    access = Access.CHANGE if changes_state else Access.READ
    if _saves(lines, functions):
        access = Access.ALONE
    maybe_dead = _maybe_dead(lines) if maybe_dead is None else maybe_dead
    if compiled and any(line.prepared.op.is_control_flow for line in lines):
        lines = _compiled(lines, facts, frames, pruned.fetches, maybe_dead)
    scheduled = is_part or any(
        line.prepared.op.asynchronous or line.prepared.op.is_control_flow for line in lines
    )
    if is_part:
        lines = sends_first(lines)
    fed_here = [argument for argument in arguments if argument]
    return Plan(
        graph=pruned.graph,
        feeds=feeds,
        fetches=pruned.fetches,
        arguments=arguments,
        constants=_constants(lines) if scheduled else {},
        segment=None if scheduled else lower(lines, facts, arguments, pruned.fetches, traced=traced),
        cut=_cut(
            lines, facts, fed_here, pruned.fetches, maybe_dead=maybe_dead, traced=traced, limited=limited
        )
        if scheduled
        else None,
        changes_state=changes_state,
        access=access,
    )


def _frames(pruned: PrunedGraph, *, is_whole: bool) -> Mapping[str, tuple[str, ...]]:
    """The loops around each node, once they have been checked; those of a part need not be whole."""
    if not any(node.op in ENTERS for node in pruned.graph.nodes):
        return {}
    from .control_flow.frames import check_fetches, check_whole, frames

    found = frames(pruned.graph)
    check_fetches(pruned.graph, found, pruned.fetches)
    if is_whole:
        check_whole(pruned.graph, found)
    return found


def _observable(lines: Sequence[Line], maybe_dead: Collection[str]) -> Collection[str]:
    """The nodes that make a difference even where their values are known: they and what comes after them may be
    dead, or one of many in a loop, or something has changed when they are done."""
    found = set(maybe_dead)
    for line in lines:
        prepared = line.prepared
        follows = bool(found) and any(endpoint(text).node in found for text in prepared.node.inputs)
        if follows or prepared.op.is_control_flow or prepared.op.changes_state(prepared.bound):
            found.add(line.name)
    return found


def _maybe_dead(lines: Sequence[Line]) -> Collection[str]:
    """The sends and receives of a plan that may be dead: all, where anything can be."""
    if not any(line.prepared.op.is_control_flow for line in lines):
        return ()
    return {line.name for line in lines if line.prepared.op.role in (Role.SEND, Role.RECV)}


def _compiled(
    lines: Sequence[Line],
    facts: dict[str, Sequence[Fact]],
    frames: Mapping[str, tuple[str, ...]],
    fetches: Sequence[Endpoint],
    maybe_dead: Collection[str],
) -> list[Line]:
    from .control_flow.loops import compile_control_flow

    return compile_control_flow(lines, facts, frames, {fetch.node for fetch in fetches}, maybe_dead)


def _cut(
    lines: Sequence[Line],
    facts: Mapping[str, Sequence[Fact]],
    given: Sequence[Endpoint],
    fetches: Sequence[Endpoint],
    **how: Any,
) -> TaskGraph:
    # Few graphs have nodes that wait or steer; the others start without the machinery.
    from .segmentation import cut

    return cut(lines, facts, given, fetches, **how)


def _line(graph: Graph, prepared: TypedNode, functions: Functions | None, xp: Any) -> Line:
    """A node with its kernel; a node whose value is known and that does nothing else needs none."""
    outputs, node = prepared.output_facts, prepared.node
    if len(outputs) == 1 and outputs[0].constant is not None and not prepared.op.stateful:
        return Line(prepared, None)
    try:
        kernel = bind(prepared.op, node, prepared.bound, prepared.input_facts, xp, functions)
        return Line(prepared, kernel)
    except TfgError as error:
        raise graph.error_at(error, node.name) from None


def _constants(lines: Sequence[Line]) -> dict[Endpoint, Any]:
    return {
        Endpoint(line.name, 0): scalar_or_array(line.prepared.output_facts[0].constant)
        for line in lines
        if line.is_constant
    }


def _saves(lines: Sequence[Line], functions: Functions | None) -> bool:
    """Whether a node writes variables to a file, be it in a function."""
    nodes = [line.prepared.node for line in lines]
    if functions is not None:
        return functions.library.uses(nodes, SAVERS)
    return any(node.op in SAVERS for node in nodes)


def _check_fetch(graph: Graph, name: str, fetch: Endpoint, outputs: Sequence[Fact]) -> None:
    if not outputs:
        error = invalid(f"node {fetch.node!r} has no output to fetch", hint=f"add --target {fetch.node}")
    elif fetch.port >= len(outputs):
        error = invalid(f"cannot fetch {name!r}: node {fetch.node!r} has {counted(len(outputs), 'output')}")
    elif outputs[fetch.port].dtype.name in ("resource", "variant"):
        error = invalid(f"cannot fetch {name!r}, which is a {outputs[fetch.port].dtype}")
    else:
        return
    raise graph.error_at(error, fetch.node)


def feed(name: str, graph: Graph, facts: Mapping[str, Sequence[Fact]], argument: str | None) -> Feed:
    """The feed of that name, of which ``argument`` is the placeholder; None if nothing reads it."""
    if argument is not None:
        fact = facts[argument][0]
    else:
        # Nothing reads it, but a value of the wrong kind is a mistake all the same.
        fed = endpoint(name)
        outputs = type_graph(prune(graph, StepSignature((), (), (fed.node,))).graph)[-1].output_facts
        if fed.port >= len(outputs):
            raise invalid(f"node {fed.node!r} has no output {name!r} to feed")
        fact = outputs[fed.port]
    return Feed(name, fact.dtype.base, fact.shape)
