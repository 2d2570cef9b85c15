"""Splitting."""

from __future__ import annotations

import numpy as np

from ...harness import case, f32, i32, i64, rand, table_tests

STRINGS = np.array([b"a", b"b"], object)

CASES = [
    case("Split", i32(0), rand(4, 3), num_split=2, grad=True),
    case("Split", i32(-1), rand(4, 3), num_split=3, grad=True),
    case("Split", i32(1), rand(4, 3), num_split=1, grad=True),
    case("Split", i32(0), STRINGS, num_split=2),
    case("Split", i32(0), rand(0, 3), num_split=2),
    case("Split", i32(0), rand(4, 3), num_split=3, error="INVALID_ARGUMENT: equal parts"),
    case("Split", i32(2), rand(4, 3), num_split=1, error="INVALID_ARGUMENT: is out of range for rank"),
    case("Split", i32([0]), rand(4, 3), num_split=2, error="INVALID_ARGUMENT: 'split_dim' must be of rank"),
    case("Split", i32(0), f32(3), num_split=1, error="INVALID_ARGUMENT: scalar cannot be split"),
    case("SplitV", rand(4, 3), i64([1, 3]), i32(0), num_split=2, grad=True),
    case("SplitV", rand(4, 3), i32([1, -1, 0]), i32(-1), num_split=3, grad=True),
    case("SplitV", rand(4, 3), i32([4]), i32(0), num_split=1, grad=True),
    case("SplitV", rand(4, 3), i64([1, 2]), i32(0), num_split=2, error="INVALID_ARGUMENT: do not add up"),
    case("SplitV", rand(4, 3), i64([1, 4]), i32(0), num_split=2, error="INVALID_ARGUMENT: do not add up"),
    case(
        "SplitV",
        rand(4, 3),
        i64([-1, -1]),
        i32(0),
        num_split=2,
        error="INVALID_ARGUMENT: may have a single -1",
    ),
    case(
        "SplitV",
        rand(4, 3),
        i64([-2, 6]),
        i32(0),
        num_split=2,
        error="INVALID_ARGUMENT: may have a single -1",
    ),
    case("SplitV", rand(4, 3), i64([5, -1]), i32(0), num_split=2, error="INVALID_ARGUMENT: do not add up"),
    case(
        "SplitV",
        rand(4, 3),
        i64([1, 3]),
        i32(2),
        num_split=2,
        error="INVALID_ARGUMENT: is out of range for rank",
    ),
    case(
        "SplitV",
        rand(4, 3),
        i64([1, 3]),
        i32(0),
        num_split=3,
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
