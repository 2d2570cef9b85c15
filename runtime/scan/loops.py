"""Loops of a graph, and the number of their iterations where a counter bounds it.

A bound is known if the condition compares a counter with a constant, alone or as a part of a conjunction, and the body
adds a constant to that counter. Every other loop, and every recursive function, may run for ever.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...graphfmt.attributes import Function
from ...graphfmt.errors import Location, TfgError
from ...graphfmt.graph import Endpoint, endpoint
from ...graphfmt.tensors import TensorValue
from ...kernels.core import registry
from ...kernels.core.op_sets import (
    CONSTANTS,
    ENTERS,
    IDENTITIES,
    LOOP_NODES,
    MERGES,
    NEXT_ITERATIONS,
    SWITCHES,
)
from ..plan.control_flow.frames import frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ...graphfmt.graph import Graph, Node
    from ...kernels.functions.library import Library

    Resolve = Callable[[Endpoint], Endpoint]


class FoundLoop(NamedTuple):
    """A loop: the node that decides about the next iteration, and what is known of its end."""

    name: str
    node: str
    op: str
    function: str
    iterations: float | None
    detail: str
    location: Location | None


def unbounded_loops(graph: Graph, library: Library | None) -> Iterator[FoundLoop]:
    """Yields the loops without a known bound, in called functions too, and functions that call themselves."""
    for loop in (*frame_loops(graph), *functional_loops(graph, library, "")):
        if loop.iterations is None:
            yield loop
    if library is None:
        return
    for name in sorted(library.reachable_functions(graph.nodes)):
        if library.is_recursive(name):
            yield FoundLoop(name, name, "function", name, None, "the function calls itself", None)
        try:
            body = library.instance(Function(name, {})).graph
        except TfgError:
            continue
        yield from (loop for loop in functional_loops(body, library, name) if loop.iterations is None)


def frame_loops(graph: Graph) -> Iterator[FoundLoop]:
    """Yields the loops of Enter, Merge and NextIteration; none if they are malformed."""
    if not any(node.op in LOOP_NODES for node in graph.nodes):
        return
    try:
        by_node = frames(graph)
    except TfgError:
        return
    for node in graph.nodes:
        if node.op == "LoopCond" and by_node.get(node.name):
            name = "/".join(by_node[node.name])
            bound = _FrameCounter(graph).bound(node)
            yield FoundLoop(
                name,
                node.name,
                node.op,
                "",
                bound,
                f"no bound of the loop {name!r} is known",
                _place(graph, node),
            )


def functional_loops(graph: Graph, library: Library | None, function: str) -> Iterator[FoundLoop]:
    """Yields the While nodes of a graph or of a function's body."""
    if library is None:
        return
    for node in graph.nodes:
        op = registry.find(node.op, library)
        if op is None or op.calls is None or not op.calls.repeats or "cond" not in node.attrs:
            continue
        bound = _functional_bound(graph, node, library)
        detail = "no bound of the loop is known"
        yield FoundLoop(node.name, node.name, node.op, function, bound, detail, _place(graph, node))


def _place(graph: Graph, node: Node) -> Location | None:
    return graph.locate(node) if node.offset >= 0 else None


class _Comparison(NamedTuple):
    """A condition that a loop goes on while ``counter`` is below ``limit`` (``sign`` 1) or above it (-1)."""

    counter: Endpoint
    limit: float
    sign: int
    is_strict: bool


_COMPARISONS = {
    "Less": (1, True),
    "LessEqual": (1, False),
    "Greater": (-1, True),
    "GreaterEqual": (-1, False),
}
_ADDITIONS = {"Add": 1.0, "AddV2": 1.0, "Sub": -1.0}


def _comparisons(graph: Graph, condition: Endpoint, resolve: Resolve) -> Iterator[_Comparison]:
    """Yields the comparisons with constants that must all hold."""
    waiting = [condition]
    for _ in range(64):
        if not waiting:
            return
        node = graph.index.get(resolve(waiting.pop()).node)
        if node is None:
            continue
        if node.op == "LogicalAnd":
            waiting += node.data_inputs
        elif node.op in _COMPARISONS and len(node.data_inputs) == 2:
            sign, is_strict = _COMPARISONS[node.op]
            left, right = map(resolve, node.data_inputs)
            limit, other = _number(graph, right), _number(graph, left)
            if limit is not None:
                yield _Comparison(left, limit, sign, is_strict)
            elif other is not None:
                yield _Comparison(right, other, -sign, is_strict)


