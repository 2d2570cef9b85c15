"""Running sums, products and log-sum-exps along an axis."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, i32, i64, rand, table_tests

MODES = [(exclusive, reverse) for exclusive in (False, True) for reverse in (False, True)]
SCANS = ("Cumsum", "Cumprod", "CumulativeLogsumexp")

CASES = [
    *(
        case(name, rand(2, 3, 4), i32(axis), exclusive=exclusive, reverse=reverse, grad=True, tol=1e-5)
        for name in SCANS
        for axis in (0, 1, -1)
        for exclusive, reverse in MODES
    ),
    *(
        case(name, rand(3, 4, dtype=t), i64(1), exclusive=exclusive, grad=True, tol=tol)
        for name in SCANS
        for t, tol in (("double", None), ("half", 1e-2), ("bfloat16", 6e-2))
        for exclusive in (False, True)
    ),
    *(
        case(name, cast(t, [[100, 3, 7], [0, 100, 2]]), i32(1), exclusive=True)
        for name in ("Cumsum", "Cumprod")
        for t in ("int8", "uint8", "int16", "int32", "int64", "uint64", "complex64", "complex128")
    ),
    *(case(name, f32([[0, 2, 3], [1, 0, 0]]), i32(1), grad=True) for name in ("Cumsum", "Cumprod")),
    *(case(name, rand(0, 2), i32(axis), grad=True) for name in SCANS for axis in (0, 1)),
    *(case(name, rand(1), i32(0), exclusive=True, grad=True) for name in SCANS),
    *(
        case(name, rand(2), i32(bad), error=f"INVALID_ARGUMENT: {words}")
        for name in SCANS
        for bad, words in ((1, "out of range for rank"), (-2, "out of range for rank"), ([0], "a scalar"))
    ),
    *(case(name, f32(2), i32(0), error="INVALID_ARGUMENT: is out of range for rank") for name in SCANS),
    case("CumulativeLogsumexp", f32([1, 2, -np.inf, 3]), i32(0), grad=True),
    case("CumulativeLogsumexp", f32([-np.inf, -np.inf, np.inf, 3]), i32(0), exclusive=True),
    case("CumulativeLogsumexp", f32([100, -100, 1000, 3]), i32(0), reverse=True),
    case("Cumsum", (rand(3) + 1j * rand(3, seed=1)).astype(np.complex64), i32(0), grad=True),
    case("Cumprod", (rand(3) + 1j * rand(3, seed=1)).astype(np.complex64), i32(0), grad=True),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
