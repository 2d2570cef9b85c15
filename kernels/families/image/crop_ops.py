"""CropAndResize and its gradients: boxes of images, sampled at a fixed size (crop_and_resize_op.cc in TensorFlow).

Boxes are [y1, x1, y2, x2] in fractions of the image's height and width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Shape, matrix, merge_dim
from ...core.registry import Family
from ...numeric.scatter import scatter_rows
from .resampling import host_sizes

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="crop_size image_size")
op = family.op

_IMAGES = "{uint8, uint16, int8, int16, int32, int64, half, float, double}"
_METHOD = "method: string in {'bilinear', 'nearest'} = \"bilinear\""


@dataclass(frozen=True, slots=True)
class _Axis:
    """The sampling positions of every box along one axis, as arrays [boxes, pixels].

    A position lies between the image pixels ``lower`` and ``upper``, at the fraction ``part`` of the way;
    ``closest`` is the nearest pixel; ``inside`` is True within the image. ``by_start`` and ``by_end`` are the
    derivatives of the position by the box's start and end.
    """

    lower: Any
    upper: Any
    part: Any
    closest: Any
    inside: Any
    by_start: Any
    by_end: Any


def _axis(xp: Any, start: Any, end: Any, size: int, wanted: int) -> _Axis:
    last = np.float32(size - 1)
    if wanted > 1:
        places = xp.arange(wanted, dtype=np.float32)
        step = (end - start) * last / np.float32(wanted - 1)
        source = start[:, None] * last + places * step[:, None]
        by_end = places * (last / np.float32(wanted - 1))
        by_start = last - by_end
    else:
        source = np.float32(0.5) * (start + end)[:, None] * last
        by_start = by_end = xp.full(1, np.float32(0.5) * last)
    inside = (source >= 0) & (source <= last)
    source = xp.where(inside, source, np.float32(0))
    lower, upper = xp.floor(source), xp.ceil(source)
    closest = xp.floor(source + np.float32(0.5)).astype(np.int64)
    return _Axis(
        lower.astype(np.int64), upper.astype(np.int64), source - lower, closest, inside, by_start, by_end
    )


def _axes(xp: Any, boxes: Any, shape: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[_Axis, _Axis]:
    y1, x1, y2, x2 = (boxes[:, i] for i in range(4))
    return _axis(xp, y1, y2, shape[1], wanted[0]), _axis(xp, x1, x2, shape[2], wanted[1])


def _check(image: tuple[int, ...], boxes: Any, box_ind: Any) -> None:
    if len(image) != 4 or not image[1] or not image[2]:
        raise invalid(f"images must be of rank 4 and have pixels, but are of shape {Shape(image)}")
    if boxes.ndim != 2 or boxes.shape[1] != 4 or box_ind.shape != boxes.shape[:1]:
        raise invalid(
            "boxes must be of shape [boxes, 4] and box_ind of shape [boxes], but are of shapes "
            f"{Shape(boxes.shape)} and {Shape(box_ind.shape)}"
        )
    if box_ind.size and not bool(((box_ind >= 0) & (box_ind < image[0])).all()):
        raise TfgError(Status.OUT_OF_RANGE, f"box_ind has values that are not in [0, {image[0]})")


def _crop_shape(c: ShapeContext) -> Shape:
    image, boxes, count = c.with_rank(0, 4), c.with_rank(1, 2), c.with_rank(2, 1)[0]
    merge_dim(boxes[1], 4)
    merge_dim(c.with_rank(3, 1)[0], 2)
    height, width = c.elements(3) or (None, None)
    return Shape((merge_dim(boxes[0], count), height, width, image[3]))


crop = op(
    f"CropAndResize(image: T, boxes: float, box_ind: int32, crop_size: int32; T: type in {_IMAGES}, "
    f"{_METHOD}, extrapolation_value: float = 0) -> (crops: float)",
    shape=_crop_shape,
    allocates_output=True,
)


@crop.kernel
def _(
    xp: Any, image: Any, boxes: Any, box_ind: Any, size: Any, *, method: str, extrapolation_value: float
) -> Any:
    _check(image.shape, boxes, box_ind)
    if size.shape != (2,):
        raise invalid(f"crop_size must be a vector of 2 elements, but has shape {Shape(size.shape)}")
    wanted = host_sizes(size)
    if min(wanted) <= 0:
        raise invalid(f"crop_size is {list(wanted)}, but must be positive")
    down, across = _axes(xp, boxes, image.shape, wanted)
    if method == "nearest":
        crops = image[box_ind[:, None, None], down.closest[:, :, None], across.closest[:, None, :]]
        crops = crops.astype(np.float32)
    else:
        top = _lerp(_pixels(image, box_ind, down.lower, across), across)
        bottom = _lerp(_pixels(image, box_ind, down.upper, across), across)
        crops = top + (bottom - top) * down.part[:, :, None, None]
    outside = ~(down.inside[:, :, None] & across.inside[:, None, :])
    crops[outside] = np.float32(extrapolation_value)
    return crops


def _pixels(image: Any, box_ind: Any, rows: Any, across: _Axis) -> tuple[Any, Any]:
    """Returns the pixels of these rows to the left and to the right of each position, as float32."""
    left, right = (
        image[box_ind[:, None, None], rows[:, :, None], columns[:, None, :]].astype(np.float32)
        for columns in (across.lower, across.upper)
    )
    return left, right


def _lerp(pixels: tuple[Any, Any], across: _Axis) -> Any:
    left, right = pixels
    return left + (right - left) * across.part[:, None, :, None]


@crop.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
    image, boxes, box_ind, _ = node.inputs
    for_image = None
    if image.dtype.name in ("half", "float", "double"):
        for_image = g.CropAndResizeGradImage(
            dy, boxes, box_ind, g.shape_of(image), T=image.dtype, method=node.attr("method")
        )
    return for_image, g.CropAndResizeGradBoxes(dy, image, boxes, box_ind), None, None


grad_image = op(
    "CropAndResizeGradImage(grads: float, boxes: float, box_ind: int32, image_size: int32; "
    f"T: type in {{float, half, double}}, {_METHOD}) -> (output: T)",
    shape=lambda c: Shape((None,) * 4) if c.as_shape(3).dims is None else c.as_shape(3),
    allocates_output=True,
)


@grad_image.kernel
def _(xp: Any, grads: Any, boxes: Any, box_ind: Any, size: Any, *, T: Any, method: str) -> Any:
    if size.shape != (4,):
        raise invalid(f"image_size must be a vector of 4 elements, but has shape {Shape(size.shape)}")
    shape = host_sizes(size)
    _check(shape, boxes, box_ind)
    wanted = grads.shape[1:3]
    if grads.shape != (len(boxes), *wanted, shape[3]):
        raise invalid(
            f"gradients of shape {Shape(grads.shape)} do not fit {len(boxes)} boxes of {shape[3]} channels"
        )
    output = xp.zeros((shape[0] * shape[1] * shape[2], shape[3]), T.numpy)
    down, across = _axes(xp, boxes, shape, wanted)
    inside = down.inside[:, :, None] & across.inside[:, None, :]
    for rows, row_weight, columns, column_weight in _corners(down, across, method):
        weight = row_weight[:, :, None] * column_weight[:, None, :] * inside
        at = (box_ind[:, None, None].astype(np.int64) * shape[1] + rows[:, :, None]) * shape[2] + columns[
            :, None, :
        ]
        scatter_rows(xp, output, at, (grads * weight[..., None]).astype(T.numpy), "add")
    return output.reshape(shape)


def _corners(down: _Axis, across: _Axis, method: str) -> list[tuple[Any, Any, Any, Any]]:
    """Returns the pixels around each position as (rows, row weights, columns, column weights)."""
    if method == "nearest":
        return [
            (down.closest, np.float32(1) + 0 * down.part, across.closest, np.float32(1) + 0 * across.part)
        ]
    one = np.float32(1)
    return [
        (rows, row_weight, columns, column_weight)
        for rows, row_weight in ((down.lower, one - down.part), (down.upper, down.part))
        for columns, column_weight in ((across.lower, one - across.part), (across.upper, across.part))
    ]


grad_boxes = op(
    f"CropAndResizeGradBoxes(grads: float, image: T, boxes: float, box_ind: int32; T: type in {_IMAGES}, "
    "method: string in {'bilinear'} = \"bilinear\") -> (output: float)",
    shape=lambda c: matrix(c.with_rank(2, 2)[0], 4),
    allocates_output=True,
)


@grad_boxes.kernel
def _(xp: Any, grads: Any, image: Any, boxes: Any, box_ind: Any) -> Any:
    _check(image.shape, boxes, box_ind)
    wanted = grads.shape[1:3]
    if grads.shape != (len(boxes), *wanted, image.shape[3]):
        raise invalid(
            f"gradients of shape {Shape(grads.shape)} do not fit {len(boxes)} boxes of {image.shape[3]} "
            "channels"
        )
    down, across = _axes(xp, boxes, image.shape, wanted)
    top_left, top_right = _pixels(image, box_ind, down.lower, across)
    bottom_left, bottom_right = _pixels(image, box_ind, down.upper, across)
    x, y = across.part[:, None, :, None], down.part[:, :, None, None]
    grads = grads * (down.inside[:, :, None] & across.inside[:, None, :])[..., None]
    by_y = (((1 - x) * (bottom_left - top_left) + x * (bottom_right - top_right)) * grads).sum(axis=(2, 3))
    by_x = (((1 - y) * (top_right - top_left) + y * (bottom_right - bottom_left)) * grads).sum(axis=(1, 3))
    moves = (by_y * down.by_start, by_x * across.by_start, by_y * down.by_end, by_x * across.by_end)
    return xp.stack([move.sum(axis=1) for move in moves], axis=1).astype(np.float32, copy=False)
