from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import case, f32, i32, i64, table_tests

A = (i64([[0, 1], [1, 0], [2, 2]]), f32([1, 2, 3]), i64([3, 3]))
B = (i64([[0, 0], [2, 1]]), f32([4, 5]), i64([3, 2]))
NONE = (np.zeros((0, 2), np.int64), f32([]), i64([3, 2]))
WIDE = (i64([[0, 0], [0, 4], [1, 2], [1, 4], [2, 0]]), i32([1, 2, 3, 4, 5]), i64([3, 5]))


def concat(*parts: Any, axis: int, error: str | None = None) -> Any:
    return case(
        "SparseConcat", *([part[i] for part in parts] for i in range(3)), concat_dim=axis, error=error
    )


CASES = [
    concat(A, B, axis=1),
    concat(A, B, NONE, axis=-1),
    concat(A, A, axis=0),
    concat(A, B, axis=0, error="INVALID_ARGUMENT: cannot be joined"),
    concat(A, B, axis=2, error="INVALID_ARGUMENT: concat_dim 2 is out of range"),
    case("SparseSplit", i64(1), *WIDE, num_split=2),
    case("SparseSplit", i64(0), *WIDE, num_split=3),
    case("SparseSplit", i64(-1), *WIDE, num_split=5),
    case("SparseSplit", i64(0), *WIDE, num_split=4, error="INVALID_ARGUMENT: cannot be split"),
    case("SparseSplit", i64(2), *WIDE, num_split=2, error="INVALID_ARGUMENT: split_dim 2 is out of range"),
    case("SparseReshape", WIDE[0], WIDE[2], i64([5, 3])),
    case("SparseReshape", WIDE[0], WIDE[2], i64([-1])),
    case("SparseReshape", WIDE[0], WIDE[2], i64([5, -1, 1])),
    case("SparseReshape", NONE[0], NONE[2], i64([6])),
    case("SparseReshape", WIDE[0], WIDE[2], i64([4, -1]), error="INVALID_ARGUMENT: cannot be reshaped"),
    case("SparseReshape", WIDE[0], WIDE[2], i64([-1, -1]), error="INVALID_ARGUMENT: more than one -1"),
    case("SparseReshape", WIDE[0], WIDE[2], i64([7]), error="INVALID_ARGUMENT: cannot be reshaped"),
    case("SparseSlice", *A, i64([0, 1]), i64([2, 2]), grad=True),
    case("SparseSlice", *A, i64([1, 0]), i64([9, 9]), grad=True),
    case("SparseSlice", *A, i64([3, 3]), i64([1, 1])),
    case("SparseSlice", *A, i64([0]), i64([2, 2]), error="INVALID_ARGUMENT: start must have 2"),
    case("SparseSliceGrad", f32([7]), A[0], i64([0, 1]), i64([[0, 0]])),
    case("SparseSliceGrad", f32([7, 8]), A[0], i64([1, 0]), i64([[0, 0], [1, 2]])),
    case("SparseFillEmptyRows", i64([[0, 1], [3, 0]]), f32([1, 2]), i64([5, 2]), f32(9), grad=True),
    case(
        "SparseFillEmptyRows", i64([[3, 1], [0, 0], [3, 0]]), f32([1, 2, 3]), i64([5, 2]), f32(9), grad=True
    ),
    case("SparseFillEmptyRows", NONE[0], NONE[1], i64([2, 2]), f32(9)),
    case("SparseFillEmptyRows", NONE[0], NONE[1], i64([0, 2]), f32(9)),
    case("SparseFillEmptyRows", i64([[0, 0]]), np.array(["a"]), i64([2, 1]), np.array("z")),
    case(
        "SparseFillEmptyRows",
        i64([[7, 1]]),
        f32([1]),
        i64([5, 2]),
        f32(9),
        error="INVALID_ARGUMENT: not in [0, 5)",
    ),
    case(
        "SparseFillEmptyRows",
        i64([[0, 1]]),
        f32([1]),
        i64([5, 2]),
        f32([9]),
        error="INVALID_ARGUMENT: 'default_value' must be of rank",
    ),
    case("SparseFillEmptyRowsGrad", i64([0, 2]), f32([1, 2, 3, 4])),
    case(
        "SparseFillEmptyRowsGrad", i64([0, 4]), f32([1, 2, 3, 4]), error="INVALID_ARGUMENT: must be in [0, 4)"
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
