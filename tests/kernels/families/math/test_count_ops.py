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
        case("Bincount", i32(arr), i32(size), f32(weights))
        for arr, size, weights in (([1, -2], 4, []), ([1, 2], -1, []), ([1, 2], 4, [1]), ([1, 2], [4], []))
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
    case("DenseBincount", i32([[1, 2], [-3, 3]]), i32(5), NONE),
    case("DenseBincount", i32([[[1]]]), i32(5), NONE),
    case("DenseBincount", i32([1, 2]), i32(5), f32([1])),
    case("DenseBincount", i32([1, 2]), i32(-5), NONE),
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
    case("RaggedBincount", i64([0, 2]), i32([1, 1, 3]), i32(4), NONE),
    *(
        case("HistogramFixedWidth", f32(values), f32(limits), i32(bins))
        for values, limits, bins in (
            ([-1, 0, 1.5, 2, 5, 15], [0, 5], 5),
            ([-1, 0], [5, 5], 5),
            ([-1, 0], [5, 0], 5),
            ([np.nan, 1], [0, 5], 5),
            ([np.inf, -np.inf], [0, 5], 5),
            ([[1, 2], [3, 4]], [0, 5], 5),
            ([1], [0, 5], 0),
            ([1], [0, 5, 3], 2),
            ([1], [0, 5], [2]),
            (1, [0, 5], 3),
            ([], [0, 5], 3),
        )
    ),
    *(
        case("HistogramFixedWidth", make([-1, 0, 1, 2, 3, 4, 5, 6, 7]), make([0, 7]), i32(3), dtype="int64")
        for make in (i32, i64, f64)
    ),
]

test_values, test_shapes, test_gradients = table_tests(CASES)
