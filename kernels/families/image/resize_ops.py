"""Resizing of images: nearest neighbour, bilinear, bicubic and area, with gradients (resize_*_op.cc in
TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core.registry import Family
from . import resampling

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="size")
op = family.op

_REAL = "{int8, uint8, int16, uint16, int32, int64, half, float, double, bfloat16}"
_BILINEAR = "{int8, uint8, int16, uint16, int32, int64, bfloat16, half, float, double, bfloat16}"
_CORNERS = "align_corners: bool = false, half_pixel_centers: bool = false"


def resized_shape(c: ShapeContext) -> Shape:
    """Returns the shape of the images, the first input, at the size that the second states."""
    images, size = c.with_rank(0, 4), c.with_rank(1, 1)
    if size[0] not in (None, 2):
        raise invalid(f"size must have 2 elements, but has shape {size}")
    found = c.elements(1)
    if found is None:
        height, width = None, None
    else:
        height, width = found
    if any(n is not None and n <= 0 for n in (height, width)):
        raise invalid(f"size is {[height, width]}, but must be positive")
    return Shape((images[0], height, width, images[3]))


def requested_sizes(images: Any, size: Any) -> tuple[int, int]:
    """Returns the requested height and width. Raises INVALID_ARGUMENT unless they and the images' sizes
    are positive."""
    if images.ndim != 4:
        raise invalid(f"images must be of rank 4, but have shape {Shape(images.shape)}")
    if size.shape != (2,):
        raise invalid(f"size must be a vector of 2 elements, but has shape {Shape(size.shape)}")
    height, width = resampling.host_sizes(size)
    if height <= 0 or width <= 0:
        raise invalid(f"size is {[height, width]}, but must be positive")
    if not images.shape[1] or not images.shape[2]:
        raise invalid(f"images of shape {Shape(images.shape)} have no pixels")
    return height, width


def _check_centers(align_corners: bool, half_pixel_centers: bool) -> None:
    if align_corners and half_pixel_centers:
        raise invalid("align_corners and half_pixel_centers exclude each other")


nearest = op(
    f"ResizeNearestNeighbor(images: T, size: int32; T: type in {_REAL}, {_CORNERS}) -> (resized_images: T)",
    shape=resized_shape,
    allocates_output=True,
)


@nearest.kernel
def _(xp: Any, images: Any, size: Any, *, align_corners: bool, half_pixel_centers: bool) -> Any:
    _check_centers(align_corners, half_pixel_centers)
    height, width = requested_sizes(images, size)
    down = resampling.nearest(images.shape[1], height, align_corners, half_pixel_centers)
    across = resampling.nearest(images.shape[2], width, align_corners, half_pixel_centers)
    return images.take(xp.asarray(down), 1).take(xp.asarray(across), 2)


@nearest.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    shape = node.inputs[0].shape
    known = shape.dims is not None and None not in shape.dims[1:3]
    size = shape.dims[1:3] if known and shape.dims else g.StridedSlice(g.Shape(node.inputs[0]), [1], [3], [1])
    return g.ResizeNearestNeighborGrad(dy, size, **_corners(node)), None


def _corners(node: NodeView) -> dict[str, bool]:
    return {name: node.attr(name) for name in ("align_corners", "half_pixel_centers")}


nearest_grad = op(
    "ResizeNearestNeighborGrad(grads: T, size: int32; T: type in {uint8, int8, int32, half, float, double, "
    f"bfloat16}}, {_CORNERS}) -> (output: T)",
    shape=resized_shape,
    allocates_output=True,
)


@nearest_grad.kernel
def _(xp: Any, grads: Any, size: Any, *, align_corners: bool, half_pixel_centers: bool) -> Any:
    height, width = requested_sizes(grads, size)
    down = resampling.nearest(height, grads.shape[1], align_corners, half_pixel_centers)
    across = resampling.nearest(width, grads.shape[2], align_corners, half_pixel_centers)
    return _collected(xp, _collected(xp, grads, down, height, 1), across, width, 2)


def _collected(xp: Any, grads: Any, places: Any, size: int, axis: int) -> Any:
    """Sums ``grads`` along an axis by target position; ``places`` must be ascending."""
    shape = list(grads.shape)
    shape[axis] = size
    output = xp.zeros(shape, grads.dtype)
    view, moved = xp.moveaxis(output, axis, 0), xp.moveaxis(grads, axis, 0)
    starts = np.flatnonzero(np.r_[True, places[1:] != places[:-1]])
    if xp is np:
        view[places[starts]] = np.add.reduceat(moved, starts, axis=0, dtype=grads.dtype)
        return output
    for start, stop in zip(starts, [*starts[1:], len(places)]):
        view[int(places[start])] = moved[int(start) : int(stop)].sum(axis=0)
    return output


bilinear = op(
    f"ResizeBilinear(images: T, size: int32; T: type in {_BILINEAR}, {_CORNERS}) -> (resized_images: float)",
    shape=resized_shape,
    allocates_output=True,
)


@bilinear.kernel
def _(xp: Any, images: Any, size: Any, *, align_corners: bool, half_pixel_centers: bool) -> Any:
    _check_centers(align_corners, half_pixel_centers)
    height, width = requested_sizes(images, size)
    values = images.astype(np.float32)
    if images.shape[1:3] == (height, width):
        return values
    down = resampling.linear(images.shape[1], height, align_corners, half_pixel_centers)
    across = resampling.linear(images.shape[2], width, align_corners, half_pixel_centers)
    return _between(xp, _between(xp, values, across, 2), down, 1)


def _between(xp: Any, images: Any, places: tuple[Any, Any, Any], axis: int) -> Any:
    lower, upper, part = places
    first, second = _picked(xp, images, lower, axis), _picked(xp, images, upper, axis)
    second -= first
    second *= _along(xp, part, axis, images.shape[3])
    second += first
    return _as_images(second, images.shape[3], len(part) if axis == 2 else images.shape[2])


def _as_images(rows: Any, channels: int, width: int) -> Any:
    return rows.reshape(*rows.shape[:2], width, channels)


def _picked(xp: Any, images: Any, places: Any, axis: int) -> Any:
    """Takes rows (axis 1) or columns (axis 2), as [batch, rows, columns * channels]: numpy is fast on long rows."""
    batch, height, width, channels = images.shape
    flat = images.reshape(batch, height, width * channels)
    if axis == 1:
        return flat.take(xp.asarray(places), 1)
    return flat.take(xp.asarray((places[:, None] * channels + np.arange(channels)).reshape(-1)), 2)


def _along(xp: Any, weights: Any, axis: int, channels: int) -> Any:
    """Returns weights of rows or columns that broadcast to the result of ``_picked``."""
    return xp.asarray(weights[:, None] if axis == 1 else np.repeat(weights, channels))


@bilinear.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    return g.ResizeBilinearGrad(dy, node.inputs[0], **_corners(node)), None


def _like_original(c: ShapeContext) -> Shape:
    grads, original = c.with_rank(0, 4), c.with_rank(1, 4)
    return Shape((grads[0], original[1], original[2], grads[3]))


bilinear_grad = op(
    "ResizeBilinearGrad(grads: float, original_image: T; T: type in {float, bfloat16, half, double}, "
    f"{_CORNERS}) -> (output: T)",
    shape=_like_original,
    differentiable=False,
    allocates_output=True,
)


def _linear_matrix(size: int, wanted: int, align_corners: bool, half_pixel: bool) -> Any:
    lower, upper, part = resampling.linear(size, wanted, align_corners, half_pixel)
    weights = np.stack([1 - part, part], axis=1)
    return resampling.as_matrix(np.stack([lower, upper], axis=1), weights, size)


def _cubic_matrix(size: int, wanted: int, align_corners: bool, half_pixel: bool) -> Any:
    places, weights = resampling.cubic(size, wanted, align_corners, half_pixel)
    return resampling.as_matrix(places, weights, size)


def _spread_back(
    xp: Any, grads: Any, original: Any, matrix: Callable[..., Any], corners: tuple[bool, bool]
) -> Any:
    _check_centers(*corners)
    if grads.ndim != 4 or original.ndim != 4:
        raise invalid(
            f"gradients and images must be of rank 4, but have shapes {Shape(grads.shape)} and "
            f"{Shape(original.shape)}"
        )
    if not (original.shape[1] and original.shape[2]):
        raise invalid(f"images of shape {Shape(original.shape)} have no pixels")
    down, across = (matrix(original.shape[i], grads.shape[i], *corners) for i in (1, 2))
    wide = np.float64 if original.dtype == np.float64 else np.float32
    return resampling.resample(xp, grads.astype(wide), down.T, across.T).astype(original.dtype, copy=False)


@bilinear_grad.kernel
def _(xp: Any, grads: Any, original: Any, *, align_corners: bool, half_pixel_centers: bool) -> Any:
    return _spread_back(xp, grads, original, _linear_matrix, (align_corners, half_pixel_centers))


bicubic = op(
    f"ResizeBicubic(images: T, size: int32; T: type in {_REAL}, {_CORNERS}) -> (resized_images: float)",
    shape=resized_shape,
    allocates_output=True,
)


@bicubic.kernel
def _(xp: Any, images: Any, size: Any, *, align_corners: bool, half_pixel_centers: bool) -> Any:
    _check_centers(align_corners, half_pixel_centers)
    height, width = requested_sizes(images, size)
    values: Any = images.astype(np.float32)
    for axis, wanted in ((1, height), (2, width)):
        places, weights = resampling.cubic(values.shape[axis], wanted, align_corners, half_pixel_centers)
        channels = values.shape[3]
        total: Any = 0
        for tap in range(4):
            part = _picked(xp, values, places[:, tap], axis)
            part *= _along(xp, weights[:, tap], axis, channels)
            total = part if tap == 0 else xp.add(total, part, out=total)
        values = _as_images(total, channels, wanted if axis == 2 else values.shape[2])
    return values


@bicubic.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor | None, None]:
    if node.inputs[0].dtype.name not in ("float", "double"):
        return None, None
    return g.ResizeBicubicGrad(dy, node.inputs[0], **_corners(node)), None


bicubic_grad = op(
    f"ResizeBicubicGrad(grads: float, original_image: T; T: type in {{float, double}}, {_CORNERS}) -> "
    "(output: T)",
    shape=_like_original,
    allocates_output=True,
)


@bicubic_grad.kernel
def _(xp: Any, grads: Any, original: Any, *, align_corners: bool, half_pixel_centers: bool) -> Any:
    return _spread_back(xp, grads, original, _cubic_matrix, (align_corners, half_pixel_centers))


area = op(
    f"ResizeArea(images: T, size: int32; T: type in {_REAL}, align_corners: bool = false) -> "
    "(resized_images: float)",
    shape=resized_shape,
    allocates_output=True,
)


@area.kernel
def _(xp: Any, images: Any, size: Any, *, align_corners: bool) -> Any:
    height, width = requested_sizes(images, size)
    down = resampling.area(images.shape[1], height, align_corners)
    across = resampling.area(images.shape[2], width, align_corners)
    return resampling.resample(xp, images.astype(np.float32), down, across)
