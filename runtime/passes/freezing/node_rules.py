"""Rewrite rules for nodes whose input was a variable and is now the variable's value."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.graph import Node
from ....graphfmt.tensors import from_array
from ....kernels.core.op_sets import INITIALIZATION_QUERIES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ....graphfmt.attributes import AttrValue
    from ....graphfmt.dtypes import DType
    from ....graphfmt.shapes import Shape
    from ....graphfmt.tensors import Array


class VariableValue(NamedTuple):
    """Dtype and shape of a variable's value, which replaces a handle or reference."""

    dtype: DType
    shape: Shape


# Values among a node's inputs, by position.
InputValues = dict[int, VariableValue]

# Operations that forward their input, with the number of outputs that carry the first input.
_HANDED_ON = {
    "Identity": 1,
    "Enter": 1,
    "Exit": 1,
    "NextIteration": 1,
    "Switch": 2,
    "Merge": 1,
}


def forwarded_values(node: Node, values: InputValues) -> InputValues | None:
    """Returns the outputs of a node that forward frozen variables, or None if the operation forwards none.

    An operation on values, rather than references or handles, reads a reference instead of forwarding it.
    """
    if node.op == "IdentityN":
        types = node.attrs.get("T")
        return {i: v for i, v in values.items() if isinstance(types, tuple) and types[i] is dtypes.resource}
    outputs = _HANDED_ON.get(node.op.removeprefix("Ref"))
    if outputs is None or not (node.op.startswith("Ref") or node.attrs.get("T") is dtypes.resource):
        return None
    return dict.fromkeys(range(outputs), next(iter(values.values())))


def is_variable_read(node: Node) -> bool:
    """Returns True if a node only reads the variable behind a handle."""
    return node.op in _READS or node.op in INITIALIZATION_QUERIES


def is_initialization_check(node: Node) -> bool:
    """Returns True if a node only tests whether a variable has a value."""
    return node.op in INITIALIZATION_QUERIES


def constant_node(node: Node, value: Array, dtype: DType) -> Node:
    """Returns a constant in place of a variable node, under its name."""
    attrs: dict[str, AttrValue] = {"dtype": dtype, "value": from_array(value, dtype), **_kept(node)}
    return replace(node, op="Const", inputs=tuple(_controls(node)), attrs=attrs)


def replacement_nodes(
    node: Node, values: InputValues, unique: Callable[[str], str], *, in_loop: bool
) -> list[Node]:
    """Returns the nodes that replace one which forwards or reads a frozen variable.

    Args:
        unique: makes a name unique in the graph.
        in_loop: True if constants need a control input, so that they run in the loop of that input.
    """
    if node.op in INITIALIZATION_QUERIES:
        ties = [f"^{node.inputs[0].lstrip('^').partition(':')[0]}"] if in_loop else []
        attrs: dict[str, AttrValue] = {"dtype": dtypes.bool_, "value": from_array(np.array(True))}
        return [replace(node, op="Const", inputs=(*ties, *_controls(node)), attrs=attrs)]
    if node.op in _READS:
        return _READS[node.op](node, values[0], unique, in_loop)
    if forwarded_values(node, values) is None:
        return [node]
    return [replace(node, op=node.op.removeprefix("Ref"), attrs=_of_value(node, values))]


def _of_value(node: Node, values: InputValues) -> dict[str, AttrValue]:
    """Returns the attributes with the dtype of the value, without shapes of the handle."""
    types = node.attrs.get("T")
    if isinstance(types, tuple):
        dtype: AttrValue = tuple(values[i].dtype if i in values else t for i, t in enumerate(types))
    else:
        dtype = values[0].dtype if 0 in values else next(iter(values.values())).dtype
    return {**_without_shapes(node), "T": dtype}


def _without_shapes(node: Node) -> dict[str, AttrValue]:
    return {key: value for key, value in node.attrs.items() if key != "_output_shapes"}


def _kept(node: Node) -> dict[str, AttrValue]:
    """Returns the attributes that do not concern the operation, such as colocation."""
    return {key: value for key, value in node.attrs.items() if key == "_class"}


def _controls(node: Node) -> list[str]:
    return [text for text in node.inputs if text.startswith("^")]


def _read(node: Node, value: VariableValue, unique: Callable[[str], str], in_loop: bool) -> list[Node]:
    return [replace(node, op="Identity", attrs={"T": value.dtype, **_kept(node)})]


def _gather(node: Node, value: VariableValue, unique: Callable[[str], str], in_loop: bool) -> list[Node]:
    batch_dims = node.attrs.get("batch_dims", 0)
    ties = (f"^{node.inputs[1].partition(':')[0]}",) if in_loop else ()
    axis = Node(
        unique(f"{node.name}/axis"),
        "Const",
        ties,
        {"dtype": dtypes.int32, "value": from_array(np.array(batch_dims, np.int32))},
        node.device,
    )
    attrs: dict[str, AttrValue] = {
        "Tparams": value.dtype,
        "Tindices": node.attrs["Tindices"],
        "Taxis": dtypes.int32,
        "batch_dims": batch_dims,
        **_kept(node),
    }
    inputs = (*node.inputs[:2], axis.name, *node.inputs[2:])
    return [axis, replace(node, op="GatherV2", inputs=inputs, attrs=attrs)]


def _gather_nd(node: Node, value: VariableValue, unique: Callable[[str], str], in_loop: bool) -> list[Node]:
    attrs: dict[str, AttrValue] = {
        "Tparams": value.dtype,
        "Tindices": node.attrs["Tindices"],
        **_kept(node),
    }
    return [replace(node, op="GatherNd", attrs=attrs)]


def _shape_of(node: Node, value: VariableValue, unique: Callable[[str], str], in_loop: bool) -> list[Node]:
    out_type = node.attrs.get("out_type", dtypes.int32)
    return [replace(node, op="Shape", attrs={"T": value.dtype, "out_type": out_type, **_kept(node)})]


def _nothing(node: Node, value: VariableValue, unique: Callable[[str], str], in_loop: bool) -> list[Node]:
    return [replace(node, op="NoOp", inputs=tuple(_controls(node)), attrs=_kept(node))]


_READS: Mapping[str, Callable[[Node, VariableValue, Callable[[str], str], bool], list[Node]]] = {
    "ReadVariableOp": _read,
    "ResourceGather": _gather,
    "ResourceGatherNd": _gather_nd,
    "VariableShape": _shape_of,
    "DisableCopyOnRead": _nothing,
}
