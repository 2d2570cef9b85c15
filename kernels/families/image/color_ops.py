"""Colours of images: RGBToHSV, HSVToRGB, contrast, hue and saturation (colorspace_op.h, adjust_*_op.cc in
TensorFlow).

The last axis holds the channels; hue, saturation and value are in [0, 1].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, merge_dim
from ...core.registry import Family

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op


def _pixels_shape(c: ShapeContext) -> Shape:
    images = c.with_rank_at_least(0, 1)
    if images.dims is None:
        return images
    return Shape((*images.dims[:-1], merge_dim(images.dims[-1], 3)))


def _check_pixels(images: Any, rank: int = 1) -> None:
    if images.ndim < rank or images.shape[-1] != 3:
        raise invalid(
            f"images must be of rank {rank} or more and have 3 channels, not shape {Shape(images.shape)}"
        )


rgb_to_hsv = op(
    "RGBToHSV(images: T; T: type in {half, bfloat16, float, double} = float) -> (output: T)",
    shape=_pixels_shape,
    allocates_output=True,
)


@rgb_to_hsv.kernel
def _(xp: Any, images: Any) -> Any:
    _check_pixels(images)
    return _to_hsv(xp, images)


def _to_hsv(xp: Any, images: Any) -> Any:
    """Converts RGB [..., 3] to HSV. The hue is a fraction of the circle, and 0 for grey."""
    kind = images.dtype.type
    r, g, b = (images[..., i] for i in range(3))
    value = xp.maximum(xp.maximum(r, g), b)
    spread = value - xp.minimum(xp.minimum(r, g), b)
    saturation = xp.where(value > 0, spread / value, kind(0))
    norm = (kind(1) / kind(6)) / spread
    hue = xp.where(
        r == value,
        norm * (g - b),
        xp.where(g == value, norm * (b - r) + kind(2 / 6), norm * (r - g) + kind(4 / 6)),
    )
    hue = xp.where(spread > 0, hue, kind(0))
    hue = xp.where(hue < 0, hue + kind(1), hue)
    return xp.stack([hue, saturation, value], axis=-1).astype(images.dtype, copy=False)


@rgb_to_hsv.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    """The gradient of RGBToHSV.

    ``x`` are the channels, ``big`` and ``small`` are 1 for the greatest and the least, ``spread`` is their
    difference. The value is the greatest x, the saturation spread / value, and the hue, up to a constant,
    (x after the greatest - x before it) / (6 spread), cyclically. The hue of grey and the saturation of black
    have gradient 0.
    """
    dtype = dy.dtype
    x = g.Unpack(node.inputs[0], num=3, axis=-1)
    for_hue, for_saturation, for_value = g.Unpack(dy, num=3, axis=-1)
    value = g.Maximum(g.Maximum(x[0], x[1]), x[2])
    least = g.Minimum(g.Minimum(x[0], x[1]), x[2])
    big, small = _first_equal(g, x, value), _first_equal(g, x[::-1], least)[::-1]
    spread = value - least
    zero, six = g.constant(0, dtype), g.constant(6, dtype)
    colored, lit = g.cast(g.Greater(spread, zero), dtype), g.cast(g.Greater(value, zero), dtype)
    height = _sum([big[i] * (x[(i + 1) % 3] - x[(i + 2) % 3]) for i in range(3)])
    per_spread = g.DivNoNan(colored, six * spread)
    per_value = g.DivNoNan(lit, value)
    gradients: list[Tensor] = []
    for i in range(3):
        steeper = big[(i + 2) % 3] - big[(i + 1) % 3]
        wider = big[i] - small[i]
        hue = per_spread * (steeper - g.DivNoNan(height, spread) * wider)
        saturation = per_value * (wider - g.DivNoNan(spread, value) * big[i])
        gradients.append(for_hue * hue + for_saturation * saturation + for_value * big[i])
    return g.Pack(gradients, axis=-1)


def _first_equal(g: GraphBuilder, x: list[Tensor], wanted: Tensor) -> list[Tensor]:
    """Returns one tensor per channel: 1 for the first channel that equals ``wanted``, 0 for the others."""
    dtype = wanted.dtype
    one = g.constant(1, dtype)
    equal = [g.cast(g.Equal(channel, wanted), dtype) for channel in x]
    left = one - equal[0]
    return [equal[0], equal[1] * left, left * (one - equal[1])]


def _sum(terms: list[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


hsv_to_rgb = op(
    "HSVToRGB(images: T; T: type in {half, bfloat16, float, double} = float) -> (output: T)",
    shape=_pixels_shape,
    differentiable=False,
    allocates_output=True,
)


@hsv_to_rgb.kernel
def _(xp: Any, images: Any) -> Any:
    _check_pixels(images)
    return _to_rgb(xp, images)


def _to_rgb(xp: Any, images: Any) -> Any:
    """Converts HSV [..., 3] to RGB."""
    kind = images.dtype.type
    hue, saturation, value = (images[..., i] for i in range(3))
    sixths = hue * kind(6)
    zero, one = kind(0), kind(1)
    red = xp.clip(abs(sixths - kind(3)) - one, zero, one)
    green = xp.clip(kind(2) - abs(sixths - kind(2)), zero, one)
    blue = xp.clip(kind(2) - abs(sixths - kind(4)), zero, one)
    white = one - saturation
    rgb = xp.stack([(white + saturation * x) * value for x in (red, green, blue)], axis=-1)
    return rgb.astype(images.dtype, copy=False)


def _adjusted_shape(c: ShapeContext) -> Shape:
    if c.input(1).rank not in (None, 0):
        raise invalid(f"the amount must be a scalar, but has shape {c.input(1)}")
    return c.with_rank_at_least(0, 3)


adjust_contrast = op(
    "AdjustContrastv2(images: T, contrast_factor: float; T: type in {half, float} = float) -> (output: T)",
    shape=_adjusted_shape,
    allocates_output=True,
)


@adjust_contrast.kernel
def _(xp: Any, images: Any, factor: Any) -> Any:
    if images.ndim < 3:
        raise invalid(f"images must be of rank 3 or more, but have shape {Shape(images.shape)}")
    _check_scalar("contrast_factor", factor)
    if not images.size:
        return xp.zeros_like(images)
    values = images.astype(np.float32)
    mean = values.mean(axis=(-3, -2), keepdims=True)
    return ((values - mean) * factor + mean).astype(images.dtype, copy=False)


def _contrast_shape(c: ShapeContext) -> Shape:
    for name in ("contrast_factor", "min_value", "max_value"):
        c.with_rank(name, 0)
    return c.with_rank_at_least(0, 3)


adjust_contrast_v1 = op(
    "AdjustContrast(images: T, contrast_factor: float, min_value: float, max_value: float; "
    "T: type in {uint8, int8, int16, int32, int64, float, double}) -> (output: float)",
    shape=_contrast_shape,
    allocates_output=True,
)


@adjust_contrast_v1.kernel
def _(xp: Any, images: Any, factor: Any, low: Any, high: Any) -> Any:
    """Of graphs before version 2: results are clipped, and always float."""
    if images.ndim < 3:
        raise invalid(f"images must be of rank 3 or more, but have shape {Shape(images.shape)}")
    for name, value in (("contrast_factor", factor), ("min_value", low), ("max_value", high)):
        _check_scalar(name, value)
    values = images.astype(np.float32)
    if not values.size:
        return values
    mean = values.mean(axis=(-3, -2), keepdims=True)
    return xp.minimum(xp.maximum((values - mean) * factor + mean, low), high)


def _check_scalar(name: str, value: Any) -> None:
    if value.ndim:
        raise invalid(f"{name} must be a scalar, but has shape {Shape(value.shape)}")


adjust_hue = op(
    "AdjustHue(images: T, delta: float; T: type in {half, float} = float) -> (output: T)",
    shape=_adjusted_shape,
    allocates_output=True,
)


@adjust_hue.kernel
def _(xp: Any, images: Any, delta: Any) -> Any:
    _check_pixels(images, 3)
    _check_scalar("delta", delta)
    hsv = _to_hsv(xp, images.astype(np.float32))
    hsv[..., 0] = (hsv[..., 0] + delta) % np.float32(1)
    return _to_rgb(xp, hsv).astype(images.dtype, copy=False)


adjust_saturation = op(
    "AdjustSaturation(images: T, scale: float; T: type in {half, float} = float) -> (output: T)",
    shape=_adjusted_shape,
    allocates_output=True,
)


@adjust_saturation.kernel
def _(xp: Any, images: Any, scale: Any) -> Any:
    _check_pixels(images, 3)
    _check_scalar("scale", scale)
    hsv = _to_hsv(xp, images.astype(np.float32))
    hsv[..., 1] = xp.clip(hsv[..., 1] * scale, np.float32(0), np.float32(1))
    return _to_rgb(xp, hsv).astype(images.dtype, copy=False)
