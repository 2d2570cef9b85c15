"""Rows written into a copy."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, i32, rand, table_tests

X = rand(3, 2)
EMPTY = np.zeros(0, np.int32)

CASES = [
    *(
        row
        for name in ("InplaceAdd", "InplaceSub", "InplaceUpdate")
        for row in (
            case(name, X, i32([1, 0]), rand(2, 2)),
            case(name, X, i32([1, 1]), rand(2, 2)),
            case(name, X, i32([-1, 7]), rand(2, 2)),
            case(name, i32([1, 2]), i32([1]), i32([5])),
            case(name, X, EMPTY, rand(0, 2)),
            case(name, X, i32([1]), rand(2), error="INVALID_ARGUMENT: rows of shape"),
            case(name, X, i32([1]), rand(2, 2), error="INVALID_ARGUMENT: rows of shape"),
            case(name, X, i32([1]), rand(1, 3), error="INVALID_ARGUMENT: rows of shape"),
            case(name, X, i32(1), rand(2), error="INVALID_ARGUMENT: must be a vector"),
        )
    ),
    case("GuaranteeConst", X),
    case("Empty", i32([2, 3]), dtype="float", init=True),
    case("Empty", i32([2]), dtype="string"),
    case(
        "Empty", i32([2, -3]), dtype="float", init=True, error="INVALID_ARGUMENT: has the negative dimension"
    ),
    case("Empty", i32(3), dtype="float", init=True, error="INVALID_ARGUMENT: 'shape' must be of rank"),
    case("TensorStridedSliceUpdate", X, i32([1]), i32([3]), i32([1]), rand(2, 2), grad=True),
    case("TensorStridedSliceUpdate", X, i32([1]), i32([3]), i32([1]), rand(2), grad=True),
    case("TensorStridedSliceUpdate", X, i32([1]), i32([3]), i32([1]), cast("float", 5), grad=True),
    case("TensorStridedSliceUpdate", X, i32([1]), i32([3]), i32([1]), rand(1, 2, 2)),
    case("TensorStridedSliceUpdate", X, i32([1]), i32([1]), i32([1]), rand(7)),
    case("TensorStridedSliceUpdate", X, i32([2]), i32([0]), i32([-1]), rand(2, 1), grad=True),
    case("TensorStridedSliceUpdate", X, i32([1]), i32([3]), i32([1]), rand(2), shrink_axis_mask=1, grad=True),
    case(
        "TensorStridedSliceUpdate",
        X,
        i32([1]),
        i32([3]),
        i32([1]),
        rand(3, 2),
        error="INVALID_ARGUMENT: does not fit",
    ),
    case(
        "TensorStridedSliceUpdate",
        X,
        i32([3]),
        i32([4]),
        i32([1]),
        rand(2),
        shrink_axis_mask=1,
        error="INVALID_ARGUMENT: slice index",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
