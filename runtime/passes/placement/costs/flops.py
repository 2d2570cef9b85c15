"""Floating-point operations of a node, estimated from its operation and shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .....graphfmt.graph import Node

# A tensor's dimensions, with guesses for unknown ones.
Dims = tuple[int, ...]
Rule = Callable[["Node", Sequence[Dims], Sequence[Dims]], float]


def flops(node: Node, inputs: Sequence[Dims], outputs: Sequence[Dims]) -> float:
    """Estimates the floating-point operations of a node; a multiplication and an addition count one each.

    Matrix products and convolutions are exact. Other operations cost a factor per element of the largest
    tensor.
    """
    rule = _RULES.get(node.op)
    if rule is not None:
        try:
            return rule(node, inputs, outputs)
        except (IndexError, ValueError):
            # Fewer dimensions are known than the rule needs.
            pass
    return _PER_ELEMENT.get(node.op, 1.0) * max(map(math.prod, (*inputs, *outputs)), default=0)


def _matrix_product(node: Node, inputs: Sequence[Dims], outputs: Sequence[Dims]) -> float:
    turned = node.attrs.get("transpose_a") or node.attrs.get("adj_x")
    return 2.0 * math.prod(outputs[0]) * inputs[0][-2 if turned else -1]


def _windows(results: Dims, filter: Dims) -> float:
    """Counts a convolution: the last dimension of the filter is output channels; each result sums over all others."""
    return 2.0 * math.prod(results) * math.prod(filter[:-1])


def _depthwise(results: Dims, filter: Dims) -> float:
    """Counts a depthwise convolution: each result sums over a window of one channel."""
    return 2.0 * math.prod(results) * math.prod(filter[:2])


def _pooling(node: Node, inputs: Sequence[Dims], outputs: Sequence[Dims]) -> float:
    window = node.attrs.get("ksize", ())
    size = math.prod(k for k in window if isinstance(k, int)) if isinstance(window, tuple) else 1
    return float(min(math.prod(inputs[0]), math.prod(outputs[0])) * size)


def _einsum(node: Node, inputs: Sequence[Dims], outputs: Sequence[Dims]) -> float:
    """Counts the product of all distinct dimensions. Raises ValueError where the equation does not name them all."""
    equation = node.attrs.get("equation")
    if not isinstance(equation, bytes):
        raise ValueError
    sizes: dict[int, int] = {}
    for labels, dims in zip(equation.replace(b" ", b"").split(b"->")[0].split(b","), inputs, strict=True):
        sizes.update(zip(labels, dims, strict=True))
    return 2.0 * math.prod(sizes.values())


def _each(rule: Rule, *names: str) -> Mapping[str, Rule]:
    return dict.fromkeys(names, rule)


_RULES: Mapping[str, Rule] = {
    **_each(_matrix_product, "MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "_FusedMatMul"),
    **_each(lambda _, i, o: _windows(o[0], i[1]), "Conv2D", "Conv3D", "_FusedConv2D"),
    **_each(lambda _, i, o: _windows(i[2], i[1]), "Conv2DBackpropInput", "Conv3DBackpropInputV2"),
    **_each(lambda _, i, o: _windows(i[2], o[0]), "Conv2DBackpropFilter", "Conv3DBackpropFilterV2"),
    **_each(lambda _, i, o: _depthwise(o[0], i[1]), "DepthwiseConv2dNative"),
    **_each(lambda _, i, o: _depthwise(i[2], i[1]), "DepthwiseConv2dNativeBackpropInput"),
    **_each(lambda _, i, o: _depthwise(i[2], o[0]), "DepthwiseConv2dNativeBackpropFilter"),
    **_each(_pooling, "MaxPool", "AvgPool", "MaxPoolGrad", "AvgPoolGrad", "MaxPool3D", "AvgPool3D"),
    **_each(_einsum, "Einsum"),
}

_PER_ELEMENT = {
    **dict.fromkeys(("Sqrt", "Rsqrt", "RealDiv", "Div", "ApplyMomentum", "ResourceApplyMomentum"), 4.0),
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), 8.0),
    **dict.fromkeys(("ApplyAdagrad", "ResourceApplyAdagrad", "ApplyRMSProp", "ResourceApplyRMSProp"), 10.0),
    **dict.fromkeys(("Exp", "Log", "Elu", "Selu", "Sigmoid", "ApplyAdam", "ResourceApplyAdam"), 12.0),
    **dict.fromkeys(("FusedBatchNormGrad", "FusedBatchNormGradV2", "FusedBatchNormGradV3"), 12.0),
    **dict.fromkeys(("Tanh", "Sin", "Cos", "Softplus", "Softmax", "LogSoftmax"), 15.0),
    **dict.fromkeys(("Erf", "Pow", "LRN", "LRNGrad"), 20.0),
    **dict.fromkeys(("SoftmaxCrossEntropyWithLogits", "SparseSoftmaxCrossEntropyWithLogits"), 20.0),
    **dict.fromkeys(("RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2"), 10.0),
    **dict.fromkeys(("RandomStandardNormal", "TruncatedNormal", "StatelessRandomNormal"), 30.0),
}
