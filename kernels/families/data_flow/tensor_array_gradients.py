"""Gradients of the TensorArray operations (python/ops/tensor_array_grad.py in TensorFlow).

The gradient of a write is a read from the array of gradients, and the gradient of a read a write to it. The
gradient of a flow is a flow of the gradients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.shapes import UNKNOWN, Shape

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor


def write_gradient(g: GraphBuilder, node: NodeView, dflow: Tensor) -> Any:
    dflow = _after_writing(g, node, dflow)
    handle, flow = _gradients(g, node, dflow)
    read = g.add_op(_op("Read", node), handle, node.inputs[1], flow, dtype=node.attr("T"))
    return None, None, read, dflow


def read_gradient(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
    handle, flow = _gradients(g, node, node.inputs[2])
    return None, None, g.add_op(_op("Write", node), handle, node.inputs[1], dy, flow)


def gather_gradient(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
    handle, flow = _gradients(g, node, node.inputs[2])
    return None, None, g.add_op(_op("Scatter", node), handle, node.inputs[1], dy, flow)


def scatter_gradient(g: GraphBuilder, node: NodeView, dflow: Tensor) -> Any:
    dflow = _after_writing(g, node, dflow)
    handle, flow = _gradients(g, node, dflow)
    _, indices, value, _ = node.inputs
    shape = _after_first(value.shape)
    name = _op("Gather", node)
    read = g.add_op(name, handle, indices, flow, dtype=node.attr("T"), element_shape=shape)
    return None, None, read, dflow


def concat_gradient(g: GraphBuilder, node: NodeView, dy: Tensor, dlengths: None) -> Any:
    handle, flow = _gradients(g, node, node.inputs[1])
    return None, g.add_op(_op("Split", node), handle, dy, node.outputs[1], flow)


def split_gradient(g: GraphBuilder, node: NodeView, dflow: Tensor) -> Any:
    dflow = _after_writing(g, node, dflow)
    handle, flow = _gradients(g, node, dflow)
    shape = _after_first(node.inputs[1].shape)
    name = _op("Concat", node)
    read = g.add_op(name, handle, flow, dtype=node.attr("T"), element_shape_except0=shape)
    return None, read[0], None, dflow


def _op(action: str, node: NodeView) -> str:
    """The name of the TensorArray operation for this action in the version of the node."""
    return f"TensorArray{action}{_version(node)}"


def _version(node: NodeView) -> str:
    return next((version for version in ("V2", "V3") if node.node.op.endswith(version)), "")


def _after_first(shape: Shape) -> Shape:
    return UNKNOWN if shape.dims is None else Shape(shape.dims[1:])


def _source(g: GraphBuilder) -> str:
    """The name of this gradient computation; each computation has its own arrays of gradients."""
    parts = g.unique_name("source").split("/")
    last = max((i for i, part in enumerate(parts) if part.startswith("gradients")), default=len(parts) - 2)
    return "/".join(parts[: last + 1])


def _gradients(g: GraphBuilder, node: NodeView, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the handle of the array of gradients of a node's array, and a flow that starts after its creation."""
    outputs = g.add_op(_op("Grad", node), node.inputs[0], flow, source=_source(g))
    handle = outputs[0] if isinstance(outputs, list) else outputs
    with g.control_dependencies([handle]):
        return handle, g.Identity(flow)


def _after_writing(g: GraphBuilder, node: NodeView, dflow: Tensor) -> Tensor:
    """Returns the gradient's flow, ordered after the write to the forward array."""
    # As a data input the forward flow is stacked by a loop for its gradient like any other value.
    with g.control_dependencies([g.Identity(node.outputs[0])]):
        return g.Identity(dflow)
