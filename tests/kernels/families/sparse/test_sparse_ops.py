"""Sparse matrices given as indices, values and shape."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, i32, i64, rand, table_tests

AT = i64([[0, 1], [0, 3], [2, 0]])

CASES = [
    case("SparseToDense", i32([1, 3]), i32([5]), f32([1, 2]), f32(-1)),
    case("SparseToDense", i32([[0, 1], [2, 0]]), i32([3, 2]), f32([1, 2]), f32(0), grad=True),
    case("SparseToDense", i64([[0, 1], [2, 0]]), i64([3, 2]), cast("complex64", 7), cast("complex64", 1)),
    case("SparseToDense", i32(2), i32([4]), i32(7), i32(0)),
    case("SparseToDense", i32([1, 3]), i32([5]), np.array(["a", "b"]), np.array("-")),
    case("SparseToDense", i32([3, 1]), i32([5]), i32([1, 2]), i32(0), validate_indices=False),
    case(
        "SparseToDense", i32([3, 1]), i32([5]), i32([1, 2]), i32(0), error="INVALID_ARGUMENT: is out of order"
    ),
    case("SparseToDense", i32([1, 1]), i32([5]), i32([1, 2]), i32(0), error="INVALID_ARGUMENT: is repeated"),
    case(
        "SparseToDense",
        i32([1, 5]),
        i32([5]),
        i32([1, 2]),
        i32(0),
        error="INVALID_ARGUMENT: does not index into",
    ),
    case(
        "SparseToDense",
        i32([-1, 3]),
        i32([5]),
        i32([1, 2]),
        i32(0),
        error="INVALID_ARGUMENT: does not index into",
    ),
    case(
        "SparseToDense",
        i32([1, 3]),
        i32([5]),
        i32([1, 2, 3]),
        i32(0),
        error="INVALID_ARGUMENT: sparse_values must be a scalar",
    ),
    case(
        "SparseToDense",
        i32([1, 3]),
        i32([5, 1]),
        i32([1, 2]),
        i32(0),
        error="INVALID_ARGUMENT: sparse_indices",
    ),
    case(
        "SparseToDense",
        i32([1, 3]),
        i32([5]),
        i32([1, 2]),
        i32([0]),
        error="INVALID_ARGUMENT: default_value must be a scalar",
    ),
    case("SparseToDense", i32([]), i32([2]), f32([]), f32(3)),
    case("SparseReorder", i64([[2, 0], [0, 3], [0, 1]]), rand(3), i64([3, 4]), grad=True),
    case("SparseReorder", i64([[2, 0], [0, 3]]), np.array(["a", "b"]), i64([3, 4])),
    case(
        "SparseReorder", i64([[2, 0], [0, 3]]), rand(3), i64([3, 4]), error="INVALID_ARGUMENT: are of shape"
    ),
    *(
        case(
            "SparseTensorDenseMatMul",
            AT,
            rand(3, dtype=t),
            i64([3, 4]),
            b,
            adjoint_a=x,
            adjoint_b=y,
            grad=t != "int32",
        )
        for t in ("float", "double", "int32")
        for x, y, b in (
            (False, False, rand(4, 2, dtype=t)),
            (True, False, rand(3, 2, dtype=t)),
            (False, True, rand(2, 4, dtype=t)),
            (True, True, rand(2, 3, dtype=t)),
        )
    ),
    case(
        "SparseTensorDenseMatMul",
        AT,
        cast("complex64", [1j, 2, 3 + 1j]),
        i64([3, 4]),
        rand(4, 2, dtype="complex64"),
    ),
    case(
        "SparseTensorDenseMatMul",
        AT,
        cast("complex64", [1j, 2, 3]),
        i64([3, 4]),
        cast("complex64", [[1j], [2], [3]]),
        adjoint_a=True,
    ),
    case("SparseTensorDenseMatMul", i32([[0, 0], [0, 0]]), f32([1, 2]), i64([1, 1]), f32([[3]]), grad=True),
    case("SparseTensorDenseMatMul", AT, rand(3, dtype="bfloat16"), i64([3, 4]), rand(4, 2, dtype="bfloat16")),
    case(
        "SparseTensorDenseMatMul", AT, rand(3), i64([3, 3]), rand(3, 2), error="INVALID_ARGUMENT: the column"
    ),
    case(
        "SparseTensorDenseMatMul", AT, rand(3), i64([2, 4]), rand(4, 2), error="INVALID_ARGUMENT: is not in ["
    ),
    case(
        "SparseTensorDenseMatMul",
        AT,
        rand(3),
        i64([3, 4]),
        rand(3, 2),
        error="INVALID_ARGUMENT: cannot be multiplied",
    ),
    case("SparseTensorDenseMatMul", np.zeros((0, 2), np.int64), rand(0), i64([3, 4]), rand(4, 2)),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
