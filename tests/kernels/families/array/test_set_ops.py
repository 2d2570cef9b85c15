"""Distinct values, differences of sets, and the places of what is not zero."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, i32, i64, table_tests

NAN = np.nan
NONE = np.zeros(0, np.int64)
REPEATED = [3, 1, 3, 2, 1, 0]
ROWS = [[1, 2], [0, 3], [1, 2], [0, 0], [0, 3]]
DTYPES = ("int32", "int8", "uint8", "int64", "uint64", "half", "bfloat16", "float", "double")

CASES = [
    case("Where", cast("bool", [[True, False], [False, True]])),
    case("Where", cast("bool", [])),
    case("Where", cast("bool", True), error="INVALID_ARGUMENT: input must be of rank"),
    case("Where", f32([[[0, 1], [NAN, -0.0]]])),
    *(case("Where", cast(d, [0, 1, 2])) for d in (*DTYPES, "complex64") if d != "half"),
    *(case(op, cast(d, REPEATED)) for op in ("Unique", "UniqueWithCounts") for d in DTYPES),
    *(case(op, cast(d, ROWS), i64([0])) for op in ("UniqueV2", "UniqueWithCountsV2") for d in DTYPES),
    case("Unique", np.array(["b", "a", "b", ""]), out_idx="int64"),
    case("Unique", cast("bool", [True, False, True])),
    case("Unique", f32([NAN, 0.0, -0.0, NAN, 1])),
    case("Unique", i32([])),
    case("Unique", i32([[1]]), error="INVALID_ARGUMENT: 'x' must be of rank"),
    case("UniqueV2", i32(REPEATED), NONE),
    case("UniqueV2", i32(REPEATED), i32([0]), out_idx="int64"),
    case("UniqueV2", i32(ROWS), i32([1])),
    case("UniqueV2", i32(ROWS), i32([-1])),
    case("UniqueV2", i32(ROWS), NONE, error="INVALID_ARGUMENT: must be a vector"),
    case("UniqueV2", i32(ROWS), i32([2]), error="INVALID_ARGUMENT: is out of range for rank"),
    case("UniqueV2", i32(ROWS), i32([0, 1]), error="INVALID_ARGUMENT: axis must have one element"),
    case("UniqueV2", f32([[NAN, 0], [0, -0.0], [NAN, 0], [-0.0, 0]]), i32([0])),
    case("UniqueV2", np.array([["a", "b"], ["c", ""], ["a", "b"]]), i32([0])),
    case("UniqueV2", np.zeros((3, 0), np.int32), i32([1])),
    case("UniqueV2", i32([[[1, 1], [2, 2]], [[1, 1], [2, 2]]]), i64([1])),
    case("UniqueWithCounts", i64(REPEATED), out_idx="int64"),
    case("UniqueWithCountsV2", np.array(["x", "y", "x"]), NONE),
    *(case("ListDiff", cast(d, REPEATED), cast(d, [1, 0])) for d in DTYPES),
    case("ListDiff", np.array(["a", "b", "c", "a"]), np.array(["b"]), out_idx="int64"),
    case("ListDiff", i32([]), i32([1])),
    case("ListDiff", f32([NAN, 1]), f32([NAN])),
    case("ListDiff", i32([[1]]), i32([1]), error="INVALID_ARGUMENT: 'x' must be of rank"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
