"""Slices, contiguous and strided."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, i32, i64, rand, table_tests

X = rand(4, 3, 2)
EMPTY = np.zeros(0, np.int32)
STRINGS = np.array([b"a", b"b", b"c"], object)


def strided(x: object, begin: object, end: object, strides: object, **attrs: object) -> object:
    return case("StridedSlice", x, i32(begin), i32(end), i32(strides), **attrs)  # type: ignore[arg-type]


CASES = [
    case("Slice", X, i32([1, 0, 0]), i32([2, -1, 1]), grad=True),
    case("Slice", X, i64([4, 0, 0]), i64([-1, 3, 2])),
    case("Slice", X, i32([0, 0, 0]), i32([0, 3, 2]), grad=True),
    case("Slice", f32(3), EMPTY, EMPTY, grad=True),
    case("Slice", STRINGS, i32([1]), i32([2])),
    case("Slice", X, i32([1, 0, 0]), i32([4, 1, 1]), error="INVALID_ARGUMENT: is not within axis"),
    case("Slice", X, i32([-1, 0, 0]), i32([1, 1, 1]), error="INVALID_ARGUMENT: is not within axis"),
    case("Slice", X, i32([0, 0, 0]), i32([-2, 1, 1]), error="INVALID_ARGUMENT: is not within axis"),
    case("Slice", X, i32([5, 0, 0]), i32([-1, 1, 1]), error="INVALID_ARGUMENT: is not within axis"),
    case("Slice", X, i32([0, 0]), i32([1, 1]), error="INVALID_ARGUMENT: size must have one element per axis"),
    case("Slice", X, i32([[0, 0, 0]]), i32([[1, 1, 1]]), error="INVALID_ARGUMENT: 'begin' must be of rank"),
    strided(X, [1, 0, 0], [3, 2, 1], [1, 1, 1], grad=True),
    strided(X, [-1], [-5], [-1], grad=True),
    strided(X, [-1], [0], [-2], end_mask=1, grad=True),
    strided(X, [3, 0], [0, 3], [-2, 2], grad=True),
    strided(X, [0, 0], [0, 0], [1, 1], begin_mask=1, end_mask=3, grad=True),
    strided(X, [0, 1], [0, 2], [1, 1], ellipsis_mask=1, grad=True),
    strided(X, [0, 1], [0, 2], [1, 1], ellipsis_mask=1, shrink_axis_mask=2, grad=True),
    strided(X, [1, 0, 0], [2, 0, 0], [1, 1, 1], new_axis_mask=2, shrink_axis_mask=1, grad=True),
    strided(X, [0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1], new_axis_mask=5, ellipsis_mask=2, grad=True),
    strided(X, [0, 0, 1], [0, 0, 2], [1, 1, 1], new_axis_mask=3, ellipsis_mask=1),
    strided(X, [1, 2, 1], [2, 3, 2], [1, 1, 1], shrink_axis_mask=7, grad=True),
    strided(X, [-1, -3, -2], [0, 0, 0], [1, 1, 1], shrink_axis_mask=7),
    strided(X, [0], [0], [1], shrink_axis_mask=1, new_axis_mask=1),
    strided(X, [2], [0], [1], shrink_axis_mask=1, begin_mask=1),
    strided(X, [2], [0], [1], shrink_axis_mask=1, end_mask=1),
    strided(X, [3], [1], [1], grad=True),
    strided(X, [1], [3], [-1]),
    strided(X, [100], [-100], [-3]),
    strided(X, [-100], [100], [3]),
    strided(X, EMPTY, EMPTY, EMPTY, grad=True),
    strided(f32(3), EMPTY, EMPTY, EMPTY, grad=True),
    strided(f32(3), [0], [0], [1], ellipsis_mask=1),
    strided(f32(3), [0], [0], [1], new_axis_mask=1, grad=True),
    strided(rand(0, 3), [0], [1], [1]),
    strided(rand(0, 3), [0], [0], [-1], begin_mask=1, end_mask=1),
    strided(STRINGS, [1], [2], [1], shrink_axis_mask=1),
    strided(STRINGS, [2], [0], [-1]),
    strided(cast("bfloat16", [1, 2, 3]), [1], [3], [1]),
    case("StridedSlice", X, i64([1]), i64([3]), i64([1]), grad=True),
    case("StridedSlice", X, cast("int16", [1]), cast("int16", [3]), cast("int16", [1])),
    strided(X, [4], [5], [1], shrink_axis_mask=1, error="INVALID_ARGUMENT: slice index"),
    strided(X, [-5], [5], [1], shrink_axis_mask=1, error="INVALID_ARGUMENT: slice index"),
    strided(X, [0], [1], [0], error="INVALID_ARGUMENT: not be zero"),
    strided(X, [1], [0], [-1], shrink_axis_mask=1, error="INVALID_ARGUMENT: single index"),
    strided(X, [0, 0], [0, 0], [1, 1], ellipsis_mask=3, error="INVALID_ARGUMENT: one ellipsis"),
    strided(X, [0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1], error="INVALID_ARGUMENT: tensor of rank"),
    strided(X, [0, 0], [1], [1], error="INVALID_ARGUMENT: Dimensions must be equal"),
    strided(X, [[0]], [[1]], [[1]], error="INVALID_ARGUMENT: 'begin' must be of rank"),
    strided(f32(3), [0], [1], [1], error="INVALID_ARGUMENT: tensor of rank"),
    case("StridedSliceGrad", i32([4, 3]), i32([3, 0]), i32([0, 3]), i32([-2, 2]), rand(2, 2), grad=True),
    case("StridedSliceGrad", i64([4]), i64([1]), i64([2]), i64([1]), f32(2), shrink_axis_mask=1, grad=True),
    case("StridedSliceGrad", EMPTY, EMPTY, EMPTY, EMPTY, f32(2), grad=True),
    case(
        "StridedSliceGrad",
        i32([4]),
        i32([1]),
        i32([2]),
        i32([1]),
        rand(2),
        error="INVALID_ARGUMENT: slice has shape",
    ),
    case(
        "StridedSliceGrad",
        i32([-4]),
        i32([1]),
        i32([2]),
        i32([1]),
        rand(1),
        error="INVALID_ARGUMENT: has the negative dimension",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
