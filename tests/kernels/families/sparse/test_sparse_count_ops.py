from __future__ import annotations

from typing import Any

import numpy as np
from tfg.graphfmt import dtypes

from ...harness import case, f32, i32, i64, table_tests

NO_WEIGHTS = f32([])


def dense(values: Any, weights: Any = NO_WEIGHTS, *, binary: bool = False, **options: Any) -> Any:
    dtype = dtypes.of_numpy(np.asarray(weights).dtype)
    return case("DenseCountSparseOutput", values, weights, binary_output=binary, output_type=dtype, **options)


def sparse(indices: Any, values: Any, shape: Any, weights: Any = NO_WEIGHTS, **options: Any) -> Any:
    dtype = dtypes.of_numpy(np.asarray(weights).dtype)
    attrs: dict[str, Any] = {"binary_output": False, "output_type": dtype, **options}
    return case("SparseCountSparseOutput", indices, values, shape, weights, **attrs)


def ragged(splits: Any, values: Any, weights: Any = NO_WEIGHTS, **options: Any) -> Any:
    dtype = dtypes.of_numpy(np.asarray(weights).dtype)
    attrs: dict[str, Any] = {"binary_output": False, "output_type": dtype, **options}
    return case("RaggedCountSparseOutput", i64(splits), values, weights, **attrs)


PAIRS = i64([[0, 0], [0, 3], [2, 1], [2, 2]])
SHAPE = i64([4, 5])

CASES = [
    dense(i32([3, 1, 1, 7])),
    dense(i64([[3, 1, 1], [2, 2, 2]])),
    dense(i32([[3, 1, 1], [2, 2, 2]]), binary=True),
    dense(i32([[3, 1, 1], [2, 2, 2]]), f32([[1, 0.5, 2], [3, 4, 5]])),
    dense(i32([3, 1, 1]), i32([4, 5, 6])),
    dense(i32([3, 1, 1]), i64([4, 5, 6]), binary=True),
    dense(i32([3, 1, 1]), np.array([4.0, 5, 6]), minlength=9),
    dense(i32([3, 1, 1]), minlength=2),
    dense(i32([3, 1, 1]), maxlength=2),
    dense(i32([3, 1, 1]), f32([1, 2, 3]), maxlength=3),
    dense(i32([3, 1, 1]), minlength=9, maxlength=5),
    dense(i32([3, 1, 1]), maxlength=0),
    dense(i32([])),
    dense(i32(np.zeros((2, 0)))),
    dense(i32([3, -1]), error="INVALID_ARGUMENT: non-negative"),
    dense(i32([3, 1]), f32([1]), error="INVALID_ARGUMENT: Weights and values must have the same shape"),
    dense(i32(3), error="INVALID_ARGUMENT: rank 1 or 2"),
    sparse(PAIRS, i32([3, 3, 1, 0]), SHAPE),
    sparse(PAIRS, i64([3, 3, 1, 0]), SHAPE, f32([1, 2, 3, 4])),
    sparse(PAIRS, i64([3, 3, 1, 0]), SHAPE, binary_output=True, minlength=6),
    sparse(PAIRS, i64([3, 3, 1, 0]), SHAPE, maxlength=2),
    sparse(i64([[1], [4]]), i64([3, 3]), i64([5])),
    sparse(i64(np.zeros((0, 2))), i64([]), i64([3, 3])),
    sparse(PAIRS, i32([3, 3, 1, 0]), i64([2, 5]), error="INVALID_ARGUMENT: outside of a tensor"),
    sparse(PAIRS, i32([3, 3, 1]), SHAPE, error="INVALID_ARGUMENT: 4"),
    sparse(PAIRS, i32([3, 3, -1, 0]), SHAPE, error="INVALID_ARGUMENT: non-negative"),
    ragged([0, 2, 2, 5], i32([1, 1, 4, 0, 4])),
    ragged([0, 2, 2, 5], i64([1, 1, 4, 0, 4]), i32([1, 2, 3, 4, 5])),
    ragged([0, 2, 2, 5], i32([1, 1, 4, 0, 4]), binary_output=True, maxlength=3),
    ragged([0, 0], i32([])),
    ragged([0, 2, 4], i32([1, 1, 4, 0, 4]), error="INVALID_ARGUMENT: must rise from 0 to 5"),
    ragged([0], i32([]), error="INVALID_ARGUMENT: at least 2"),
    ragged([0, 2], i32([1, -1]), error="INVALID_ARGUMENT: non-negative"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
