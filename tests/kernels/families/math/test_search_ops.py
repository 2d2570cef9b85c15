"""Places of values among sorted ones."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, f64, i32, i64, table_tests

SORTED = [[1, 3, 3, 5], [0, 2, 4, 8]]
VALUES = [[3, 0, 9], [2, 8, 1]]

CASES = [
    *(
        case(op, cast(d, SORTED), cast(d, VALUES))
        for op in ("LowerBound", "UpperBound")
        for d in ("float", "double", "int32", "int64", "half", "bfloat16", "uint8", "int8", "int16")
    ),
    case("LowerBound", i32(SORTED), i32(VALUES), out_type="int64"),
    case("UpperBound", f32([[1, 2]]), f32([[np.nan, np.inf, -np.inf]])),
    case("LowerBound", f32([[1, 2]]), f32([[np.nan, np.inf, -np.inf]])),
    case("LowerBound", np.zeros((2, 0), np.float32), f32(VALUES)),
    case("LowerBound", f32(SORTED), np.zeros((2, 0), np.float32)),
    case("LowerBound", f32(SORTED), f32([[1]]), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("LowerBound", f32([1]), f32([1]), error="INVALID_ARGUMENT: 'values' must be of rank"),
    case("Bucketize", i32([[-5, 10000], [150, 10], [5, 100]]), boundaries=[0.0, 10.0, 100.0]),
    case("Bucketize", i64([1, 2]), boundaries=[2.0]),
    case("Bucketize", f32([np.nan, np.inf, 0.1, 1]), boundaries=[0.1, 1.0]),
    case("Bucketize", f64([0.1, 1]), boundaries=[0.1, 1.0]),
    case("Bucketize", f32(3), boundaries=[1.0]),
    case("Bucketize", f32([3]), boundaries=[]),
    case("Bucketize", f32([3]), boundaries=[2.0, 1.0], error="INVALID_ARGUMENT: ascending order"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
