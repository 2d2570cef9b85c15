"""A plan: what a session keeps per signature (feeds, fetches, targets), so that the second step of a kind
costs its kernels alone.

Building one: prune to what is needed, infer dtypes and shapes, bind kernels, lower to a function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graphfmt.dtypes import DType
from ..graphfmt.errors import invalid
from ..graphfmt.graph import Endpoint, Graph, Node, endpoint
from ..graphfmt.shapes import Shape
from ..kernels.facts import Fact
from .analysis import prepare
from .lowering import Segment, lower
from .memory import no_collection
from .prune import Signature, prune


@dataclass(frozen=True, slots=True)
class Feed:
    """A fed output: its name as the caller wrote it, and what a value for it must be."""

    name: str
    dtype: DType
    shape: Shape

    def check(self, value: Any) -> Any:
        """The value as kernels take it: an array of the feed's dtype, a numpy scalar for a number of rank 0
        (Python's operators handle those several times as fast). Raises INVALID_ARGUMENT where it cannot be."""
        array = self._as_array(value)
        if not self.shape.is_compatible(Shape(array.shape)):
            raise invalid(
                f"Cannot feed value of shape {Shape(array.shape)} for {self.name!r}, which has shape {self.shape}"
            )
        return array if array.ndim or array.dtype == object else array[()]

    def _as_array(self, value: Any) -> Any:
        wanted = self.dtype.numpy
        if isinstance(value, np.ndarray) and value.dtype == wanted and wanted != object:
            return value
        if self.dtype.name in ("resource", "variant"):
            raise invalid(f"{self.name!r} is a {self.dtype}, which cannot be fed")
        if self.dtype.is_opaque:
            return as_strings(value)
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise invalid(f"the value fed to {self.name!r} is not an array: {error}") from None
        if array.dtype.kind in "OSU":
            raise invalid(f"{self.name!r} is {self.dtype}, and cannot be fed {array.dtype} values")
        if not _fits(array, self.dtype):
            raise invalid(
                f"{self.name!r} is {self.dtype}, and cannot be fed {array.dtype} values without loss"
            )
        return array.astype(wanted)


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


def as_strings(value: Any) -> Any:
    """Strings as an object array of bytes."""
    array = np.asarray(value, object) if not isinstance(value, np.ndarray) else value
    flat = [x.encode() if isinstance(x, str) else x for x in array.reshape(-1).tolist()]
    if not all(isinstance(x, bytes) for x in flat):
        raise invalid("a string tensor can only be fed strings")
    result = np.empty(array.size, object)
    result[:] = flat
    return result.reshape(array.shape)


@dataclass(frozen=True)
class Plan:
    """``segment`` computes the fetches from the feeds."""

    graph: Graph
    feeds: tuple[Feed, ...]
    segment: Segment

    @property
    def nodes(self) -> Sequence[Node]:
        """The nodes that a step runs, in order."""
        return self.segment.nodes


def build(graph: Graph, asked: Signature, *, traced: bool = False) -> Plan:
    """The plan of a signature. Raises the first fault of the part of the graph that it needs."""
    with no_collection():
        return _build(graph, asked, traced)


def _build(graph: Graph, asked: Signature, traced: bool) -> Plan:
    pruned = prune(graph, asked)
    prepared = prepare(pruned.graph)
    facts = {p.node.name: p.output_facts for p in prepared}
    for name, fetch in zip(asked.fetches, pruned.fetches):
        _check_fetch(graph, name, fetch, facts[fetch.node])
    feeds = tuple(
        _feed(name, graph, facts, argument) for name, argument in zip(asked.feeds, pruned.arguments)
    )
    segment = lower(pruned.graph, prepared, pruned.arguments, pruned.fetches, pruned.targets, traced=traced)
    return Plan(pruned.graph, feeds, segment)


def _check_fetch(graph: Graph, name: str, fetch: Endpoint, outputs: Sequence[Fact]) -> None:
    if not outputs:
        error = invalid(f"node {fetch.node!r} has no output to fetch", hint=f"add --target {fetch.node}")
    elif fetch.port >= len(outputs):
        error = invalid(f"cannot fetch {name!r}: node {fetch.node!r} has {len(outputs)} outputs")
    elif outputs[fetch.port].dtype.name in ("resource", "variant"):
        error = invalid(f"cannot fetch {name!r}, which is a {outputs[fetch.port].dtype}")
    else:
        return
    raise graph.error_at(error, fetch.node)


def _feed(name: str, graph: Graph, facts: Mapping[str, Sequence[Fact]], argument: str | None) -> Feed:
    if argument is not None:
        fact = facts[argument][0]
    else:
        # Nothing reads it, but a value of the wrong kind is a mistake all the same.
        fed = endpoint(name)
        outputs = prepare(prune(graph, Signature((), (), (fed.node,))).graph)[-1].output_facts
        if fed.port >= len(outputs):
            raise invalid(f"node {fed.node!r} has no output {name!r} to feed")
        fact = outputs[fed.port]
    return Feed(name, fact.dtype.base, fact.shape)
