"""BatchNormWithGlobalNormalization and its gradient, which TensorFlow deprecated in GraphDef version 9.

y = (t - m) / sqrt(v + variance_epsilon) * gamma + beta, for t of shape [batch, height, width, channels]; without the
factor gamma unless scale_after_normalization.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, merge_dim, vector
from ...core.registry import Family
from ...core.types import NUMBERS
from .channel_matrix import check_per_channel, with_channels

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op

_GLOBAL = f"T: type in {NUMBERS}, variance_epsilon: float, scale_after_normalization: bool"


def _global_shape(c: ShapeContext) -> Shape:
    x = c.with_rank(0, 4)
    channels = x[3]
    for key in range(1, 5):
        channels = merge_dim(channels, c.with_rank(key, 1)[0])
    return with_channels(x, 3, channels)


def _global_grad_shape(c: ShapeContext) -> list[Shape]:
    both = c.with_rank(0, 4).merge(c.with_rank(4, 4))
    channels = both[3]
    for key in range(1, 4):
        channels = merge_dim(channels, c.with_rank(key, 1)[0])
    return [with_channels(both, 3, channels), *[vector(channels)] * 4]


with_global = op(
    f"BatchNormWithGlobalNormalization(t: T, m: T, v: T, beta: T, gamma: T; {_GLOBAL}) -> (result: T)",
    shape=_global_shape,
    allocates_output=True,
)


@with_global.kernel
def _(
    xp: Any, x: Any, mean: Any, variance: Any, beta: Any, gamma: Any, *,
    variance_epsilon: float, scale_after_normalization: bool,
) -> Any:  # fmt: skip
    check_per_channel(x, "NHWC", {"m": mean, "v": variance, "beta": beta, "gamma": gamma})
    factor = 1 / xp.sqrt(variance + variance.dtype.type(variance_epsilon))
    if scale_after_normalization:
        factor = factor * gamma
    return ((x - mean) * factor + beta).astype(x.dtype, copy=False)


with_global_grad = op(
    f"BatchNormWithGlobalNormalizationGrad(t: T, m: T, v: T, gamma: T, backprop: T; {_GLOBAL}) "
    "-> (dx: T, dm: T, dv: T, db: T, dg: T)",
    shape=_global_grad_shape,
    allocates_output=True,
)


@with_global_grad.kernel
def _(
    xp: Any, x: Any, mean: Any, variance: Any, gamma: Any, dy: Any, *,
    variance_epsilon: float, scale_after_normalization: bool,
) -> Any:  # fmt: skip
    check_per_channel(x, "NHWC", {"m": mean, "v": variance, "gamma": gamma})
    if dy.shape != x.shape:
        raise invalid(f"backprop has shape {dy.shape}, but t has shape {x.shape}")
    deviation = 1 / xp.sqrt(variance + variance.dtype.type(variance_epsilon))
    axes = (0, 1, 2)
    along = (dy * (x - mean)).sum(axis=axes)
    sums = dy.sum(axis=axes)
    factor = deviation * gamma if scale_after_normalization else deviation
    d_gamma = along * deviation if scale_after_normalization else xp.zeros_like(gamma)
    d_variance = along * factor * deviation * deviation * x.dtype.type(-0.5)
    outputs = (dy * factor, -sums * factor, d_variance, sums, d_gamma)
    return [value.astype(x.dtype, copy=False) for value in outputs]


@with_global.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor]:
    x, mean, variance, _, gamma = node.inputs
    attrs = {name: node.attr(name) for name in ("variance_epsilon", "scale_after_normalization")}
    return g.BatchNormWithGlobalNormalizationGrad(x, mean, variance, gamma, dy, **attrs)
