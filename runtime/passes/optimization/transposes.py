"""Combines transposes that follow each other, and casts that undo each other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.dtypes import DType
from ....graphfmt.graph import Endpoint, Node, endpoint
from ....graphfmt.tensors import TensorValue, from_array
from ....kernels.core.op_sets import CONSTANTS
from .rewiring import redirect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.attributes import AttrValue
    from ....graphfmt.graph import Graph
    from .candidates import PassContext


def combine_transposes(graph: Graph, context: PassContext) -> Graph:
    """Returns the graph with one Transpose for two that follow each other, and with none for two that cancel."""
    made: list[Node] = []
    changed: dict[str, Node] = {}
    outputs: dict[Endpoint, Endpoint] = {}
    for node in graph.nodes:
        pair = _pair(graph, node, "Transpose")
        if pair is None or endpoint(pair.inputs[0]) in outputs:
            continue
        first, second = _order(graph, pair), _order(graph, node)
        if first is None or second is None or len(first) != len(second) or not _is_order(first, second):
            continue
        order = [first[axis] for axis in second]
        if order == sorted(order) and node.name not in context.kept:
            outputs[Endpoint(node.name, 0)] = endpoint(pair.inputs[0])
            continue
        constant = _order_constant(graph, node, order)
        made.append(constant)
        attrs = {**node.attrs, "Tperm": dtypes.int32}
        changed[node.name] = replace(
            node, inputs=(pair.inputs[0], constant.name, *node.inputs[2:]), attrs=attrs
        )
    nodes = [changed.get(node.name, node) for node in graph.nodes]
    return redirect(graph.with_nodes([*nodes, *made]) if made else graph, outputs)


def combine_casts(graph: Graph, context: PassContext) -> Graph:
    """Returns the graph without casts to a wider type and back, which change no value."""
    outputs: dict[Endpoint, Endpoint] = {}
    for node in graph.nodes:
        pair = _pair(graph, node, "Cast")
        if pair is None or node.name in context.kept or endpoint(pair.inputs[0]) in outputs:
            continue
        narrow, wide = pair.attrs.get("SrcT"), pair.attrs.get("DstT")
        if node.attrs.get("DstT") is narrow and _holds_all(wide, narrow):
            outputs[Endpoint(node.name, 0)] = endpoint(pair.inputs[0])
    return redirect(graph, outputs)


def _pair(graph: Graph, node: Node, op: str) -> Node | None:
    """Returns the node that an operation's first input comes from, if it is of the same operation."""
    if node.op != op or not node.inputs or node.control_inputs:
        return None
    before = graph.index.get(endpoint(node.inputs[0]).node)
    if before is None or before.op != op or before.control_inputs or before.device != node.device:
        return None
    return before


def _order(graph: Graph, node: Node) -> Sequence[int] | None:
    """Returns the axes of a Transpose, if they are constant."""
    constant = graph.index.get(endpoint(node.inputs[1]).node)
    value = constant.attrs.get("value") if constant is not None and constant.op in CONSTANTS else None
    if not isinstance(value, TensorValue) or value.shape.rank != 1:
        return None
    axes = value.array().tolist()
    return [axis + len(axes) if axis < 0 else axis for axis in axes]


def _is_order(*orders: Sequence[int]) -> bool:
    return all(sorted(order) == list(range(len(order))) for order in orders)


def _order_constant(graph: Graph, node: Node, order: Sequence[int]) -> Node:
    name = f"{node.name}/combined_perm"
    while name in graph:
        name += "_"
    value = from_array(np.array(order, np.int32))
    return Node(name, "Const", attrs={"dtype": dtypes.int32, "value": value}, device=node.device)


def _holds_all(wide: AttrValue, narrow: AttrValue) -> bool:
    """Returns True if a type has every value of another."""
    if not isinstance(wide, DType) or not isinstance(narrow, DType):
        return False
    if wide.is_opaque or narrow.is_opaque or wide is dtypes.bool_:
        return False
    try:
        return bool(np.can_cast(narrow.numpy, wide.numpy, "safe"))
    except TypeError:
        return False
