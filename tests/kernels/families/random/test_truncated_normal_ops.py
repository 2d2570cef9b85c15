"""Normal variables within bounds."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, f64, i32, i64, table_tests

INF = float("inf")
# Means, deviations and bounds for every kind of proposal: normal, flipped, uniform, exponential.
KINDS = [
    (0.0, 1.0, -2.0, 2.0), (1.0, 2.0, -INF, 1.5), (0.0, 1.0, 0.1, 0.2), (0.0, 1.0, 3.0, INF),
    (0.0, 1.0, -9.0, -4.0),
    (5.0, 0.5, -1.0, 4.9), (0.0, 1.0, -0.5, 0.4), (0.0, 1.0, 2.0, 2.3),
]  # fmt: skip
COLUMNS = list(zip(*KINDS))
FLOATS = ("float", "double")
STATELESS = "StatelessParameterizedTruncatedNormal"

CASES = [
    *(case("ParameterizedTruncatedNormal", i32([250]), *(cast(d, p) for p in kind), seed=3, seed2=5)
      for d in FLOATS for kind in KINDS),
    *(case("ParameterizedTruncatedNormal", i32([8, 30]), *(cast(d, c) for c in COLUMNS), seed=3)
      for d in FLOATS),
    case("ParameterizedTruncatedNormal", i32([2, 5]), f32([0, 1]), f32(1), f32([-1]), f32(1), seed=3),
    case("ParameterizedTruncatedNormal", i32([0]), f32(0), f32(1), f32(-1), f32(1), seed=3),
    case("ParameterizedTruncatedNormal", i32([4]), f32(0), f32(-1), f32(-1), f32(1), seed=3,
         error="INVALID_ARGUMENT: normal variable"),
    case("ParameterizedTruncatedNormal", i32([4]), f32(0), f32(1), f32(1), f32(1), seed=3,
         error="INVALID_ARGUMENT: normal variable"),
    case("ParameterizedTruncatedNormal", i32([4]), f32(0), f32(1), f32(-INF), f32(INF), seed=3,
         error="INVALID_ARGUMENT: between -inf"),
    case("ParameterizedTruncatedNormal", i32([4]), f32([0, 1]), f32(1), f32(-1), f32(1), seed=3,
         error="INVALID_ARGUMENT: means must be a scalar"),
    case("ParameterizedTruncatedNormal", i32([4]), f32([[0]]), f32(1), f32(-1), f32(1), seed=3,
         error="INVALID_ARGUMENT: parameter must be a scalar"),
    *(case(STATELESS, i32([20, 8]), i32([1, 2]), *(cast(d, c) for c in COLUMNS),
           grad=True, tol=t) for d, t in zip(FLOATS, (1e-4, 1e-9))),
    case(STATELESS, i64([3, 2, 2]), i64([1, 2]), f64([[0], [1]]), f64([1, 2]),
         f64(-1), f64([1.5]), grad=True, tol=1e-9),
    case(STATELESS, i32([2, 3]), i32([1, 2]), f32([0, 1]), f32(1), f32(-1), f32(1),
         error="INVALID_ARGUMENT: does not end with that of"),
    case(STATELESS, i32([2, 2]), i32([1, 2]), f32([0, 1]), f32(0), f32(-1), f32(1),
         error="INVALID_ARGUMENT: normal variable"),
    case(STATELESS, i32([0, 2]), i32([1, 2]), f32([0, 1]), f32(1), f32(-1), f32(1)),
    case(STATELESS, i32([2]), i32([1, 2]), f32([0, 1]), f32([1, 2, 3]), f32(-1),
         f32(np.ones(2)), error="INVALID_ARGUMENT: Dimensions must be equal"),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
