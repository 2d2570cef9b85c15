"""Boxes cut out of images and resized."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, i32, rand, table_tests

IMAGES = rand(2, 5, 6, 3)
BOXES = f32([[0, 0, 1, 1], [0.2, 0.1, 0.77, 0.93], [0.9, 0.83, 0.15, 0.22], [-0.5, 0.3, 0.6, 1.4]])
AT = i32([0, 1, 1, 0])

CASES = [
    *(
        case("CropAndResize", IMAGES, BOXES, AT, i32(size), tol=1e-4, grad=True)
        for size in ((4, 3), (1, 1), (7, 8), (1, 4))
    ),
    case("CropAndResize", rand(2, 5, 6, 3, dtype="double"), BOXES, AT, i32([4, 3]), tol=1e-4, grad=True),
    case("CropAndResize", IMAGES, BOXES, AT, i32([4, 3]), tol=1e-4, extrapolation_value=7.5),
    case("CropAndResize", IMAGES, BOXES, AT, i32([4, 3]), tol=1e-4, method="nearest"),
    *(
        case("CropAndResize", cast(t, rand(2, 5, 6, 1, low=0, high=90)), BOXES, AT, i32([3, 2]), tol=1e-4)
        for t in ("uint8", "int32", "half", "int64")
    ),
    case(
        "CropAndResizeGradImage",
        rand(4, 3, 2, 1),
        BOXES,
        AT,
        i32([2, 5, 6, 1]),
        T="float",
        method="nearest",
        tol=1e-5,
    ),
    case("CropAndResizeGradImage", rand(4, 3, 2, 1), BOXES, AT, i32([2, 5, 6, 1]), T="double", tol=1e-5),
    case(
        "CropAndResizeGradImage",
        rand(4, 3, 2, 1),
        BOXES,
        AT,
        i32([2, 5, 6, 2]),
        T="float",
        error="INVALID_ARGUMENT: do not fit",
    ),
    case("CropAndResizeGradBoxes", rand(4, 3, 2, 3), IMAGES, BOXES, AT, tol=1e-4),
    case("CropAndResize", IMAGES, np.zeros((0, 4), np.float32), i32([]), i32([4, 3])),
    case(
        "CropAndResize",
        IMAGES,
        BOXES,
        i32([0, 1, 2, 0]),
        i32([4, 3]),
        error="OUT_OF_RANGE: box_ind has values",
    ),
    case(
        "CropAndResize",
        IMAGES,
        BOXES,
        i32([0, 1]),
        i32([4, 3]),
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
    case("CropAndResize", IMAGES, BOXES, AT, i32([4, 0]), error="INVALID_ARGUMENT: but must be positive"),
    case(
        "CropAndResize", IMAGES, BOXES, AT, i32([4, 3, 1]), error="INVALID_ARGUMENT: Dimensions must be equal"
    ),
    case(
        "CropAndResize", IMAGES[0], BOXES, AT, i32([4, 3]), error="INVALID_ARGUMENT: 'image' must be of rank"
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
