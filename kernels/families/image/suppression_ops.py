"""NonMaxSuppression in its versions 1 to 5 (non_max_suppression_op.cc in TensorFlow): of boxes that
overlap too much, only the one with the highest score is kept. Version 5 can lower scores instead (soft
NMS, Bodla and others, ICCV 2017). NonMaxSuppressionWithOverlaps is given the overlaps instead of boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import SCALAR, Shape, merge_dim, vector
from ...core.cancellation import check
from ...core.registry import Family
from ...core.traits import GpuSupport

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_TYPES = "T: type in {half, float} = float, T_threshold: type in {half, float} = float"


def _selected_shape(c: ShapeContext) -> list[Shape]:
    boxes, scores = c.with_rank(0, 2), c.with_rank(1, 1)
    merge_dim(boxes[0], scores[0])
    merge_dim(boxes[1], 4)
    for shape in c.inputs()[2:]:
        if shape.rank not in (None, 0):
            raise invalid(f"limits and thresholds must be scalars, but one has shape {shape}")
    padded = c.attrs.get("pad_to_max_output_size", False)
    limit = c.elements(2)
    size = vector(limit[0] if padded and limit else None)
    return (
        [size, SCALAR]
        if len(c.bound.output_types) == 2
        else [size, size, SCALAR][: len(c.bound.output_types)]
    )


first = op(
    "NonMaxSuppression(boxes: float, scores: float, max_output_size: int32; iou_threshold: float = 0.5) -> "
    "(selected_indices: int32)",
    shape=_selected_shape,
    differentiable=False,
    allocates_output=True,
)


@first.kernel
def _(xp: Any, boxes: Any, scores: Any, limit: Any, *, iou_threshold: float) -> Any:
    return _select(boxes, scores, limit, np.float32(iou_threshold), None)[0]


second = op(
    "NonMaxSuppressionV2(boxes: T, scores: T, max_output_size: int32, iou_threshold: T_threshold; "
    f"{_TYPES}) -> (selected_indices: int32)",
    shape=_selected_shape,
    differentiable=False,
    allocates_output=True,
)


@second.kernel
def _(xp: Any, boxes: Any, scores: Any, limit: Any, iou_threshold: Any) -> Any:
    return _select(boxes, scores, limit, iou_threshold, None)[0]


third = op(
    "NonMaxSuppressionV3(boxes: T, scores: T, max_output_size: int32, iou_threshold: T_threshold, "
    f"score_threshold: T_threshold; {_TYPES}) -> (selected_indices: int32)",
    shape=_selected_shape,
    allocates_output=True,
)


@third.kernel
def _(xp: Any, boxes: Any, scores: Any, limit: Any, iou_threshold: Any, score_threshold: Any) -> Any:
    return _select(boxes, scores, limit, iou_threshold, score_threshold)[0]


fourth = op(
    "NonMaxSuppressionV4(boxes: T, scores: T, max_output_size: int32, iou_threshold: T_threshold, "
    f"score_threshold: T_threshold; {_TYPES}, pad_to_max_output_size: bool = false) -> "
    "(selected_indices: int32, valid_outputs: int32)",
    shape=_selected_shape,
    allocates_output=True,
)


@fourth.kernel
def _(
    xp: Any,
    boxes: Any,
    scores: Any,
    limit: Any,
    iou_threshold: Any,
    score_threshold: Any,
    *,
    pad_to_max_output_size: bool,
) -> tuple[Any, Any]:
    chosen, _ = _select(boxes, scores, limit, iou_threshold, score_threshold)
    return _padded(chosen, int(limit), pad_to_max_output_size), np.int32(chosen.size)


fifth = op(
    "NonMaxSuppressionV5(boxes: T, scores: T, max_output_size: int32, iou_threshold: T, score_threshold: T, "
    "soft_nms_sigma: T; T: type in {half, float} = float, pad_to_max_output_size: bool = false) -> "
    "(selected_indices: int32, selected_scores: T, valid_outputs: int32)",
    shape=_selected_shape,
    allocates_output=True,
)


@fifth.kernel
def _(
    xp: Any,
    boxes: Any,
    scores: Any,
    limit: Any,
    iou_threshold: Any,
    score_threshold: Any,
    sigma: Any,
    *,
    pad_to_max_output_size: bool,
) -> tuple[Any, Any, Any]:
    if sigma.ndim or float(sigma) < 0:
        raise invalid(f"soft_nms_sigma must be a scalar and not negative, but is {sigma}")
    chosen, kept = _select(boxes, scores, limit, iou_threshold, score_threshold, float(sigma))
    pad = pad_to_max_output_size
    return _padded(chosen, int(limit), pad), _padded(kept, int(limit), pad), np.int32(chosen.size)


def _overlaps_shape(c: ShapeContext) -> Shape:
    overlaps, scores = c.with_rank(0, 2), c.with_rank(1, 1)
    merge_dim(merge_dim(overlaps[0], overlaps[1]), scores[0])
    for shape in c.inputs()[2:]:
        if shape.rank not in (None, 0):
            raise invalid(f"limits and thresholds must be scalars, but one has shape {shape}")
    return vector(None)


with_overlaps = op(
    "NonMaxSuppressionWithOverlaps(overlaps: float, scores: float, max_output_size: int32, overlap_threshold: float, "
    "score_threshold: float) -> (selected_indices: int32)",
    shape=_overlaps_shape,
    differentiable=False,
    allocates_output=True,
)


@with_overlaps.kernel
def _(xp: Any, overlaps: Any, scores: Any, limit: Any, overlap_threshold: Any, score_threshold: Any) -> Any:
    if overlaps.ndim != 2 or scores.ndim != 1 or overlaps.shape != 2 * scores.shape:
        raise invalid(
            "overlaps must be of shape [boxes, boxes] and scores of shape [boxes], but are of shapes "
            f"{Shape(overlaps.shape)} and {Shape(scores.shape)}"
        )
    if any(np.ndim(value) for value in (limit, overlap_threshold, score_threshold)):
        raise invalid("max_output_size and thresholds must be scalars")
    if int(limit) < 0:
        raise invalid(f"max_output_size is {int(limit)}, but must not be negative")
    thresholds = (overlap_threshold, score_threshold, 0.0)
    return _keep_best(scores, int(limit), lambda box, others: overlaps[others, box], thresholds)[0]


def _padded(values: Any, size: int, pad: bool) -> Any:
    return np.concatenate([values, np.zeros(size - values.size, values.dtype)]) if pad else values


def _select(
    boxes: Any, scores: Any, limit: Any, iou_threshold: Any, score_threshold: Any, sigma: float = 0.0
) -> tuple[Any, Any]:
    """Returns the indices of the selected boxes, best score first, and their scores.

    Boxes are [boxes, 4]. Only scores above ``score_threshold`` are considered; without one, all above the
    dtype's minimum.
    """
    if score_threshold is None:
        score_threshold = np.finfo(scores.dtype).min
    boxes, scores = np.asarray(boxes), np.asarray(scores)
    for name, value in (("max_output_size", limit), ("iou_threshold", iou_threshold)):
        if np.ndim(value):
            raise invalid(f"{name} must be a scalar, but has shape {Shape(np.shape(value))}")
    if not 0 <= float(iou_threshold) <= 1:
        raise invalid(f"iou_threshold is {float(iou_threshold)}, but must be in [0, 1]")
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        raise invalid(
            "boxes must be of shape [boxes, 4] and scores of shape [boxes], but are of shapes "
            f"{Shape(boxes.shape)} and {Shape(scores.shape)}"
        )
    if int(limit) < 0:
        raise invalid(f"max_output_size is {int(limit)}, but must not be negative")
    corners, areas = corners_and_areas(boxes)

    def overlap_of(box: int, others: Any) -> Any:
        return overlaps_with(corners, areas, box, others)

    thresholds = (iou_threshold, score_threshold, sigma)
    return _keep_best(scores, int(limit), overlap_of, thresholds)


def _keep_best(
    scores: Any, limit: int, overlap_of: Callable[[int, Any], Any], thresholds: tuple[Any, Any, float]
) -> tuple[Any, Any]:
    """Returns the indices of the selected boxes, best score first, and their scores.

    ``overlap_of`` gives the overlaps of a box with others; the thresholds are those of overlap and score, and the
    deviation by which soft suppression lowers scores, 0 for none.
    """
    overlap_threshold, score_threshold, sigma = thresholds
    left = np.flatnonzero(scores > score_threshold)
    now = scores[left]
    chosen: list[int] = []
    kept: list[Any] = []
    while left.size and len(chosen) < limit:
        check()
        best = int(now.argmax())
        chosen.append(int(left[best]))
        kept.append(now[best])
        overlap = overlap_of(chosen[-1], left)
        if sigma > 0:
            now = now * np.exp(np.float32(-0.5 / sigma) * overlap * overlap).astype(now.dtype)
        stays = ~(overlap > overlap_threshold) if sigma <= 0 else (now > score_threshold)
        stays[best] = False
        left, now = left[stays], now[stays]
    return np.array(chosen, np.int32), np.array(kept, scores.dtype)


def corners_and_areas(boxes: Any) -> tuple[Any, Any]:
    """Returns the lower and upper corners of boxes, which state any two opposite corners, and their areas."""
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    sides = high - low
    return (low, high), sides[:, 0] * sides[:, 1]


def overlaps_with(corners: tuple[Any, Any], areas: Any, box: int, others: Any) -> Any:
    """Returns the intersection over union of a box with others; 0 if one of the two has no area."""
    low, high = corners
    sides = np.minimum(high[box], high[others]) - np.maximum(low[box], low[others])
    sides = np.maximum(sides, sides.dtype.type(0))
    common = sides[:, 0] * sides[:, 1]
    overlap = common / (areas[box] + areas[others] - common)
    return np.where((areas[box] > 0) & (areas[others] > 0), overlap, overlap.dtype.type(0))
