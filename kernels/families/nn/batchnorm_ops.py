"""Fused batch normalization (FusedBatchNorm, V2, V3), its gradient and the gradient of that.

y = (x - mean) / sqrt(variance + epsilon) * scale + offset per channel, computed in float: Ioffe and Szegedy, "Batch
Normalization", 2015. In training mean and variance are those of the batch (population variance for y, sample variance
for the batch_variance output, as in TensorFlow); otherwise they are inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape, merge_dim, vector
from ...core.registry import Family, Op
from .channel_matrix import (
    channel_axis,
    check_per_channel,
    column_sums,
    row_blocks,
    to_channel_matrix,
    with_channels,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op

_FORMAT = "data_format: string in {'NHWC', 'NCHW'} = \"NHWC\""
_FORMAT_V3 = "data_format: string in {'NHWC', 'NCHW', 'NDHWC', 'NCDHW'} = \"NHWC\""
_EPSILON = "epsilon: float = 0.0001"
_TYPES_V2 = "T: type in {half, bfloat16, float}, U: type in {float}"


def _x_shape(c: ShapeContext, key: int) -> tuple[Shape, int]:
    """The shape of the tensor to normalize, with one axis per letter of the data format, and its channel axis."""
    data_format = c.attr("data_format")
    x = c.with_rank(key, len(data_format))
    return x, channel_axis(len(data_format), data_format)


def _forward_shape(c: ShapeContext) -> list[Shape]:
    x, axis = _x_shape(c, 0)
    channels = x[axis]
    # In training the running statistics may be empty.
    for key in range(1, 3 if c.attr("is_training") else 5):
        channels = merge_dim(channels, c.with_rank(key, 1)[0])
    outputs = [with_channels(x, axis, channels), *[vector(channels)] * 4]
    if len(c.bound.output_types) == 6:
        outputs.append(UNKNOWN)
    return outputs


def _backward_shape(c: ShapeContext) -> list[Shape]:
    dy, axis = _x_shape(c, 0)
    x, _ = _x_shape(c, 1)
    both = dy.merge(x)
    channels = both[axis]
    for key in (2, 3, 4):
        channels = merge_dim(channels, c.with_rank(key, 1)[0])
    return [with_channels(both, axis, channels), vector(channels), vector(channels), vector(0), vector(0)]


def _train(xp: Any, x: Any, scale: Any, offset: Any, epsilon: float, axis: int) -> tuple[Any, Any, Any, int]:
    """Returns the normalized tensor, its mean and population variance, and the number of rows."""
    rows = to_channel_matrix(xp, x, axis)
    count = rows.matrix.shape[0]
    share = np.float32(1) / np.float32(count)
    mean = sum(column_sums(xp, block) for (block,) in row_blocks(xp, rows.matrix)) * share
    result = xp.empty_like(rows.matrix)
    squares: Any = 0
    for block, out in row_blocks(xp, rows.matrix, result):
        xp.subtract(block, mean, out=out)
        squares = squares + column_sums(xp, out * out)
    variance = squares * share
    factor = scale / xp.sqrt(variance + np.float32(epsilon))
    for (out,) in row_blocks(xp, result):
        out *= factor
        out += offset
    return rows.restore(xp, result, x.dtype), mean, variance, count


def _forward(
    xp: Any, x: Any, scale: Any, offset: Any, mean: Any, variance: Any,
    epsilon: float, factor: float, data_format: str, is_training: bool,
) -> list[Any]:  # fmt: skip
    """Returns the outputs of FusedBatchNorm and V2; the last two are the statistics that the gradient needs."""
    axis = check_per_channel(x, data_format, {"scale": scale, "offset": offset})
    running = {"mean": mean, "variance": variance}
    if not is_training or factor != 1:
        check_per_channel(x, data_format, running)
    stats_type = mean.dtype
    if not is_training:
        rows = to_channel_matrix(xp, x, axis)
        factor_of = scale.astype(np.float32) / xp.sqrt(variance.astype(np.float32) + np.float32(epsilon))
        y = xp.empty_like(rows.matrix)
        for block, out in row_blocks(xp, rows.matrix, y):
            xp.subtract(block, mean, out=out)
            out *= factor_of
            out += offset
        return [rows.restore(xp, y, x.dtype), mean.copy(), variance.copy(), mean.copy(), variance.copy()]
    channels = x.shape[axis]
    if not x.size:
        nan = xp.full(channels, np.nan, stats_type)
        return [
            xp.empty(x.shape, x.dtype),
            nan,
            nan.copy(),
            xp.zeros(channels, stats_type),
            xp.zeros(channels, stats_type),
        ]
    y, batch_mean, batch_variance, count = _train(xp, x, scale, offset, epsilon, axis)
    unbiased = batch_variance * np.float32(count / max(count - 1, 1))
    new_mean = batch_mean
    if factor != 1:
        old, new = np.float32(1 - factor), np.float32(factor)
        new_mean = old * mean + new * batch_mean
        unbiased = old * variance + new * unbiased
    return [y, *(v.astype(stats_type) for v in (new_mean, unbiased, batch_mean, batch_variance))]


def _backward(
    xp: Any, dy: Any, x: Any, scale: Any, mean: Any, variance: Any,
    epsilon: float, data_format: str, is_training: bool,
) -> list[Any]:  # fmt: skip
    axis = check_per_channel(
        x, data_format, {"scale": scale, "reserve_space_1": mean, "reserve_space_2": variance}
    )
    if dy.shape != x.shape:
        raise invalid(f"y_backprop has shape {dy.shape}, but x has shape {x.shape}")
    none = xp.zeros(0, scale.dtype)
    if not x.size:
        channels = x.shape[axis]
        zeros = xp.zeros(channels, scale.dtype)
        return [xp.empty(x.shape, x.dtype), zeros, zeros.copy(), none, none.copy()]
    rows, dy_rows = to_channel_matrix(xp, x, axis), to_channel_matrix(xp, dy, axis).matrix
    deviation = 1 / xp.sqrt(variance + np.float32(epsilon))
    d_offset: Any = 0
    along: Any = 0
    for block, part in row_blocks(xp, rows.matrix, dy_rows):
        d_offset = d_offset + column_sums(xp, part)
        along = along + column_sums(xp, part * (block - mean))
    d_scale = along * deviation
    share = np.float32(1) / np.float32(rows.matrix.shape[0])
    lean, common = d_scale * deviation * -share, d_offset * share
    factor = scale * deviation
    result = xp.empty_like(rows.matrix)
    for block, part, out in row_blocks(xp, rows.matrix, dy_rows, result):
        if is_training:
            xp.subtract(block, mean, out=out)
            out *= lean
            out += part
            out -= common
            out *= factor
        else:
            xp.multiply(part, factor, out=out)
    return [rows.restore(xp, result, x.dtype), d_scale, d_offset, none, none.copy()]


def _declare_forward(text: str) -> Op:
    declared = op(text, shape=_forward_shape, allocates_output=True)

    @declared.kernel
    def _(
        xp: Any, x: Any, scale: Any, offset: Any, mean: Any, variance: Any, *,
        epsilon: float, exponential_avg_factor: float, data_format: str, is_training: bool,
    ) -> Any:  # fmt: skip
        outputs = _forward(
            xp, x, scale, offset, mean, variance, epsilon, exponential_avg_factor, data_format, is_training
        )
        # The third reserve space has a meaning for cuDNN alone.
        return [*outputs, xp.zeros(0, mean.dtype)] if "reserve_space_3" in text else outputs

    return declared


def _declare_backward(text: str) -> Op:
    declared = op(text, shape=_backward_shape, allocates_output=True)

    @declared.kernel
    def _(
        xp: Any, dy: Any, x: Any, scale: Any, mean: Any, variance: Any, *rest: Any,
        epsilon: float, data_format: str, is_training: bool,
    ) -> Any:  # fmt: skip
        return _backward(xp, dy, x, scale, mean, variance, epsilon, data_format, is_training)

    return declared


def _forward_text(version: str, stats: str, types: str, data_format: str) -> str:
    return (
        f"FusedBatchNorm{version}(x: T, scale: {stats}, offset: {stats}, mean: {stats}, variance: "
        f"{stats}; {types}, "
        f"{_EPSILON}, exponential_avg_factor: float = 1, {data_format}, is_training: bool = true) -> (y: T, "
        f"batch_mean: {stats}, batch_variance: {stats}, reserve_space_1: {stats}, reserve_space_2: {stats}"
        + (f", reserve_space_3: {stats})" if version == "V3" else ")")
    )


def _backward_text(version: str, stats: str, scale: str, types: str, data_format: str) -> str:
    third = f", reserve_space_3: {stats}" if version == "V3" else ""
    first, second = ("4", "5") if version == "V3" else ("3", "4")
    return (
        f"FusedBatchNormGrad{version}(y_backprop: T, x: T, scale: {scale}, reserve_space_1: {stats}, "
        f"reserve_space_2: {stats}{third}; {types}, {_EPSILON}, {data_format}, is_training: bool = true) "
        f"-> (x_backprop: T, scale_backprop: {stats}, offset_backprop: {stats}, "
        f"reserve_space_{first}: {stats}, "
        f"reserve_space_{second}: {stats})"
    )


_FORWARD = {
    "": _declare_forward(_forward_text("", "T", "T: type in {float}", _FORMAT)),
    "V2": _declare_forward(_forward_text("V2", "U", _TYPES_V2, _FORMAT)),
    "V3": _declare_forward(
        _forward_text(
            "V3", "U", "T: type in {half, bfloat16, float}, U: type in {bfloat16, float}", _FORMAT_V3
        )
    ),
}
_BACKWARD = {
    "": _declare_backward(_backward_text("", "T", "T", "T: type in {float}", _FORMAT)),
    "V2": _declare_backward(_backward_text("V2", "U", "float", _TYPES_V2, _FORMAT)),
    "V3": _declare_backward(_backward_text("V3", "U", "float", _TYPES_V2, _FORMAT_V3)),
}


def _forward_gradient(version: str) -> Callable[..., Any]:
    def gradient(g: GraphBuilder, node: NodeView, dy: Tensor | None, *unused: Any) -> list[Any]:
        x, scale, _, mean, variance = node.inputs
        if dy is None:
            return [None] * 5
        training = node.attr("is_training")
        statistics = node.outputs[3:5] if training else [mean, variance]
        if version == "V3":
            statistics.append(node.outputs[5])
        attrs = {name: node.attr(name) for name in ("epsilon", "data_format", "is_training")}
        dx, d_scale, d_offset, *_ = g.add_op(_BACKWARD[version].name, dy, x, scale, *statistics, **attrs)
        return [dx, d_scale, d_offset, None, None]

    return gradient


for _version, _declared in _FORWARD.items():
    _declared.gradient(_forward_gradient(_version))


def _backward_gradient(
    g: GraphBuilder,
    node: NodeView,
    dx: Tensor | None,
    d_scale: Tensor | None,
    d_offset: Tensor | None,
    *unused: Any,
) -> list[Any]:
    """Returns the gradients of the gradient, where mean and variance depend on x (in training) or are inputs.

    With r = 1 / sqrt(variance + epsilon) and h = (x - mean) * r, the operation computes scale * r * P(dy), sum(dy *
    h) and sum(dy), where P(u) = u - mean(u) - h * mean(u * h).
    """
    data_format: str = node.attr("data_format")
    axes = [0, *((2, 3, 4) if data_format.startswith("NC") else (1, 2, 3))][: len(data_format) - 1]
    ones = [1] * (len(data_format) - 2)
    per_channel = [1, -1, *ones] if data_format.startswith("NC") else [1, *ones, -1]

    def mean_of(u: Tensor) -> Tensor:
        return g.Mean(u, axes, keep_dims=True)

    def spread(vector: Tensor) -> Tensor:
        return g.Reshape(vector, per_channel)

    dy, x = (g.cast(value, dtypes.float32) for value in node.inputs[:2])
    scale = spread(node.inputs[2])
    upstream = g.cast(dx, dtypes.float32) if dx is not None else g.zeros_like(x)
    a = spread(d_scale) if d_scale is not None else g.zeros_like(scale)
    b = spread(d_offset) if d_offset is not None else g.zeros_like(scale)
    training = node.attr("is_training")
    centered = x - (mean_of(x) if training else spread(node.inputs[3]))
    variance = mean_of(g.Square(centered)) if training else spread(node.inputs[4])
    r = g.Rsqrt(variance + node.attr("epsilon"))
    h = centered * r

    def project(u: Tensor) -> Tensor:
        return u - mean_of(u) - h * mean_of(u * h) if training else u

    projected = project(dy)
    to_dy = scale * r * project(upstream) + a * h + b
    to_scale = g.Sum(upstream * r * projected, axes)
    to_x = a * dy * r
    if training:
        inner = a * dy - scale * r * (upstream * mean_of(dy * h) + dy * mean_of(upstream * h))
        to_x = r * project(inner) - scale * g.Square(r) * h * mean_of(upstream * projected)
    dtype = node.inputs[1].dtype
    gradients = [g.cast(to_dy, dtype), g.cast(to_x, dtype), to_scale]
    return gradients + [None] * (len(node.inputs) - 3)


for _declared in _BACKWARD.values():
    _declared.gradient(_backward_gradient)
