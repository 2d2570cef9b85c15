"""Fuses a product or convolution, the addition of its bias and its activation into one node.

The nodes are those that TensorFlow's own optimizer leaves (``_FusedConv2D``, ``_FusedMatMul``), in the
combinations that TensorFlow's CPU kernels have, so that it runs the optimized graph too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....graphfmt import dtypes
from ....graphfmt.graph import Node
from .chains import Chains

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....graphfmt.attributes import AttrValue
    from ....graphfmt.graph import Graph
    from .candidates import PassContext

_ACTIVATIONS = frozenset({"Relu", "Relu6", "Elu", "LeakyRelu"})
_FUSED = {"Conv2D": "_FusedConv2D", "MatMul": "_FusedMatMul"}
# Attributes that the fused operation takes over.
_ATTRS = {
    "Conv2D": ("T", "strides", "padding", "explicit_paddings", "data_format", "dilations"),
    "MatMul": ("T", "transpose_a", "transpose_b"),
}


def fuse_epilogues(graph: Graph, context: PassContext) -> Graph:
    """Returns the graph with fused nodes, each under the name of the last node that it replaces. The nodes before it
    stay until nothing needs them (``remove_unused_nodes``). Results are the same, bit for bit."""
    chains = Chains(graph, context)
    fused: dict[str, Node] = {}
    for node in graph.nodes:
        made = _fused(node, chains)
        if made is not None:
            fused[node.name] = made
    if not fused:
        return graph
    return graph.with_nodes(fused.get(node.name, node) for node in graph.nodes)


def _fused(node: Node, chains: Chains) -> Node | None:
    """Returns the fused node that takes the place of an activation, or of a BiasAdd without one."""
    activation = node if node.op in _ACTIVATIONS else None
    bias = chains.producer(node, {"BiasAdd"}) if activation is not None else node
    if bias is None or bias.op != "BiasAdd" or bias.attrs.get("T") is not dtypes.float32:
        return None
    if activation is None and _is_activated(bias, chains):
        return None
    product = chains.producer(bias, _FUSED)
    if product is None or bias.attrs.get("data_format", b"NHWC") != b"NHWC":
        return None
    if product.attrs.get("data_format", b"NHWC") != b"NHWC":
        return None
    controls = tuple(text for text in node.inputs if text.startswith("^"))
    inputs = (*product.inputs, bias.inputs[1], *controls)
    return Node(
        node.name, _FUSED[product.op], inputs, _attributes(product, activation), node.device, node.offset
    )


def _is_activated(bias: Node, chains: Chains) -> bool:
    """Returns True if an activation that can be fused is the only reader of a BiasAdd: the fusion is done there."""
    reader = chains.only_reader(bias)
    return reader is not None and reader.op in _ACTIVATIONS and chains.producer(reader, {"BiasAdd"}) is bias


def _attributes(product: Node, activation: Node | None) -> Mapping[str, AttrValue]:
    attrs: dict[str, AttrValue] = {
        name: product.attrs[name] for name in _ATTRS[product.op] if name in product.attrs
    }
    ops = (b"BiasAdd",) if activation is None else (b"BiasAdd", activation.op.encode())
    attrs.update(fused_ops=ops, num_args=1, epsilon=0.0)
    if product.op == "Conv2D":
        attrs["TArgs"] = (dtypes.float32,)
    if activation is not None and activation.op == "LeakyRelu":
        attrs["leakyrelu_alpha"] = activation.attrs.get("alpha", 0.2)
    return attrs