def _step_of(graph: Graph, source: Endpoint, counter: Endpoint, resolve: Resolve) -> float | None:
    """The constant that an addition adds to the counter; None for anything else."""
    node = graph.index.get(resolve(source).node)
    if node is None or node.op not in _ADDITIONS or len(node.data_inputs) != 2:
        return None
    left, right = map(resolve, node.data_inputs)
    if left == counter:
        step = _number(graph, right)
        return None if step is None else _ADDITIONS[node.op] * step
    return _number(graph, left) if right == counter and node.op != "Sub" else None


def _iterations(start: float, step: float, comparison: _Comparison) -> float | None:
    """The number of iterations, None if the counter never gets to the limit."""
    distance = (comparison.limit - start) * comparison.sign
    stride = step * comparison.sign
    if distance < 0 or (distance == 0 and comparison.is_strict):
        return 0
    if stride <= 0 or not math.isfinite(distance):
        return None
    return math.ceil(distance / stride) if comparison.is_strict else math.floor(distance / stride) + 1


def _number(graph: Graph, source: Endpoint) -> float | None:
    node = graph.index.get(source.node)
    if node is None or node.op not in CONSTANTS:
        return None
    value = node.attrs.get("value")
    try:
        array = value.array() if isinstance(value, TensorValue) else None
    except TfgError:
        return None
    if array is None or array.size != 1 or not np.issubdtype(array.dtype, np.number):
        return None
    return float(array.reshape(-1)[0].real)


class _FrameCounter:
    """Finds the counter of a loop of Enter, Merge, Switch and NextIteration."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def bound(self, condition: Node) -> float | None:
        """The number of iterations of the loop that a LoopCond ends, None where it is not known."""
        found = [
            bound
            for one in _comparisons(self.graph, condition.data_inputs[0], self.resolve)
            if (bound := self._bound(one)) is not None
        ]
        return min(found, default=None)

    def _bound(self, comparison: _Comparison) -> float | None:
        merge = self.graph.index.get(comparison.counter.node)
        if merge is None or merge.op not in MERGES:
            return None
        start = step = None
        for source in merge.data_inputs:
            node = self.graph.index.get(source.node)
            if node is not None and node.op in ENTERS:
                start = _number(self.graph, self.resolve(node.data_inputs[0]))
            elif node is not None and node.op in NEXT_ITERATIONS:
                step = _step_of(self.graph, node.data_inputs[0], comparison.counter, self.resolve)
        return None if start is None or step is None else _iterations(start, step, comparison)

    def resolve(self, source: Endpoint) -> Endpoint:
        """Follows identities, Switches and Enters to what they pass on."""
        for _ in range(64):
            node = self.graph.index.get(source.node)
            if node is None or not (node.op in IDENTITIES or node.op in SWITCHES or node.op in ENTERS):
                return source
            source = node.data_inputs[0]
        return source


def _functional_bound(graph: Graph, node: Node, library: Library) -> float | None:
    """The number of iterations of a While, None where it is not known."""
    cond, body = node.attrs.get("cond"), node.attrs.get("body")
    if not isinstance(cond, Function) or not isinstance(body, Function):
        return None
    try:
        test, step = library.instance(cond), library.instance(body)
    except TfgError:
        return None
    if len(test.results) != 1 or len(node.data_inputs) != len(test.args):
        return None
    initial = [_through_identities(graph)(source) for source in node.data_inputs]
    constants = {
        name: value
        for place, name in enumerate(test.args)
        if step.is_passed_on(place) and (value := _number(graph, initial[place])) is not None
    }
    view = _with_constants(test.graph, constants)
    found: list[float] = []
    for one in _comparisons(view, endpoint(test.results[0]), _through_identities(view)):
        if one.counter.node not in test.args:
            continue
        place = test.args.index(one.counter.node)
        start = _number(graph, initial[place])
        resolve = _through_identities(step.graph)
        counter = Endpoint(step.args[place], 0)
        delta = _step_of(step.graph, endpoint(step.results[place]), counter, resolve)
        bound = None if start is None or delta is None else _iterations(start, delta, one)
        if bound is not None:
            found.append(bound)
    return min(found, default=None)


def _with_constants(graph: Graph, values: Mapping[str, float]) -> Graph:
    """The graph with constants in place of these placeholders."""
    from dataclasses import replace

    from ...graphfmt.tensors import from_array

    nodes: Sequence[Node] = [
        replace(node, op="Const", inputs=(), attrs={"value": from_array(np.array(values[node.name]))})
        if node.name in values
        else node
        for node in graph.nodes
    ]
    return graph.with_nodes(nodes)


def _through_identities(graph: Graph) -> Resolve:
    def resolve(source: Endpoint) -> Endpoint:
        for _ in range(64):
            node = graph.index.get(source.node)
            if node is None or node.op not in IDENTITIES:
                return source
            source = node.data_inputs[0]
        return source

    return resolve
