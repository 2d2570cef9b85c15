"""DrawBoundingBoxes in two versions: outlines of boxes on images (draw_bounding_box_op.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, merge_dim
from ...core.cancellation import checked
from ...core.registry import Family
from ...core.traits import GpuSupport

if TYPE_CHECKING:
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

# Yellow, blue, red, lime, purple, olive, maroon, navy blue, aqua, fuchsia.
_COLORS = (
    (1, 1, 0, 1),
    (0, 0, 1, 1),
    (1, 0, 0, 1),
    (0, 1, 0, 1),
    (0.5, 0, 0.5, 1),
    (0.5, 0.5, 0, 1),
    (0.5, 0, 0, 1),
    (0, 0, 0.5, 1),
    (0, 1, 1, 1),
    (1, 0, 1, 1),
)


def _shape(c: ShapeContext) -> Shape:
    images, boxes = c.with_rank(0, 4), c.with_rank(1, 3)
    merge_dim(boxes[2], 4)
    merge_dim(images[0], boxes[0])
    if len(c.inputs()) == 3:
        c.with_rank(2, 2)
    return images


def _default_colors(channels: int) -> Any:
    colors = np.array(_COLORS, np.float32)
    if channels == 1:
        colors[:, 0] = 1
    return colors


def _draw(images: Any, boxes: Any, colors: Any) -> Any:
    """Returns the images [batch, height, width, channels] with the outlines of boxes [batch, boxes, 4] in fractions
    of the height and width, each in the next of the colors [colors, channels or more]."""
    if images.ndim != 4 or boxes.ndim != 3 or boxes.shape[2] != 4 or len(images) != len(boxes):
        raise invalid(
            "images must be of rank 4 and boxes of shape [batch, boxes, 4], but they are of shapes "
            f"{Shape(images.shape)} and {Shape(boxes.shape)}"
        )
    channels = images.shape[3]
    if channels not in (1, 3, 4):
        raise invalid(f"Channel depth should be either 1 (GRY), 3 (RGB), or 4 (RGBA), but is {channels}")
    if colors is not None and (colors.ndim != 2 or colors.shape[1] < channels):
        raise invalid(
            f"colors must be a matrix of {channels} columns or more, but has shape {Shape(colors.shape)}"
        )
    if colors is None or not colors.size:
        colors = _default_colors(channels)
    colors = colors[:, :channels].astype(images.dtype)
    canvas = images.copy()
    last = np.array([images.shape[1] - 1, images.shape[2] - 1] * 2, np.float32)
    with np.errstate(invalid="ignore"):
        places = (boxes * last).astype(np.int64)
    for canvas_of_image, places_of_image in checked(zip(canvas, places.tolist())):
        for number, place in enumerate(places_of_image):
            _outline(canvas_of_image, place, colors[number % len(colors)])
    return canvas


def _outline(canvas: Any, box: list[int], color: Any) -> None:
    """Draws the outline of a box of pixels, of which parts or all may be outside of the image."""
    top, left, bottom, right = box
    height, width = canvas.shape[:2]
    if top > bottom or left > right or top >= height or left >= width or bottom < 0 or right < 0:
        return
    rows, columns = slice(max(top, 0), bottom + 1), slice(max(left, 0), right + 1)
    for row in (top, bottom):
        if 0 <= row < height:
            canvas[row, columns] = color
    for column in (left, right):
        if 0 <= column < width:
            canvas[rows, column] = color


_IMAGES = "images: T, boxes: float"
_TYPE = "T: type in {float, half} = float"

first = op(f"DrawBoundingBoxes({_IMAGES}; {_TYPE}) -> (output: T)", shape=_shape, differentiable=False)
second = op(f"DrawBoundingBoxesV2({_IMAGES}, colors: float; {_TYPE}) -> (output: T)", shape=_shape)


@first.kernel
def _(xp: Any, images: Any, boxes: Any) -> Any:
    return _draw(images, boxes, None)


@second.kernel
def _(xp: Any, images: Any, boxes: Any, colors: Any) -> Any:
    return _draw(images, boxes, colors)
