"""Calls of the functions of a graph's library.

A body becomes a plan of its own when it is first called, so that functions may be recursive. Plans are cached per
function, attributes, and facts of the arguments.
"""

from __future__ import annotations

import sys
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.errors import Status, TfgError
from ...graphfmt.graph import Graph, Node
from ...kernels.core.facts import Fact
from ...kernels.core.failures import as_tfg_error
from ...kernels.functions.instantiation import Instance
from ...kernels.functions.library import Library, graph_library, key_of_facts
from ..passes.prune import StepSignature
from ..plan.build import BuildOptions, build_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...graphfmt.attributes import Function
    from ...graphfmt.dtypes import DType
    from ..plan.scheduled_plan import ScheduledPlan
    from ..plan.segment_plan import SegmentPlan
    from ..plan.typed_graph import TypedNode

# The greatest depth of nested calls in a step. Each call takes about eight of Python's frames.
MAX_DEPTH = 600
_FRAMES = 20 * MAX_DEPTH
# The longest chain of callers that an error names in full, in characters.
_LONGEST_CHAIN = 120


def function_resolver(graph: Graph, *, compiled: bool = True, optimize: bool = True) -> Functions | None:
    """The resolver of a graph's functions; None if it has none. ``compiled`` tells whether well-formed loops and
    branches of their bodies run as Python's own, ``optimize`` whether their nodes are merged and folded."""
    library = graph_library(graph)
    return Functions(library, compiled, optimize) if library is not None else None


class Functions:
    """Resolves the functions that nodes name; see ``kernels.binding.Resolver``."""

    def __init__(self, library: Library, compiled: bool = True, optimize: bool = True) -> None:
        self.library = library
        # As in ``build.BuildOptions``; set before anything is called.
        self.guard: Callable[[TypedNode, Callable[..., Any]], Callable[..., Any]] | None = None
        self._optimize = optimize
        self._compiled = compiled
        self._plans: dict[Any, SegmentPlan | ScheduledPlan] = {}
        self._gradients: dict[Any, Function] = {}
        self._lock = RLock()
        if any(map(library.is_recursive, library.definitions)):
            sys.setrecursionlimit(max(sys.getrecursionlimit(), _FRAMES))

    def __call__(self, function: Function, node: Node) -> FunctionCall:
        instance = self.library.instance(function)
        return FunctionCall(self, function, instance, node.name, instance.always(node))

    def plan_of(
        self, function: Function, instance: Instance, always: Sequence[str], facts: Sequence[Fact]
    ) -> SegmentPlan | ScheduledPlan:
        """The plan of a function's body for arguments with these facts. ``always`` are the nodes of the body that run
        even if no result needs them."""
        narrowed = self.library.narrowed(function.name, instance, facts)
        key = (id(instance), len(always), key_of_facts(narrowed))
        found = self._plans.get(key)
        if found is None:
            with self._lock:
                found = self._plans.get(key)
                if found is None:
                    found = self._plans[key] = self._build(instance, tuple(always), narrowed)
        return found

    def _build(
        self, instance: Instance, always: tuple[str, ...], narrowed: Sequence[Fact]
    ) -> SegmentPlan | ScheduledPlan:
        graph, fetches = _with_separate_results(instance)
        targets = always or (() if fetches else (_NOTHING,))
        facts = {name: (fact,) for name, fact in zip(instance.args, narrowed)}
        asked = StepSignature(fetches, instance.args, targets)
        options = BuildOptions(
            functions=self,
            compile_control_flow=self._compiled,
            known_facts=facts,
            fetches_handles=True,
            optimize=self._optimize,
            guard=self.guard,
        )
        return build_plan(graph, asked, options)

    def gradient_of(self, function: Function, instance: Instance) -> Function:
        """The function that computes the gradients of another one's arguments."""
        key = id(instance)
        with self._lock:
            found = self._gradients.get(key)
            if found is None:
                from ..passes.gradients.symbolic_gradient import symbolic_gradient

                found = self._gradients[key] = symbolic_gradient(self.library, function)
            return found


_NOTHING = "nothing"


def _with_separate_results(instance: Instance) -> tuple[Graph, tuple[str, ...]]:
    """The body with an Identity for each result that is an argument, so that nothing is both fed and fetched; and the
    results' names."""
    graph = instance.graph
    added: list[Node] = []
    fetches: list[str] = []
    for text, dtype in zip(instance.results, instance.result_types):
        if text in instance.args:
            name = f"_result/{len(added)}"
            added.append(Node(name, "Identity", (text,), {"T": dtype}))
            text = name
        fetches.append(text)
    if not fetches:
        added.append(Node(_NOTHING, "NoOp"))
    return graph.with_nodes((*graph.nodes, *added)), tuple(fetches)


