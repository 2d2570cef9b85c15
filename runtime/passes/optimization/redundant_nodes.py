"""Removes nodes that give an input as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.graph import Endpoint
from ....kernels.core.inference import infer_graph
from ....kernels.core.op_sets import IDENTITIES, SWITCHES
from .rewiring import redirect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....graphfmt.graph import Graph, Node
    from ....kernels.core.facts import Fact
    from .candidates import PassContext


# From a node and the facts of its inputs and outputs to the position of the input that is its output, or None.
Rule = Callable[["Node", "Sequence[Fact]", "Sequence[Fact]"], "int | None"]


def remove_redundant_nodes(graph: Graph, context: PassContext) -> Graph:
    """Returns the graph without nodes whose only output is one of their inputs, bit for bit: Identity, a Reshape to the
    same shape, a multiplication by one, and the like.

    Kept nodes stay, and nodes with control inputs, whose readers wait for more than the value.
    """
    return _without(graph, context, _SAME_AS_INPUT, identities=True)


def remove_gradient_annotations(graph: Graph, context: PassContext) -> Graph:
    """Returns the graph without nodes that only direct the gradient (StopGradient), for a graph that is not
    differentiated any more."""
    return _without(graph, context, {"StopGradient": _first, "PreventGradient": _first}, identities=False)


def _without(graph: Graph, context: PassContext, rules: Mapping[str, Rule], *, identities: bool) -> Graph:
    candidates = [
        node
        for node in graph.nodes
        if (node.op in rules or (identities and node.op in IDENTITIES))
        and node.name not in context.kept
        and not node.control_inputs
        and not context.reads_state(node, graph)
    ]
    if not candidates:
        return graph
    facts = infer_graph(graph, library=context.library)
    outputs: dict[Endpoint, Endpoint] = {}
    for node in candidates:
        data = node.data_inputs
        inputs = [facts[source.node][source.port] for source in data]
        rule = _first if node.op in IDENTITIES else rules[node.op]
        same = rule(node, inputs, facts[node.name])
        if same is None or facts[node.name][0].dtype is not inputs[same].dtype:
            continue
        if not _may_wait_for_switch(graph, data[same]):
            outputs[Endpoint(node.name, 0)] = data[same]
    return redirect(graph, outputs)


def _may_wait_for_switch(graph: Graph, source: Endpoint) -> bool:
    """Returns True for an output of a Switch: control edges from an Identity after it say which branch is taken."""
    return graph[source.node].op in SWITCHES


def _first(node: Node, inputs: Sequence[Fact], outputs: Sequence[Fact]) -> int | None:
    return 0


def _same_shape(node: Node, inputs: Sequence[Fact], outputs: Sequence[Fact]) -> int | None:
    """The first input, if its shape is known and is the output's."""
    shape = inputs[0].shape
    return 0 if shape.is_fully_known and shape == outputs[0].shape else None


def _same_order(node: Node, inputs: Sequence[Fact], outputs: Sequence[Fact]) -> int | None:
    order = inputs[1].constant
    return 0 if order is not None and order.tolist() == list(range(order.size)) else None


def _same_dtype(node: Node, inputs: Sequence[Fact], outputs: Sequence[Fact]) -> int | None:
    return 0 if inputs[0].dtype is outputs[0].dtype else None


def _all_equal(value: int) -> Rule:
    """A rule for operations whose further inputs are all this number (paddings, multiples)."""

    def rule(node: Node, inputs: Sequence[Fact], outputs: Sequence[Fact]) -> int | None:
        given = inputs[1].constant
        return 0 if given is not None and bool((given == value).all()) else None

    return rule


def _only_one(node: Node, inputs: Sequence[Fact], outputs: Sequence[Fact]) -> int | None:
    return 0 if len(inputs) == 1 else None


def _neutral(value: int, *, either: bool) -> Rule:
    """A rule for arithmetic with a neutral element, which leaves NaN, infinities and signed zeros as they are."""

    def rule(node: Node, inputs: Sequence[Fact], outputs: Sequence[Fact]) -> int | None:
        for other, same in ((1, 0), (0, 1)) if either else ((1, 0),):
            constant = inputs[other].constant
            if constant is not None and constant.size and _keeps_shape(inputs[same], constant, outputs[0]):
                return same if _is_exactly(constant, value) else None
        return None

    return rule


def _keeps_shape(value: Fact, constant: Any, output: Fact) -> bool:
    """Returns True if a value has the output's shape although it is combined with a constant."""
    return constant.ndim == 0 or (value.shape.is_fully_known and value.shape == output.shape)


def _is_exactly(constant: Any, value: int) -> bool:
    # x - (-0.0) is +0.0 for x = -0.0, so the sign of a zero matters.
    return bool((constant == value).all()) and not bool(np.signbit(constant.real).any())


_SAME_AS_INPUT: dict[str, Rule] = {
    "Reshape": _same_shape,
    "Squeeze": _same_shape,
    "BroadcastTo": _same_shape,
    "Transpose": _same_order,
    "Cast": _same_dtype,
    "Pad": _all_equal(0),
    "PadV2": _all_equal(0),
    "Tile": _all_equal(1),
    "AddN": _only_one,
    "Mul": _neutral(1, either=True),
    "RealDiv": _neutral(1, either=False),
    "Div": _neutral(1, either=False),
    "Sub": _neutral(0, either=False),
    "Snapshot": _first,
}
