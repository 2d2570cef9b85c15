"""Random crops, which are TensorFlow's for the same seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import case, f32, i32, i64, table_tests

SIZE = i32([480, 640, 3])
BOXES = f32([[[0.1, 0.2, 0.5, 0.6], [0.6, 0.1, 0.9, 0.3]]])
FIRST, SECOND, STATELESS = (
    "SampleDistortedBoundingBox",
    "SampleDistortedBoundingBoxV2",
    "StatelessSampleDistortedBoundingBox",
)


def wrong(words: str, size: Any = SIZE, boxes: Any = BOXES, **attrs: Any) -> Any:
    return case(FIRST, size, boxes, seed=1, error=f"INVALID_ARGUMENT: {words}", **attrs)


CASES = [
    *(case(FIRST, SIZE, BOXES, seed=seed, seed2=7) for seed in range(8)),
    *(
        case(FIRST, SIZE, BOXES, seed=seed, min_object_covered=0.9, area_range=[0.3, 0.6])
        for seed in range(1, 9)
    ),
    *(
        case(FIRST, np.array([37, 91, 1], kind), BOXES, seed=3)
        for kind in (np.uint8, np.int8, np.int16, np.int64)
    ),
    *(
        case(SECOND, i64([33, 21, 3]), BOXES, f32(covered), seed=5, seed2=2, aspect_ratio_range=ratios)
        for covered in (0.0, 0.5, 1.0, 2.0)
        for ratios in ([0.5, 2.0], [3.0, 7.0], [1.0, 1.0])
    ),
    case(FIRST, SIZE, BOXES[:, :0], seed=4, use_image_if_no_bounding_boxes=True),
    case(FIRST, SIZE, f32([[[0, 0, 0, 0]]]), seed=4, max_attempts=3),
    case(FIRST, i32([0, 0, 3]), BOXES, seed=4),
    case(FIRST, i32([1, 1, 3]), BOXES, seed=4),
    *(
        case(STATELESS, SIZE, BOXES, f32(0.3), seed, area_range=[0.2, 0.9])
        for seed in (i32([1, 2]), i64([-5, 2**40]))
    ),
    wrong("No bounding boxes", boxes=BOXES[:, :0]),
    wrong("[0.0, 1.0]", boxes=BOXES + f32(0.5)),
    wrong("Dimensions must be equal", size=SIZE[:2]),
    wrong("rank 3", boxes=BOXES[0]),
    wrong("Aspect ratio", aspect_ratio_range=[0.0, 1.0]),
    wrong("Area range must be less", area_range=[0.5, 1.5]),
    wrong("Area range must be non", area_range=[0.0, 1.0]),
    wrong("2 dimensions", area_range=[0.5]),
    wrong("Max attempts", max_attempts=0),
    wrong("Min object covered", min_object_covered=-1.0),
    case(STATELESS, SIZE, BOXES, f32(0.3), i32([1, 2, 3]), error="INVALID_ARGUMENT: equal"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
