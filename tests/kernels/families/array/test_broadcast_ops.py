"""Fills and broadcasts."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, i32, i64, rand, table_tests

EMPTY = np.zeros(0, np.int32)

CASES = [
    case("Fill", i32([2, 3]), f32(1.5), grad=True),
    case("Fill", i64([2, 0]), i32(7)),
    case("Fill", EMPTY, f32(2), grad=True),
    case("Fill", i32([2]), np.array(b"x")),
    case("Fill", i32([2]), cast("bfloat16", 1.5)),
    case("Fill", i32([2]), np.array(True)),
    case("Fill", i32(3), f32(1), error="INVALID_ARGUMENT: shape must be a vector"),
    case("Fill", i32([2, -1]), f32(1), error="INVALID_ARGUMENT: has the negative dimension"),
    case("Fill", i32([[2]]), f32(1), error="INVALID_ARGUMENT: shape must be a vector"),
    case("Fill", i32([2]), f32([1]), error="INVALID_ARGUMENT: 'value' must be of rank"),
    case("Fill", i64([2**40, 2**40]), f32(1), error="INVALID_ARGUMENT: too many elements"),
    case("OnesLike", rand(2, 3)),
    case("OnesLike", cast("bfloat16", [2, 3])),
    case("OnesLike", i64(3)),
    case("OnesLike", np.array([False])),
    case("OnesLike", np.array([2j], np.complex64)),
    case("BroadcastTo", rand(3), i32([2, 3]), grad=True),
    case("BroadcastTo", rand(2, 1), i64([4, 2, 3]), grad=True),
    case("BroadcastTo", f32(2), i32([2, 2]), grad=True),
    case("BroadcastTo", f32(2), EMPTY),
    case("BroadcastTo", rand(1), i32([0])),
    case("BroadcastTo", rand(2, 3), i32([2, 3]), grad=True),
    case("BroadcastTo", np.array(["a", "b"]), i32([2, 2])),
    case("BroadcastTo", rand(2), i32([2, 3]), error="INVALID_ARGUMENT: cannot be broadcast"),
    case("BroadcastTo", rand(2, 1), i32([2]), error="INVALID_ARGUMENT: cannot be broadcast"),
    case("BroadcastTo", rand(1), i32([-1]), error="INVALID_ARGUMENT: has the negative dimension"),
    case("BroadcastTo", rand(1), i32([[2]]), error="INVALID_ARGUMENT: shape must be a vector"),
    case("BroadcastTo", rand(2, 3), i32([2, -1]), error="INVALID_ARGUMENT: has the negative dimension"),
    case("BroadcastArgs", i32([2, 1]), i32([3])),
    case("BroadcastArgs", EMPTY, i32([3])),
    case("BroadcastArgs", i64([5, 0]), i64([1, 1])),
    case("BroadcastArgs", i32([2]), i32([3]), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("BroadcastGradientArgs", i32([2, 3]), i32([2, 3])),
    case("BroadcastGradientArgs", i32([2, 3]), i32([3])),
    case("BroadcastGradientArgs", i32([2, 1, 4]), i32([3, 1])),
    case("BroadcastGradientArgs", i32([1, 1]), i32([1])),
    case("BroadcastGradientArgs", i32([1, 1]), i32([1, 1])),
    case("BroadcastGradientArgs", i64([1, 2]), i64([1, 1])),
    case("BroadcastGradientArgs", EMPTY, i32([2, 1])),
    case("BroadcastGradientArgs", EMPTY, EMPTY),
    case("BroadcastGradientArgs", i32([0, 2]), i32([1, 1])),
    case("BroadcastGradientArgs", i32([2]), i32([3]), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("BroadcastGradientArgs", i32([[2]]), i32([3]), error="INVALID_ARGUMENT: 's0' must be of rank"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
