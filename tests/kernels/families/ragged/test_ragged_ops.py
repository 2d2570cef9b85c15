from __future__ import annotations

from typing import Any

import numpy as np
from tfg.graphfmt import dtypes

from ...harness import case, f32, i32, i64, table_tests

SPLITS = i64([0, 2, 2, 5, 6])
OUTER = i64([0, 1, 3, 4])
VALUES = f32([1, 2, 3, 4, 5, 6])
MATRIX = f32(np.arange(12).reshape(6, 2))


def ranges(*arguments: Any, error: str | None = None, **attrs: Any) -> Any:
    return case("RaggedRange", *arguments, error=error, **attrs)


def gather(nested: list[Any], values: Any, indices: Any, *, rank: int, **options: Any) -> Any:
    return case("RaggedGather", nested, values, indices, OUTPUT_RAGGED_RANK=rank, **options)


def fill(rows: Any, values: Any, nrows: Any, default: Any, **options: Any) -> Any:
    return case("RaggedFillEmptyRows", i64(rows), values, i64(nrows), default, **options)


CASES = [
    ranges(i32(0), i32(5), i32(1)),
    ranges(i32([0, 5, 8]), i32([3, 5, 12]), i32(1)),
    ranges(i32([0, 5, 8]), i32(0), i32([1, -1, -3]), Tsplits=dtypes.int32),
    ranges(i64([-3, 10]), i64([3, -10]), i64([2, -7])),
    ranges(i64(-(2**63)), i64(2**63 - 1), i64(2**62)),
    ranges(f32([0, 1]), f32([1, -1]), f32([0.1, -0.3])),
    ranges(np.array([0.0, 5]), np.float64(1), np.array([0.25, 1])),
    ranges(i32([]), i32([]), i32(1)),
    ranges(f32(0), f32(np.inf), f32(1), error="INVALID_ARGUMENT: Requires ((limit - start) / delta)"),
    ranges(i32(0), i32(5), i32(0), error="INVALID_ARGUMENT: Requires delta != 0"),
    ranges(i32([0, 1]), i32([5, 6, 7]), i32(1), error="INVALID_ARGUMENT: must have the same shape"),
    ranges(i32([[0]]), i32(5), i32(1), error="INVALID_ARGUMENT: starts must be a scalar or vector"),
    gather([SPLITS], VALUES, i32([2, 0, 1]), rank=1, grad=True),
    gather([SPLITS], VALUES, i64([[2, 0], [3, 3]]), rank=2, grad=True),
    gather([SPLITS], MATRIX, i64(2), rank=0),
    gather([OUTER, i64([0, 2, 2, 5, 6])], MATRIX, i32([1, 1, 0]), rank=2, grad=True),
    gather([i32([0, 2, 3])], i32([1, 2, 3]), i32([1]), rank=1),
    gather([SPLITS], np.array(list("abcdef")), i32([2, 0]), rank=1),
    gather([SPLITS], VALUES, i32([]), rank=1),
    gather([SPLITS], VALUES, i32([0, 4]), rank=1, error="INVALID_ARGUMENT: indices[1] = 4 is not in [0, 4)"),
    gather([SPLITS], VALUES, i32([-1]), rank=1, error="INVALID_ARGUMENT: is not in [0, 4)"),
    gather([i64([0, 3, 2, 6])], VALUES, i32([0]), rank=1, error="INVALID_ARGUMENT: must be sorted"),
    gather([i64([0, 9])], VALUES, i32([0]), rank=1, error="INVALID_ARGUMENT: must end with"),
    gather([i64([-1, 6])], VALUES, i32([0]), rank=1, error="INVALID_ARGUMENT: must begin with 0"),
    gather([i64([])], VALUES, i32([]), rank=1, error="INVALID_ARGUMENT: must be a vector that is not empty"),
    gather([SPLITS], f32(1), i32([0]), rank=1, error="INVALID_ARGUMENT: rank of at least 1"),
    fill([0, 2, 2], f32([1, 2, 3]), 5, f32(9), grad=True),
    fill([], f32([]), 2, f32(9)),
    fill([0], np.array(["a"]), 2, np.array("z")),
    fill([0, 7], f32([1, 2]), 5, f32(9), error="INVALID_ARGUMENT: value_rowids[1] = 7 is not in [0, 5)"),
    fill([0, -1], f32([1, 2]), 5, f32(9), error="INVALID_ARGUMENT: value_rowids[1] = -1"),
    case("RaggedFillEmptyRowsGrad", i64([0, 2]), f32([1, 2, 3, 4])),
    case("RaggedFillEmptyRowsGrad", i64([0, 4]), f32([1, 2, 3, 4]), error="INVALID_ARGUMENT: in [0, 4)"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
