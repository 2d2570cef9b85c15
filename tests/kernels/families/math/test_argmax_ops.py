"""Where along an axis the extremes are."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, i32, i64, rand, table_tests

NAN, INF = np.nan, np.inf
BOTH = ("ArgMax", "ArgMin")
TYPES = ("float", "double", "half", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "uint16", "bool")

CASES = [
    *(case(name, rand(2, 3, 4), i32(axis)) for name in BOTH for axis in (0, 1, 2, -1, -3)),
    *(case(name, cast(t, [[3, 1, 3, 1], [0, 5, 5, 0]]), i32(1)) for name in BOTH for t in TYPES),
    *(case(name, rand(5), i64(0), output_type=t) for name in BOTH for t in ("int32", "int64")),
    *(case("ArgMax", rand(5), i32(0), output_type=t) for t in ("int16", "uint16")),
    *(
        case(name, cast(t, row), i32(0))
        for name in BOTH
        for t in ("float", "half", "bfloat16")
        for row in (
            [1, NAN, 3],
            [NAN, 1, 2],
            [NAN, NAN],
            [3, NAN, 1],
            [NAN, INF],
            [-INF, -INF],
            [NAN, -INF, 1],
        )
    ),
    *(case(name, rand(*shape), i32(axis)) for name in BOTH for shape, axis in (((0, 2), 1), ((2, 0), 0))),
    *(
        case(name, rand(*shape), i32(axis), error="INVALID_ARGUMENT: is empty in shape")
        for name in BOTH
        for shape, axis in (((0, 2), 0), ((2, 0), 1))
    ),
    *(case(name, f32(1), i32(0), error="INVALID_ARGUMENT: of rank 1 or more") for name in BOTH),
    *(
        case(name, rand(2, 3), i32(bad), error=f"INVALID_ARGUMENT: {words}")
        for name in BOTH
        for bad, words in ((2, "out of range for rank"), (-3, "out of range for rank"), ([0], "a scalar"))
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
