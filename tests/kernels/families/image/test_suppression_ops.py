"""Of boxes that overlap too much, the one with the best score."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, i32, rand, table_tests

BOXES = f32(
    [
        [0, 0, 1, 1],
        [0, 0.1, 1, 1.1],
        [0, -0.1, 1, 0.9],
        [0, 10, 1, 11],
        [1, 11.1, 0, 10.1],
        [0, 100, 1, 101],
        [3, 3, 3, 3],
    ]
)
SCORES = f32([0.9, 0.75, 0.6, 0.95, 0.5, 0.3, 0.2])
MANY = np.concatenate([rand(40, 2, low=0, high=3), rand(40, 2, low=2, high=5)], axis=1)

OVERLAPS = rand(40, 40, low=0, high=1)

CASES = [
    *(
        case("NonMaxSuppressionWithOverlaps", OVERLAPS, rand(40), i32(limit), f32(overlap), f32(score))
        for limit in (0, 5, 100)
        for overlap in (0.3, 0.9, 2.0)
        for score in (-1.0, 0.5)
    ),
    case("NonMaxSuppressionWithOverlaps", OVERLAPS, f32(np.ones(40)), i32(9), f32(0.8), f32(0)),
    case("NonMaxSuppressionWithOverlaps", OVERLAPS[:0, :0], f32([]), i32(9), f32(0.8), f32(0)),
    case(
        "NonMaxSuppressionWithOverlaps",
        OVERLAPS[:9],
        rand(40),
        i32(9),
        f32(0.8),
        f32(0),
        error="INVALID_ARGUMENT: equal",
    ),
    case(
        "NonMaxSuppressionWithOverlaps",
        OVERLAPS,
        rand(40),
        i32(-1),
        f32(0.8),
        f32(0),
        error="INVALID_ARGUMENT: negative",
    ),
    *(
        case("NonMaxSuppression", BOXES, SCORES, i32(n), iou_threshold=t)
        for n in (0, 3, 30)
        for t in (0.0, 0.5, 1.0)
    ),
    case("NonMaxSuppressionV2", BOXES, SCORES, i32(5), f32(0.5)),
    case("NonMaxSuppressionV2", MANY, rand(40), i32(20), f32(0.4)),
    case("NonMaxSuppressionV2", BOXES, f32([1, 1, 1, 1, -np.inf, np.nan, 1]), i32(9), f32(0.5)),
    case("NonMaxSuppressionV3", BOXES, SCORES, i32(5), f32(0.5), f32(0.4)),
    case("NonMaxSuppressionV3", MANY, rand(40), i32(20), f32(0.3), f32(-0.5)),
    case(
        "NonMaxSuppressionV3",
        cast("half", BOXES),
        cast("half", SCORES),
        i32(5),
        cast("half", 0.5),
        cast("half", 0.4),
    ),
    *(
        case("NonMaxSuppressionV4", BOXES, SCORES, i32(5), f32(0.5), f32(0), pad_to_max_output_size=p)
        for p in (True, False)
    ),
    *(
        case(
            "NonMaxSuppressionV5",
            boxes,
            scores,
            i32(6),
            f32(0.5),
            f32(0.0),
            f32(sigma),
            pad_to_max_output_size=p,
            tol=1e-5,
        )
        for boxes, scores in ((BOXES, SCORES), (MANY, rand(40, low=0)))
        for sigma in (0.0, 0.5)
        for p in (True, False)
    ),
    case("NonMaxSuppressionV2", np.zeros((0, 4), np.float32), f32([]), i32(5), f32(0.5)),
    case("NonMaxSuppressionV2", BOXES, SCORES, i32(5), f32(1.5), error="INVALID_ARGUMENT: iou_threshold"),
    case("NonMaxSuppressionV2", BOXES, SCORES, i32(5), f32(-0.5), error="INVALID_ARGUMENT: iou_threshold"),
    case(
        "NonMaxSuppressionV2",
        BOXES,
        SCORES[:2],
        i32(5),
        f32(0.5),
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
    case(
        "NonMaxSuppressionV2",
        BOXES,
        SCORES,
        i32([5]),
        f32(0.5),
        error="INVALID_ARGUMENT: thresholds must be scalars",
    ),
    case(
        "NonMaxSuppressionV3",
        BOXES,
        SCORES,
        i32(-1),
        f32(0.5),
        f32(0.5),
        error="INVALID_ARGUMENT: but must not be negative",
    ),
    case(
        "NonMaxSuppressionV3",
        BOXES,
        SCORES,
        i32(1),
        f32([0.5]),
        f32(0.5),
        error="INVALID_ARGUMENT: thresholds must be scalars",
    ),
    case(
        "NonMaxSuppressionV2",
        BOXES[:, :3],
        SCORES,
        i32(5),
        f32(0.5),
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
