"""Borders and tiles."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, i32, i64, rand, table_tests

NONE = np.zeros((0, 2), np.int32)
STRINGS = np.array([b"a", b"b"], object)

CASES = [
    case("Pad", rand(2, 3), i32([[1, 0], [2, 3]]), grad=True),
    case("Pad", rand(2, 3), i64([[0, 0], [0, 0]]), grad=True),
    case("Pad", f32(3), NONE, grad=True),
    case("Pad", rand(0, 3), i32([[1, 1], [0, 1]])),
    case("Pad", STRINGS, i32([[1, 1]])),
    case("Pad", cast("bfloat16", [1, 2]), i32([[1, 1]])),
    case("Pad", rand(2, 3), i32([[1, 0], [2, -1]]), error="INVALID_ARGUMENT: paddings must not be negative"),
    case("Pad", rand(2, 3), i32([[1, 0]]), error="INVALID_ARGUMENT: must be equal rank"),
    case("Pad", rand(2, 3), i32([1, 0]), error="INVALID_ARGUMENT: 'paddings' must be of rank"),
    case("Pad", rand(2, 3), i32([[1, 0, 0], [1, 2, 3]]), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("PadV2", rand(2, 3), i32([[1, 0], [2, 3]]), f32(7), grad=True),
    case("PadV2", i32([1, 2]), i32([[1, 1]]), i32(-1)),
    case("PadV2", STRINGS, i32([[1, 1]]), np.array(b"x", object)),
    case(
        "PadV2", rand(2), i32([[1, 0]]), f32([7]), error="INVALID_ARGUMENT: constant_values must be a scalar"
    ),
    case("MirrorPad", rand(3, 4), i32([[1, 2], [3, 0]]), mode="REFLECT", grad=True),
    case("MirrorPad", rand(3, 4), i32([[3, 2], [4, 1]]), mode="SYMMETRIC", grad=True),
    case("MirrorPad", rand(2, 3, 2), i64([[1, 1], [2, 2], [0, 1]]), mode="REFLECT", grad=True),
    case("MirrorPad", rand(3), i32([[0, 0]]), mode="SYMMETRIC"),
    case("MirrorPad", f32(3), NONE, mode="SYMMETRIC"),
    case("MirrorPad", STRINGS, i32([[1, 1]]), mode="SYMMETRIC"),
    case("MirrorPad", rand(3), i32([[3, 0]]), mode="REFLECT", error="INVALID_ARGUMENT: mode REFLECT"),
    case("MirrorPad", rand(3), i32([[0, 4]]), mode="SYMMETRIC", error="INVALID_ARGUMENT: mode SYMMETRIC"),
    case(
        "MirrorPad",
        rand(3),
        i32([[-1, 0]]),
        mode="SYMMETRIC",
        error="INVALID_ARGUMENT: paddings must not be negative",
    ),
    case(
        "MirrorPad",
        rand(3),
        i32([[1, 0], [1, 0]]),
        mode="SYMMETRIC",
        error="INVALID_ARGUMENT: must be equal rank",
    ),
    case("MirrorPadGrad", rand(6, 7), i32([[1, 2], [3, 0]]), mode="REFLECT", grad=True),
    case("MirrorPadGrad", rand(8, 9), i32([[3, 2], [4, 1]]), mode="SYMMETRIC", grad=True),
    case(
        "MirrorPadGrad", rand(3), i32([[2, 2]]), mode="SYMMETRIC", error="INVALID_ARGUMENT: tensor of shape"
    ),
    case("Tile", rand(2, 3), i32([2, 3]), grad=True),
    case("Tile", rand(2, 3), i64([1, 2]), grad=True),
    case("Tile", f32(3), np.zeros(0, np.int32), grad=True),
    case("Tile", rand(2, 3), i32([0, 2])),
    case("Tile", rand(0, 3), i32([2, 2])),
    case("Tile", STRINGS, i32([2])),
    case("Tile", rand(2, 3), i32([2, -1]), error="INVALID_ARGUMENT: multiples must not be negative"),
    case("Tile", rand(2, 3), i32([2]), error="INVALID_ARGUMENT: multiples must have one element per axis"),
    case("Tile", rand(2, 3), i32([[2, 2]]), error="INVALID_ARGUMENT: 'multiples' must be of rank"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
