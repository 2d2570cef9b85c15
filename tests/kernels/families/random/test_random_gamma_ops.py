"""Gamma and Poisson variables."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, f64, i32, i64, rand, table_tests

STREAM = (np.uint64([77]), np.uint64([5, 2**63]), i32(1))
ALPHAS = [0.0, 0.1, 0.5, 0.99, 1.0, 1.5, 30.0, 1e4]
RATES = [0.0, 0.3, 2.0, 9.9, 10.0, 11.0, 150.0, 1e6]
FLOATS = ("half", "float", "double")
NUMBERS = ("half", "float", "double", "int32", "int64")

CASES = [
    *(case("RandomGamma", i32([20]), cast(d, ALPHAS), seed=3, seed2=4) for d in FLOATS),
    case("RandomGamma", i64([2, 3]), rand(2, 1, low=0.1), seed=3, grad=True, tol=1e-4),
    case("RandomGamma", i32(np.zeros(0)), f32(2.5), seed=3, grad=True, tol=1e-4),
    case("RandomGamma", i32([5, 2]), f64(2.5), seed=3, grad=True, tol=1e-8),
    case("RandomGamma", i32([0]), f32([2.5]), seed=3),
    case("RandomGamma", i32([2]), f32([]), seed=3),
    case("RandomGamma", i32([-2]), f32([1]), seed=3,
         error="INVALID_ARGUMENT: shape must not have negative dimensions"),
    case("RandomGamma", i32([2]), f32([np.inf]), seed=3),
    *(case("StatelessRandomGammaV2", i32([20, 8]), i32([1, 2]), cast(d, ALPHAS)) for d in FLOATS),
    case("StatelessRandomGammaV2", i32([4, 2, 3]), i64([1, 2]), rand(2, 3, low=0.1), grad=True, tol=1e-4),
    case("StatelessRandomGammaV2", i32([2, 3]), i32([1, 2]), f32([1, 2]),
         error="INVALID_ARGUMENT: does not end with that of"),
    case("StatelessRandomGammaV2", i32([2, 3]), i32([1, 2]), f32([1]),
         error="INVALID_ARGUMENT: does not end with that of"),
    case("StatelessRandomGammaV2", i32([2, 0]), i32([1, 2]), f32([])),
    case("StatelessRandomGammaV2", i32([3]), i32([1, 2]), f32([[1, 2, 3]]),
         error="INVALID_ARGUMENT: does not end with that of"),
    case("StatelessRandomGammaV3", i32([4, 3]), *STREAM, rand(3, low=0.1), grad=True, tol=1e-4),
    *(case("RandomGammaGrad", cast(d, [0.1, 0.5, 1, 5, 50, 500, 0.3, 20]),
           cast(d, [0.2, 3, 1, 4, 60, 480, 1e-5, 5]), tol=t) for d, t in (("float", 1e-4), ("double", 1e-9))),
    case("RandomGammaGrad", f64([[2.0], [3.0]]), f64([0.5, 1.5, 0.0]), tol=1e-9),
    *(case("RandomPoissonV2", i32([30]), cast(d, RATES[:7]), seed=3, seed2=4, dtype=o)
      for d in FLOATS for o in NUMBERS),
    case("RandomPoissonV2", i32([30]), f32(RATES), seed=3, seed2=4, dtype="int64"),
    *(case("RandomPoissonV2", i64([4, 2]), cast(d, [3, 20]), seed=1, dtype="float")
      for d in ("int32", "int64")),
    case("RandomPoissonV2", i32([3]), f32([-1.0, np.inf]), seed=3, dtype="float"),
    case("RandomPoissonV2", i32([0]), f32([1.0]), seed=3),
    case("RandomPoissonV2", i32([2]), f32([]), seed=3),
    *(case("StatelessRandomPoisson", i32([30, 8]), i32([1, 2]), cast("float", RATES), dtype=o)
      for o in NUMBERS[1:]),
    case("StatelessRandomPoisson", i32([2, 3]), i32([1, 2]), f32([1, 2]), dtype="int32",
         error="INVALID_ARGUMENT: does not end with that of"),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
