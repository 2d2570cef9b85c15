"""Outlines of boxes on images."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, rand, table_tests

BOXES = f32(
    [
        [[0.1, 0.1, 0.8, 0.9], [-0.5, 0.2, 0.5, 1.5], [0.7, 0.7, 0.2, 0.9], [2, 2, 3, 3], [0, 0, 1, 1]],
        [[0.5, 0.5, 0.5, 0.5], [-1, -1, 2, 2], [0.3, -2, 0.6, -1], [0.99, 0.99, 1, 1], [0.2, 0.3, 0.4, 1.2]],
    ]
)
COLORS = rand(3, 4)

CASES = [
    *(case("DrawBoundingBoxes", rand(2, 9, 12, depth), BOXES) for depth in (1, 3, 4)),
    case("DrawBoundingBoxes", rand(2, 9, 12, 3, dtype="half"), np.concatenate([BOXES] * 3, axis=1)),
    *(case("DrawBoundingBoxesV2", rand(2, 9, 12, depth), BOXES, COLORS) for depth in (1, 3, 4)),
    case("DrawBoundingBoxesV2", cast("half", rand(2, 9, 12, 3)), BOXES, COLORS),
    case("DrawBoundingBoxesV2", rand(2, 9, 12, 3), BOXES, COLORS[:0]),
    case("DrawBoundingBoxes", rand(2, 9, 12, 3), BOXES[:, :0]),
    case("DrawBoundingBoxes", rand(0, 9, 12, 3), BOXES[:0]),
    case("DrawBoundingBoxes", rand(2, 9, 12, 2), BOXES, error="INVALID_ARGUMENT: Channel depth"),
    case("DrawBoundingBoxes", rand(1, 9, 12, 3), BOXES, error="INVALID_ARGUMENT: equal"),
    case("DrawBoundingBoxes", rand(9, 12, 3), BOXES, error="INVALID_ARGUMENT: rank 4"),
    case("DrawBoundingBoxesV2", rand(2, 9, 12, 4), BOXES, COLORS[:, :3], error="INVALID_ARGUMENT: columns"),
    case("DrawBoundingBoxesV2", rand(2, 9, 12, 4), BOXES, COLORS[0], error="INVALID_ARGUMENT: rank 2"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
