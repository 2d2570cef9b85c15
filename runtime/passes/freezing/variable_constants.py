"""Constants in place of variable nodes, checked against the declared dtype and shape."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ....graphfmt import dtypes
from ....graphfmt.dtypes import DType
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from .node_rules import constant_node

if TYPE_CHECKING:
    from ....graphfmt.graph import Node
    from ....graphfmt.tensors import Array


def variable_name(node: Node) -> str:
    """Returns the name that a session has for the variable of a node."""
    shared = node.attrs.get("shared_name")
    return shared.decode("utf-8", "surrogateescape") if isinstance(shared, bytes) and shared else node.name


def variable_dtype(node: Node) -> DType:
    dtype = node.attrs.get("dtype")
    if not isinstance(dtype, DType):
        raise invalid(f"variable {node.name!r} has no dtype", node=node.name)
    return dtype


def variable_constant(node: Node, value: Array, first: dict[str, str]) -> Node:
    """Returns a variable node as a constant; further nodes of the same variable become Identities of the first."""
    dtype = variable_dtype(node)
    shape = node.attrs.get("shape")
    if value.dtype != dtype.numpy:
        held = dtypes.of_numpy(value.dtype)
        raise invalid(f"variable {node.name!r} is {dtype}, but its value is {held}", node=node.name)
    is_declared = isinstance(shape, Shape) and (node.op != "Variable" or shape.rank)
    if is_declared and not shape.is_compatible(Shape(tuple(value.shape))):  # type: ignore[union-attr]
        raise invalid(
            f"variable {node.name!r} has shape {shape}, but its value has {Shape(tuple(value.shape))}",
            node=node.name,
        )
    original = first.setdefault(variable_name(node), node.name)
    if original == node.name:
        return constant_node(node, value, dtype)
    return replace(node, op="Identity", inputs=(original, *node.inputs), attrs={"T": dtype})
