"""The best boxes of each class of objects and image."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import case, f32, i32, rand, table_tests

NAME = "CombinedNonMaxSuppression"
CORNERS = rand(2, 30, 1, 2, low=-0.2, high=1)
BOXES = f32(np.concatenate([CORNERS, CORNERS + rand(2, 30, 1, 2, low=0, high=0.6)], axis=3))
OWN = f32(BOXES + 0.2 * rand(2, 30, 4, 1))
SCORES = rand(2, 30, 4, low=0, high=1)


def row(
    boxes: Any = BOXES,
    scores: Any = SCORES,
    sizes: tuple[int, int] = (5, 12),
    limits: tuple[float, float] = (0.4, 0.3),
    **more: Any,
) -> Any:
    return case(NAME, boxes, scores, i32(sizes[0]), i32(sizes[1]), f32(limits[0]), f32(limits[1]), **more)


CASES = [
    *(
        row(boxes, sizes=sizes, pad_per_class=pad, clip_boxes=clip)
        for boxes in (BOXES, OWN)
        for sizes in ((5, 12), (2, 100), (100, 100))
        for pad in (True, False)
        for clip in (True, False)
    ),
    row(limits=(0.0, 0.9)),
    row(limits=(1.0, -1.0)),
    # Equal scores, whose order is that of TensorFlow's heap and sort.
    *(row(scores=f32(np.round(SCORES * steps)), sizes=sizes, limits=(0.5, 0.5))
      for steps in (1, 3, 8) for sizes in ((5, 12), (40, 100))),
    row(scores=f32(np.where(SCORES > 0.8, np.nan, SCORES))),
    row(BOXES[:0], SCORES[:0]),
    row(BOXES[:, :, :, ::-1]),
    row(BOXES[..., :3], error="INVALID_ARGUMENT: equal"),
    row(BOXES[:1], error="INVALID_ARGUMENT: equal"),
    row(BOXES[:, :3], error="INVALID_ARGUMENT: equal"),
    row(OWN[:, :, :2], error="INVALID_ARGUMENT: equal"),
    row(BOXES[0], error="INVALID_ARGUMENT: rank 4"),
    row(sizes=(0, 12), error="INVALID_ARGUMENT: positive"),
    row(sizes=(5, 0), error="INVALID_ARGUMENT: max_total_size"),
    row(limits=(1.5, 0), error="INVALID_ARGUMENT: iou_threshold"),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
