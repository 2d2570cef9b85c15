"""Counting: how often each number occurs, and how many values lie in each interval."""

from __future__ import annotations

import numpy as np

from ...harness import case, f32, f64, i32, i64, table_tests

NONE = f32([])

CASES = [
    *(
        case("Bincount", i32(arr), i32(size), np.asarray(weights, t))
        for t in (np.float32, np.float64, np.int32, np.int64)
        for arr, size, weights in (
            ([1, 2, 2, 5], 4, []),
            ([1, 2, 2, 5], 4, [5, 1, 2, 3]),
            ([[1, 2], [3, 3]], 5, []),
            ([], 3, []),
            ([1, 2], 0, []),
            (1, 3, []),
            (1, 3, 2),
        )
    ),
    *(
        case("Bincount", i32(arr), i32(size), f32(weights), error=f"INVALID_ARGUMENT: {words}")
        for arr, size, weights, words in (
            ([1, -2], 4, [], "values to count must not be negative"),
            ([1, 2], -1, [], "size must not be negative"),
            ([1, 2], 4, [1], "weights must be empty or as many"),
            ([1, 2], [4], [], "size must be a scalar"),
        )
    ),
    *(
        case("DenseBincount", make(arr), make(size), f32(weights), binary_output=binary)
        for make in (i32, i64)
        for binary in (False, True)
        for arr, size, weights in (
            ([1, 2, 2, 5], 4, []),
            ([1, 2, 2, 5], 4, [5, 1, 2, 3]),
            ([[1, 2], [3, 3]], 5, []),
            ([[1, 2], [7, 3]], 5, [[1, 2], [3, 4]]),
            ([], 3, []),
            (1, 3, []),
        )
    ),
    case(
        "DenseBincount",
        i32([[1, 2], [-3, 3]]),
        i32(5),
        NONE,
        error="INVALID_ARGUMENT: count must not be negative",
    ),
    case("DenseBincount", i32([[[1]]]), i32(5), NONE, error="INVALID_ARGUMENT: input must be of rank"),
    case("DenseBincount", i32([1, 2]), i32(5), f32([1]), error="INVALID_ARGUMENT: weights have shape"),
    case("DenseBincount", i32([1, 2]), i32(-5), NONE, error="INVALID_ARGUMENT: size must not be negative"),
    case("DenseBincount", i32([1, 2]), i32(5), np.array([2**53 + 1, 3])),
    *(
        case(
            "SparseBincount",
            i64([[0, 2], [1, 0], [1, 5]]),
            i32([1, 3, 3]),
            i64([2, 8]),
            i32(4),
            weights,
            binary_output=b,
        )
        for weights in (NONE, f32([1, 2, 3]))
        for b in (False, True)
    ),
    case("SparseBincount", i64([[0], [2]]), i32([1, 1]), i64([5]), i32(4), NONE),
    *(
        case("RaggedBincount", i64([0, 2, 2, 3]), i32([1, 1, 3]), i32(4), weights, binary_output=b)
        for weights in (NONE, f32([1, 2, 3]))
        for b in (False, True)
    ),
    case(
        "RaggedBincount",
        i64([0, 2]),
        i32([1, 1, 3]),
        i32(4),
        NONE,
        error="INVALID_ARGUMENT: splits must rise",
    ),
    *(
        case("HistogramFixedWidth", f32(values), f32(limits), i32(bins), error=error)
        for values, limits, bins, error in (
            ([-1, 0, 1.5, 2, 5, 15], [0, 5], 5, None),
            ([-1, 0], [5, 5], 5, "INVALID_ARGUMENT: value_range must rise"),
            ([-1, 0], [5, 0], 5, "INVALID_ARGUMENT: value_range must rise"),
            ([np.nan, 1], [0, 5], 5, "INVALID_ARGUMENT: must not contain NaN"),
            ([np.inf, -np.inf], [0, 5], 5, None),
            ([[1, 2], [3, 4]], [0, 5], 5, None),
            ([1], [0, 5], 0, "INVALID_ARGUMENT: nbins positive"),
            ([1], [0, 5, 3], 2, "INVALID_ARGUMENT: value_range must have two elements"),
            ([1], [0, 5], [2], "INVALID_ARGUMENT: nbins must be a scalar"),
            (1, [0, 5], 3, None),
            ([], [0, 5], 3, None),
        )
    ),
    *(
        case("HistogramFixedWidth", make([-1, 0, 1, 2, 3, 4, 5, 6, 7]), make([0, 7]), i32(3), dtype="int64")
        for make in (i32, i64, f64)
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
