"""CombinedNonMaxSuppression: non-maximum suppression of a batch of images, for each class of objects
(non_max_suppression_op.cc in TensorFlow)."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, matrix, merge_dim, vector
from ...core.cancellation import check
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.int_arguments import check_allocation
from ...numeric.introsort import argsort_descending
from .suppression_ops import corners_and_areas, overlaps_with

if TYPE_CHECKING:
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def _shape(c: ShapeContext) -> list[Shape]:
    boxes, scores = c.with_rank("boxes", 4), c.with_rank("scores", 3)
    merge_dim(boxes[3], 4)
    batch = merge_dim(boxes[0], scores[0])
    merge_dim(boxes[1], scores[1])
    if boxes[2] is not None and boxes[2] != 1:
        merge_dim(boxes[2], scores[2])
    for shape in c.inputs()[2:]:
        if shape.rank not in (None, 0):
            raise invalid(f"sizes and thresholds must be scalars, but one has shape {shape}")
    per_class, total = (c.elements(i) for i in ("max_output_size_per_class", "max_total_size"))
    size = total[0] if total else None
    if size is not None and size <= 0:
        raise invalid(f"max_total_size must be > 0, but is {size}")
    if c.attr("pad_per_class"):
        known = size is not None and per_class and per_class[0] is not None and scores[2] is not None
        size = min(size or 0, (per_class[0] or 0) * (scores[2] or 0)) if known and per_class else None
    return [Shape((batch, size, 4)), matrix(batch, size), matrix(batch, size), vector(batch)]


@dataclass(frozen=True, slots=True)
class _SelectionLimits:
    """How many boxes are selected of a class and of an image, and the thresholds of overlap and score."""

    per_class: int
    total: int
    overlap: Any
    score: Any


def _limits(boxes: Any, scores: Any, sizes_and_thresholds: tuple[Any, ...]) -> _SelectionLimits:
    """Reads the scalars. Raises INVALID_ARGUMENT for inputs that do not fit together."""
    if boxes.ndim != 4 or scores.ndim != 3 or boxes.shape[3] != 4 or boxes.shape[:2] != scores.shape[:2]:
        raise invalid(
            "boxes must be 4-D [batch, num_boxes, q, 4] and scores 3-D [batch, num_boxes, num_classes], but they have "
            f"shapes {Shape(boxes.shape)} and {Shape(scores.shape)}"
        )
    if boxes.shape[2] not in (1, scores.shape[2]):
        raise invalid(
            f"third dimension of boxes must be either 1 or num classes, {scores.shape[2]}, but is {boxes.shape[2]}"
        )
    if any(np.ndim(value) for value in sizes_and_thresholds):
        raise invalid("sizes and thresholds must be scalars")
    per_class, total, overlap, score = sizes_and_thresholds
    if int(per_class) <= 0 or int(total) <= 0:
        raise invalid(
            f"max_size_per_class and max_total_size must be positive, but are {per_class} and {total}"
        )
    if not 0 <= overlap <= 1:
        raise invalid(f"iou_threshold must be in [0, 1], but is {overlap}")
    return _SelectionLimits(int(per_class), int(total), overlap, score)


class _Candidate:
    """A box in a heap of candidates, ordered by score alone."""

    __slots__ = ("box", "score")

    def __init__(self, box: int, score: float) -> None:
        self.box, self.score = box, score

    def __lt__(self, other: _Candidate) -> bool:
        return self.score > other.score


def _by_score(scores: Any, threshold: Any) -> Any:
    """Returns the boxes with scores above the threshold, the best first; equal ones in the order of a heap."""
    boxes = np.flatnonzero(scores > threshold)
    above = scores[boxes]
    if len(np.unique(above)) == len(above):
        return boxes[np.argsort(-above)]
    heap: list[_Candidate] = []
    for box, score in zip(boxes.tolist(), above.tolist()):
        heapq.heappush(heap, _Candidate(box, score))
    return np.array([heapq.heappop(heap).box for _ in range(len(heap))], np.int64)


def _select(boxes: Any, scores: Any, limits: _SelectionLimits) -> list[int]:
    """Returns the boxes [boxes, 4] of one class that are selected, the best first."""
    corners, areas = corners_and_areas(boxes)
    left = _by_score(scores, limits.score)
    chosen: list[int] = []
    while left.size and len(chosen) < limits.per_class:
        check()
        best = int(left[0])
        chosen.append(best)
        left = left[1:]
        left = left[~(overlaps_with(corners, areas, best, left) > limits.overlap)]
    return chosen


def _detections(boxes: Any, scores: Any, limits: _SelectionLimits) -> tuple[Any, Any, Any]:
    """Returns boxes, scores and classes of what is selected of one image, the best first."""
    slots = min(limits.per_class, len(boxes))
    kept = np.full((scores.shape[1], slots), -np.inf, np.float32)
    of_box = np.zeros(kept.shape, np.int64)
    for number in range(scores.shape[1]):
        own = boxes[:, number if boxes.shape[1] > 1 else 0]
        chosen = _select(own, scores[:, number], limits)
        kept[number, : len(chosen)] = scores[chosen, number]
        of_box[number, : len(chosen)] = chosen
    is_taken = (kept > -np.inf).reshape(-1)
    order = np.array(argsort_descending(kept.reshape(-1).tolist()), np.int64)
    order = order[: min(limits.total, int(is_taken.sum()))]
    classes, box = order // max(slots, 1), of_box.reshape(-1)[order]
    found = boxes[box, classes if boxes.shape[1] > 1 else 0]
    return found, kept.reshape(-1)[order], classes


combined = op(
    "CombinedNonMaxSuppression(boxes: float, scores: float, max_output_size_per_class: int32, max_total_size: int32, "
    "iou_threshold: float, score_threshold: float; pad_per_class: bool = false, clip_boxes: bool = true) -> "
    "(nmsed_boxes: float, nmsed_scores: float, nmsed_classes: float, valid_detections: int32)",
    shape=_shape,
    allocates_output=True,
)


@combined.kernel
def _(
    xp: Any,
    boxes: Any,
    scores: Any,
    per_class: Any,
    total: Any,
    iou_threshold: Any,
    score_threshold: Any,
    *,
    pad_per_class: bool,
    clip_boxes: bool,
) -> tuple[Any, Any, Any, Any]:
    limits = _limits(boxes, scores, (per_class, total, iou_threshold, score_threshold))
    batch = len(boxes)
    size = min(limits.total, limits.per_class * scores.shape[2]) if pad_per_class else limits.total
    check_allocation((batch, size, 4), 4, "max_total_size")
    nmsed_boxes = np.zeros((batch, size, 4), np.float32)
    nmsed_scores, nmsed_classes = np.zeros((2, batch, size), np.float32)
    valid = np.zeros(batch, np.int32)
    for image in range(batch):
        found, kept, classes = _detections(boxes[image], scores[image], limits)
        count = min(len(found), size)
        nmsed_boxes[image, :count] = found[:count]
        nmsed_scores[image, :count] = kept[:count]
        nmsed_classes[image, :count] = classes[:count]
        valid[image] = count
    if clip_boxes:
        nmsed_boxes = np.clip(nmsed_boxes, np.float32(0), np.float32(1))
    return nmsed_boxes, nmsed_scores, nmsed_classes, valid
