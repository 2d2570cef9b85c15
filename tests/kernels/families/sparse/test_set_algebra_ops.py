"""Unions, intersections and differences of the sets in the last dimension."""

from __future__ import annotations

import numpy as np

from ...harness import Case, case, cast, i32, i64, table_tests

A = i32([[[3, 1, 1], [5, 6, 7]], [[0, 0, 0], [9, 8, 2]]])
B = i32([[[1, 4], [7, 5]], [[0, 0], [3, 3]]])
WORDS = np.array([["b", "a"], ["c", "c"]]), np.array([["a", "d", ""], ["c", "e", "e"]])
OPERATIONS = ("a-b", "b-a", "intersection", "union")

INDICES = i64([[0, 0], [0, 2], [2, 1]])
OTHERS = i64([[0, 1], [1, 0], [2, 0], [2, 3]])

CASES: list[Case] = [
    *(case("DenseToDenseSetOperation", A, B, set_operation=name) for name in OPERATIONS),
    *(case("DenseToDenseSetOperation", *WORDS, set_operation=name) for name in OPERATIONS),
    case("DenseToDenseSetOperation", cast("uint8", A[0]), cast("uint8", B[0]), set_operation="UNION"),
    case("DenseToDenseSetOperation", A[0], A[0], set_operation="a-b"),
    case("DenseToDenseSetOperation", A[:0], B[:0], set_operation="union"),
    case("DenseToDenseSetOperation", A[0, :, :0], B[0], set_operation="union"),
    case("DenseToDenseSetOperation", A[0], B, set_operation="union",
         error="INVALID_ARGUMENT: must be equal rank"),
    case("DenseToDenseSetOperation", A[0], B[0, :1], set_operation="union",
         error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("DenseToDenseSetOperation", A[0, 0], B[0, 0], set_operation="union",
         error="INVALID_ARGUMENT: 'set1' must be of rank"),
    case("DenseToDenseSetOperation", A, B, set_operation="product",
         error="INVALID_ARGUMENT: set_operation must be one of"),
    *(
        case("DenseToSparseSetOperation", i64([[1, 2], [3, 3], [4, 5]]), INDICES, i64([2, 7, 4]), i64([3, 3]),
             set_operation=name)
        for name in OPERATIONS
    ),
    *(
        case("SparseToSparseSetOperation", INDICES, i32([2, 7, 4]), i64([3, 3]), OTHERS, i32([7, 7, 4, 1]),
             i64([3, 4]), set_operation=name)
        for name in OPERATIONS
    ),
    case("SparseToSparseSetOperation", INDICES[::-1], i32([2, 7, 4]), i64([3, 3]), OTHERS,
         i32([7, 7, 4, 1]), i64([3, 4]), set_operation="union", error="INVALID_ARGUMENT: sets are repeated"),
    case("SparseToSparseSetOperation", INDICES, i32([2, 7, 4]), i64([4, 3]), OTHERS, i32([7, 7, 4, 1]),
         i64([3, 4]), set_operation="union", error="INVALID_ARGUMENT: groups of one shape"),
    case("SetSize", INDICES, i32([2, 2, 4]), i64([3, 3])),
    case("SetSize", INDICES, np.array(["x", "y", "y"]), i64([4, 3])),
    case("SetSize", INDICES[:0], i32([]), i64([2, 3])),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
