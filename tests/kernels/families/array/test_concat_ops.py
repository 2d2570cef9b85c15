"""Concatenation."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, i32, i64, rand, table_tests

STRINGS = np.array([b"a", b"b"], object)

CASES = [
    case("ConcatV2", [rand(2, 3), rand(4, 3)], i32(0), grad=True),
    case("ConcatV2", [rand(2, 3), rand(2, 1), rand(2, 0)], i32(-1), grad=True),
    case("ConcatV2", [rand(2), rand(0)], i32(0)),
    case("ConcatV2", [STRINGS, STRINGS], i32(0)),
    case("ConcatV2", [cast("bfloat16", [1, 2]), cast("bfloat16", [3])], i32(0)),
    case("ConcatV2", [i32([1, 2]), i32([3])], i32([0]), error="INVALID_ARGUMENT: 'axis' must be of rank"),
    case("ConcatV2", [rand(2, 3), rand(4, 2)], i32(0), error="INVALID_ARGUMENT: cannot be concatenated"),
    case("ConcatV2", [rand(2, 3), rand(4)], i32(0), error="INVALID_ARGUMENT: must be equal rank"),
    case("ConcatV2", [rand(2, 3), rand(4, 3)], i32(2), error="INVALID_ARGUMENT: cannot be concatenated"),
    case("ConcatV2", [rand(2, 3), rand(4, 3)], i32(-3), error="INVALID_ARGUMENT: cannot be concatenated"),
    case("ConcatV2", [f32(1), f32(2)], i32(0), error="INVALID_ARGUMENT: cannot be concatenated"),
    case("ConcatV2", [rand(2, 3), rand(2, 3)], i32([0, 1]), error="INVALID_ARGUMENT: 'axis' must be of rank"),
    case("Concat", i32(1), [rand(2, 3), rand(2, 2)], grad=True),
    case("Concat", i32(-1), [rand(2, 3), rand(2, 2)], grad=True),
    case("Concat", i32(2), [rand(2, 3), rand(2, 2)], error="INVALID_ARGUMENT: cannot be concatenated"),
    case("ConcatOffset", i32(1), [i32([2, 3]), i32([2, 4]), i32([2, 1])]),
    case("ConcatOffset", i32(-1), [i64([2, 3]), i64([2, 4])]),
    case("ConcatOffset", i32(0), [i32([2, 3]), i32([2, 4])], error="INVALID_ARGUMENT: differ in other axes"),
    case(
        "ConcatOffset", i32(2), [i32([2, 3]), i32([2, 4])], error="INVALID_ARGUMENT: is out of range for rank"
    ),
    case("ConcatOffset", i32(0), [i32([2, 3]), i32([2])], error="INVALID_ARGUMENT: cannot be concatenated"),
    case(
        "ConcatOffset",
        i32([0]),
        [i32([2, 3]), i32([2, 3])],
        error="INVALID_ARGUMENT: 'concat_dim' must be of rank",
    ),
    case("ParallelConcat", [rand(1, 3), rand(1, 3, seed=1)], shape=[2, 3]),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
