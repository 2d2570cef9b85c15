"""Folds batch normalization with constant statistics into the filter of the convolution or product before it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.graph import Node
from ....graphfmt.tensors import from_array
from .chains import Chains

if TYPE_CHECKING:
    from ....graphfmt.graph import Graph
    from ....graphfmt.tensors import Array
    from .candidates import PassContext

_NORMALIZATIONS = frozenset({"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"})
_LINEAR = frozenset({"Conv2D", "DepthwiseConv2dNative", "MatMul"})
_SUMS = frozenset({"BiasAdd", "Add", "AddV2"})
_MAX_ROUNDS = 4


class _Affine(NamedTuple):
    """A multiplication and an addition per channel."""

    factor: Array
    offset: Array


def fold_batch_norm(graph: Graph, context: PassContext) -> Graph:
    """Returns the graph with filters and biases that contain the scaling and shifting per channel that follows:
    FusedBatchNorm at inference, and multiplications by a constant vector. The last node keeps its name and becomes a
    BiasAdd.

    The factors are computed in double precision, so results differ by the rounding of the filter alone.
    """
    for _ in range(_MAX_ROUNDS):
        folded = _fold_once(graph, Chains(graph, context))
        if folded is graph:
            break
        graph = folded
    return graph


def _fold_once(graph: Graph, chains: Chains) -> Graph:
    replaced: dict[str, list[Node]] = {}
    for node in graph.nodes:
        folded = _folded(node, chains)
        if folded is not None:
            replaced[node.name] = folded
    if not replaced:
        return graph
    return graph.with_nodes(new for node in graph.nodes for new in replaced.get(node.name, [node]))


def _folded(node: Node, chains: Chains) -> list[Node] | None:
    """Returns the nodes that take the place of a normalization or multiplication."""
    if node.op not in _NORMALIZATIONS and node.op != "Mul":
        return None
    position = 0
    if node.op == "Mul" and chains.constant(node, 0) is not None:
        position = 1
    before = chains.producer(node, _LINEAR | _SUMS, position)
    if before is None or len(node.data_inputs) < 2:
        return None
    sum_node = before if before.op in _SUMS else None
    linear = chains.producer(sum_node, _LINEAR) if sum_node is not None else before
    if linear is None or not _is_supported(linear):
        return None
    weights = chains.constant(linear, 1)
    if weights is None or weights.dtype != np.float32:
        return None
    affine = _affine(node, position, linear, chains, _channels(linear, weights))
    bias = _bias(sum_node, chains, affine)
    if affine is None or bias is None:
        return None
    scaled = _scaled(linear, weights, affine.factor)
    return _with_bias(node, linear, scaled, bias * affine.factor + affine.offset, chains.graph)


def _is_supported(linear: Node) -> bool:
    return linear.attrs.get("data_format", b"NHWC") == b"NHWC" and not linear.attrs.get("transpose_b", False)


def _channels(linear: Node, weights: Array) -> int:
    return weights.shape[-1] * (weights.shape[-2] if linear.op == "DepthwiseConv2dNative" else 1)


def _affine(node: Node, position: int, linear: Node, chains: Chains, channels: int) -> _Affine | None:
    """Returns what a node does per channel; None if it is anything else."""
    if node.op == "Mul":
        factor = _per_channel(chains.constant(node, 1 - position), channels, _rank(linear))
        return None if factor is None else _Affine(factor, np.zeros(channels))
    if node.attrs.get("is_training", True) or not chains.reads_only_first_output(node):
        return None
    if node.attrs.get("data_format", b"NHWC") != b"NHWC":
        return None
    vectors = [_per_channel(chains.constant(node, i), channels, 1) for i in range(1, 5)]
    if any(vector is None for vector in vectors):
        return None
    scale, offset, mean, variance = (vector for vector in vectors if vector is not None)
    epsilon = node.attrs.get("epsilon", 0.0001)
    assert isinstance(epsilon, float)
    with np.errstate(all="ignore"):
        factor = scale / np.sqrt(variance + epsilon)
        return _Affine(factor, offset - mean * factor)


def _rank(linear: Node) -> int:
    return 2 if linear.op == "MatMul" else 4


def _per_channel(value: Array | None, channels: int, rank: int) -> Array | None:
    """Returns a constant as a vector of doubles, one per channel; None unless it is it has finite floats and
    broadcasts over the other axes alone."""
    if value is None or value.dtype != np.float32 or value.ndim > rank or not np.isfinite(value).all():
        return None
    if value.size == 1:
        return np.full(channels, float(value.reshape(())))
    return value.astype(np.float64).reshape(-1) if value.shape[-1] == channels == value.size else None


def _bias(sum_node: Node | None, chains: Chains, affine: _Affine | None) -> Array | None:
    if affine is None or sum_node is None:
        return None if affine is None else np.zeros(affine.factor.size)
    value = chains.constant(sum_node, 1)
    return None if value is None or value.ndim == 0 else _per_channel(value, affine.factor.size, 4)


def _scaled(linear: Node, weights: Array, factor: Array) -> Array:
    if linear.op == "DepthwiseConv2dNative":
        factor = factor.reshape(weights.shape[-2:])
    return (weights * factor).astype(np.float32)


def _with_bias(node: Node, linear: Node, weights: Array, bias: Array, graph: Graph) -> list[Node]:
    """Returns the new filter, product and bias, and their sum under the name of ``node``."""
    names = [_free_name(graph, f"{node.name}/{suffix}") for suffix in ("filter", linear.op, "bias")]
    constants = [
        Node(name, "Const", attrs={"dtype": dtypes.float32, "value": from_array(value)}, device=node.device)
        for name, value in ((names[0], weights), (names[2], bias.astype(np.float32)))
    ]
    product = replace(linear, name=names[1], inputs=(linear.inputs[0], names[0]), debug=b"")
    attrs = {"T": dtypes.float32, "data_format": b"NHWC"}
    inputs = (names[1], names[2], *(text for text in node.inputs if text.startswith("^")))
    return [
        constants[0],
        product,
        constants[1],
        replace(node, op="BiasAdd", inputs=inputs, attrs=attrs, debug=b""),
    ]


def _free_name(graph: Graph, name: str) -> str:
    while name in graph:
        name += "_"
    return name