class FunctionCall:
    """A function as one node calls it; implements ``kernels.core.context.Callee``."""

    __slots__ = ("_always", "_facts", "_function", "_functions", "_instance", "_node", "_plan", "_run")

    def __init__(
        self,
        functions: Functions,
        function: Function,
        instance: Instance,
        node: str,
        always: Sequence[str],
        facts: Sequence[Fact] | None = None,
    ) -> None:
        self._functions = functions
        self._function = function
        self._instance = instance
        self._node = node
        self._always = always
        self._facts = facts
        self._plan: SegmentPlan | ScheduledPlan | None = None
        self._run: Callable[..., Sequence[Any]] | None = None

    def __call__(self, ctx: Any, /, *values: Any) -> Sequence[Any]:
        depth = ctx.depth
        try:
            if depth >= MAX_DEPTH:
                raise self._endless()
            ctx.check_cancelled()
            ctx.depth = depth + 1
            return (self._run or self._compiled())(ctx, *values)
        except Exception as error:
            explained = self._explained(error)
            if explained is error:
                raise
            raise explained from error
        finally:
            ctx.depth = depth

    def repeat(
        self, ctx: Any, body: FunctionCall, state: Sequence[Any], is_true: Callable[[Any], bool]
    ) -> Sequence[Any]:
        depth = ctx.depth
        check = ctx.check_cancelled
        running = self
        try:
            if depth >= MAX_DEPTH:
                raise self._endless()
            ctx.depth = depth + 1
            test = self._run or self._compiled()
            running = body
            step = body._run or body._compiled()
            while True:
                running = self
                (flag,) = test(ctx, *state)
                if not (flag if flag.__class__ is np.bool_ else is_true(flag)):
                    return state
                check()
                running = body
                state = step(ctx, *state)
        except Exception as error:
            explained = running._explained(error)
            if explained is error:
                raise
            raise explained from error
        finally:
            ctx.depth = depth

    def given(self, facts: Sequence[Fact]) -> FunctionCall:
        return FunctionCall(self._functions, self._function, self._instance, self._node, self._always, facts)

    def infer(self, facts: Sequence[Fact]) -> Sequence[Fact]:
        return self._functions.library.infer(self._function, facts)

    def is_passed_on(self, position: int) -> bool:
        return self._instance.is_passed_on(position)

    def gradient(self, inputs: Sequence[DType], outputs: Sequence[DType]) -> FunctionCall:
        found = self._functions.gradient_of(self._function, self._instance)
        self._functions.library.check(found, inputs, outputs)
        return self._functions(found, Node(self._node, ""))

    def _compiled(self) -> Callable[..., Sequence[Any]]:
        facts = self._facts or [Fact(dtype) for dtype in self._instance.arg_types]
        found = self._functions.plan_of(self._function, self._instance, self._always, facts)
        self._plan = found
        self._run = found.function
        return self._run

    def _endless(self) -> TfgError:
        name = self._function.name
        cycle = " -> ".join(self._functions.library.cycle(name))
        what = f"functions call each other without end: {cycle}" if cycle else f"function {name!r} is called"
        return TfgError(Status.RESOURCE_EXHAUSTED, f"{what}, more than {MAX_DEPTH} calls deep")

    def _explained(self, error: Exception) -> TfgError:
        """The error with the chain of callers before the name of the node at which it was raised."""
        if isinstance(error, RecursionError):
            error = self._endless().with_traceback(error.__traceback__)
        call = self._plan.failed_call(error) if self._plan is not None else None
        node = call.node if call is not None else None
        found = as_tfg_error(error) if call is None else call.error(error, self._functions.library)
        inner = found.node or (node.name if node is not None else "")
        if found.location is None and node is not None and node.offset >= 0:
            found.location = self._instance.graph.locate(node)
        found.node = _chain(self._node, inner)
        return found


def _chain(caller: str, inner: str) -> str:
    """The name ``caller/inner`` of a node within a call; the middle of a long chain of calls is left out."""
    if not inner:
        return caller
    if len(inner) >= _LONGEST_CHAIN:
        inner = f"…/{inner.rpartition('/')[2]}"
    elif inner.count("/…/"):
        inner = inner[inner.index("…/") :]
    return f"{caller}/{inner}"
