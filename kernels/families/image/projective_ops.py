"""ImageProjectiveTransformV2 and V3: images seen through projective transforms (image_ops.h in TensorFlow)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core.cancellation import check
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.int_arguments import check_allocation
from .resampling import host_sizes

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_INPUTS = "images: dtype, transforms: float, output_shape: int32"
_ATTRS = (
    "dtype: type in {uint8, int32, int64, half, bfloat16, float, double}, interpolation: string, "
    'fill_mode: string = "CONSTANT"'
)

# Places at this distance are outside of every image.
_FAR = np.float32(2**31)


def _shape(c: ShapeContext) -> Shape:
    images, transforms = c.with_rank("images", 4), c.with_rank("transforms", 2)
    if transforms[1] not in (None, 8):
        raise invalid(f"transforms must have 8 columns, but have shape {transforms}")
    size = c.with_rank("output_shape", 1)
    if size[0] not in (None, 2):
        raise invalid(f"output_shape must have 2 elements, but has shape {size}")
    height, width = c.elements("output_shape") or (None, None)
    return Shape((images[0], height, width, images[3]))


# Places outside of an image of ``size`` pixels, by fill mode.


def _reflect(places: Any, size: int) -> Any:
    if size <= 1:
        return np.zeros_like(places)
    period = np.float32(2 * size)
    low = np.where(places < period, period * np.trunc(-places / period) + places, places)
    low = np.where(low < -size, low + period, -low - 1)
    high = places - period * np.trunc(places / period)
    high = np.where(high >= size, period - high - 1, high)
    return np.where(places < 0, low, np.where(places > size - 1, high, places))


def _wrap(places: Any, size: int) -> Any:
    if size <= 1:
        return np.zeros_like(places)
    period, last = np.float32(size), np.float32(size - 1)
    low = places + period * (np.trunc(-places / last) + 1)
    high = places - period * np.trunc(places / last)
    return np.where(places < 0, low, np.where(places > last, high, places))


def _nearest(places: Any, size: int) -> Any:
    return places


_MODES: dict[str, Callable[[Any, int], Any] | None] = {
    "CONSTANT": None,
    "REFLECT": _reflect,
    "WRAP": _wrap,
    "NEAREST": _nearest,
}


@dataclass(frozen=True, slots=True)
class _Sampler:
    """The interpolation between pixels, and the values outside of the image."""

    interpolation: str
    fill_mode: str
    fill: Any

    def check(self) -> None:
        """Raises INVALID_ARGUMENT for unknown modes."""
        if self.interpolation not in ("NEAREST", "BILINEAR"):
            raise invalid(f"Invalid interpolation {self.interpolation!r}. Supported types: NEAREST, BILINEAR")
        if self.fill_mode not in _MODES:
            raise invalid(f"Invalid mode {self.fill_mode!r}. Supported types: {', '.join(_MODES)}")

    def _inside(self, places: Any, size: int) -> Any:
        """Returns places, moved into the image unless the mode is constant."""
        move = _MODES[self.fill_mode]
        return places if move is None else np.clip(move(places, size), np.float32(0), np.float32(size - 1))

    def sample(self, image: Any, y: Any, x: Any, is_finite: Any) -> Any:
        """Returns values of an image [height, width, channels] at places y and x [rows, columns]."""
        height, width = image.shape[:2]
        y, x = self._inside(y, height), self._inside(x, width)
        is_finite = is_finite & (np.abs(y) < _FAR) & (np.abs(x) < _FAR)
        y, x = np.where(is_finite, y, np.float32(0)), np.where(is_finite, x, np.float32(0))
        found = self._nearest(image, y, x) if self.interpolation == "NEAREST" else self._bilinear(image, y, x)
        return np.where(is_finite[..., None], found, self.fill.astype(image.dtype))

    def _nearest(self, image: Any, y: Any, x: Any) -> Any:
        # Halves are rounded away from zero.
        rows, columns = (
            np.trunc(v + np.copysign(0.5, v.astype(np.float64))).astype(np.int64) for v in (y, x)
        )
        return self._read(image, rows, columns)

    def _bilinear(self, image: Any, y: Any, x: Any) -> Any:
        top, left = np.floor(y), np.floor(x)
        rows, columns = top.astype(np.int64), left.astype(np.int64)
        below, right = (y - top)[..., None], (x - left)[..., None]
        above, before = (top + 1 - y)[..., None], (left + 1 - x)[..., None]
        upper = before * self._wide(image, rows, columns) + right * self._wide(image, rows, columns + 1)
        lower = before * self._wide(image, rows + 1, columns) + right * self._wide(
            image, rows + 1, columns + 1
        )
        return (above * upper + below * lower).astype(image.dtype)

    def _wide(self, image: Any, rows: Any, columns: Any) -> Any:
        return self._read(image, rows, columns).astype(np.float32)

    def _read(self, image: Any, rows: Any, columns: Any) -> Any:
        height, width = image.shape[:2]
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        pixels = image[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
        return np.where(inside[..., None], pixels, self.fill.astype(image.dtype))


def _check_inputs(images: Any, transforms: Any, size: Any) -> None:
    if images.ndim != 4:
        raise invalid(f"Input images must have rank 4, but have shape {Shape(images.shape)}")
    if transforms.ndim != 2 or transforms.shape[1] != 8 or transforms.shape[0] not in (1, len(images)):
        raise invalid(
            f"Input transform should be num_images x 8 or 1 x 8, but has shape {Shape(transforms.shape)} for "
            f"{len(images)} images"
        )
    if size.shape != (2,):
        raise invalid(f"output_shape must have 2 elements, but has shape {Shape(size.shape)}")


def _transform(images: Any, transforms: Any, size: Any, sampler: _Sampler) -> Any:
    """Transforms images [batch, height, width, channels]: the pixel x, y of the output is that of the input at
    (a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k, where k is c0 x + c1 y + 1."""
    sampler.check()
    _check_inputs(images, transforms, size)
    height, width = host_sizes(size)
    if height <= 0 or width <= 0:
        raise invalid(f"output_shape must be positive, but is {[height, width]}")
    check_allocation((len(images), height, width, images.shape[3]), images.dtype.itemsize, "output_shape")
    result = np.empty((len(images), height, width, images.shape[3]), images.dtype)
    if not images.size:
        result[...] = sampler.fill.astype(images.dtype)
        return result
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    for number, image in enumerate(images):
        check()
        a0, a1, a2, b0, b1, b2, c0, c1 = transforms[number if len(transforms) > 1 else 0]
        with np.errstate(all="ignore"):
            depth = c0 * x + c1 * y + np.float32(1)
            across, down = (a0 * x + a1 * y + a2) / depth, (b0 * x + b1 * y + b2) / depth
            result[number] = sampler.sample(image, down, across, depth != 0)
    return result


second = op(
    f"ImageProjectiveTransformV2({_INPUTS}; {_ATTRS}) -> (transformed_images: dtype)",
    shape=_shape,
    allocates_output=True,
)


@second.kernel
def _(xp: Any, images: Any, transforms: Any, size: Any, *, interpolation: str, fill_mode: str) -> Any:
    return _transform(images, transforms, size, _Sampler(interpolation, fill_mode, np.float32(0)))


third = op(
    f"ImageProjectiveTransformV3({_INPUTS}, fill_value: float; {_ATTRS}) -> (transformed_images: dtype)",
    shape=_shape,
    allocates_output=True,
)


@third.kernel
def _(
    xp: Any, images: Any, transforms: Any, size: Any, fill: Any, *, interpolation: str, fill_mode: str
) -> Any:
    if np.ndim(fill):
        raise invalid(f"fill_value must be a scalar, but has shape {Shape(fill.shape)}")
    return _transform(images, transforms, size, _Sampler(interpolation, fill_mode, np.float32(fill)))


def _inverse(g: GraphBuilder, transforms: Tensor) -> Tensor:
    """Adds the inverses of transforms [transforms, 8]."""
    flat = g.add_op("Reshape", transforms, g.constant([-1, 8], "int32"))
    count = g.add_op("Slice", g.shape_of(flat), g.constant([0], "int32"), g.constant([1], "int32"))
    shape = g.add_op("ConcatV2", [count, g.constant([1], "int32")], g.constant(0, "int32"))
    ones = g.add_op("Fill", shape, g.constant(1, "float"))
    full = g.add_op("ConcatV2", [flat, ones], g.constant(1, "int32"))
    square = g.add_op("Reshape", full, g.constant([-1, 3, 3], "int32"))
    inverse = g.add_op("Reshape", g.add_op("MatrixInverse", square), g.constant([-1, 9], "int32"))
    first, last = g.add_op(
        "SplitV", inverse, g.constant([8, 1], "int32"), g.constant(1, "int32"), num_split=2
    )
    return g.add_op("RealDiv", first, last)


def _gradient(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor | None, ...]:
    """Adds the transform of the gradients by the inverse transforms, as TensorFlow does. Nothing is filled in."""
    images, transforms = node.inputs[:2]
    size = g.add_op("Slice", g.shape_of(images), g.constant([1], "int32"), g.constant([2], "int32"))
    fill = [g.constant(0, "float")] * (len(node.inputs) - 3)
    attrs = {name: node.attr(name) for name in ("interpolation", "fill_mode")}
    dx = g.add_op(node.node.op, dy, _inverse(g, transforms), size, *fill, **attrs)
    return dx, *[None] * (len(node.inputs) - 1)


second.gradient(_gradient)
third.gradient(_gradient)
