"""Passes that change devices and the shapes of placeholders."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ....kernels.core.inference import infer_graph
from ....kernels.core.op_sets import PLACEHOLDERS

if TYPE_CHECKING:
    from ....graphfmt.graph import Graph, Node


def clear_devices(graph: Graph) -> Graph:
    """Returns the graph without device requests and without requests for colocation, in functions too."""
    functions = tuple(replace(f, body=tuple(map(_anywhere, f.body))) for f in graph.functions)
    return replace(graph, nodes=tuple(map(_anywhere, graph.nodes)), functions=functions)


def _anywhere(node: Node) -> Node:
    attrs = {name: value for name, value in node.attrs.items() if name != "_class"}
    return replace(node, device="", attrs=attrs)


def fix_batch_size(graph: Graph, size: int) -> Graph:
    """Returns the graph with ``size`` for the first dimension of each placeholder where it is unknown.

    Raises INVALID_ARGUMENT if no placeholder has such a dimension, and the first fault that the new shapes lead to.
    """
    nodes = tuple(_with_batch_size(node, size) for node in graph.nodes)
    if nodes == graph.nodes:
        raise invalid("no placeholder has a first dimension that is unknown")
    fixed = graph.with_nodes(nodes)
    infer_graph(fixed)
    return fixed


def _with_batch_size(node: Node, size: int) -> Node:
    shape = node.attrs.get("shape")
    if (
        node.op not in PLACEHOLDERS
        or not isinstance(shape, Shape)
        or not shape.dims
        or shape.dims[0] is not None
    ):
        return node
    return replace(node, attrs={**node.attrs, "shape": Shape((size, *shape.dims[1:]))})
