"""The gamma function's family."""

from __future__ import annotations

import numpy as np

from ...harness import Case, case, cast, f32, f64, rand, table_tests

INF, NAN = np.inf, np.nan
X = [0.5, 1, 1.5, 2, 10, -0.5, -1.5, 0.01, 100, NAN]
A = rand(4, 5, low=0.1, high=12, dtype="double")
B = rand(4, 5, seed=1, low=0.1, high=12, dtype="double")
ONE = rand(4, 5, seed=2, low=0, high=1, dtype="double")

CASES: list[Case] = [
    *(case(name, f64(X), tol=1e-11, grad=True) for name in ("Lgamma", "Digamma")),
    *(case(name, f32(X), tol=1e-5, grad=True) for name in ("Lgamma", "Digamma")),
    *(case(name, f64([0, -1, -2]), tol=1e-11) for name in ("Lgamma", "Digamma")),
    *(case(name, f32(1.5), tol=1e-5, grad=True) for name in ("Lgamma", "Digamma")),
    *(case(name, cast("half", [0.5, 3]), tol=4e-3) for name in ("Lgamma", "Digamma")),
    case("Polygamma", f64([0, 1, 2, 3, 1, 0, 5]), f64([1, 1, 2, 0.5, -0.5, -1.5, 8]), tol=1e-11, grad=True),
    case("Polygamma", f64([-1, 0.5, 1, 1, NAN, 0]), f64([1, 1, 0, -1, 1, 0]), tol=1e-11),
    case("Polygamma", f32([[1], [2]]), f32([1, 2, 3]), tol=1e-5, grad=True),
    case("Polygamma", f32(1), f32(2), tol=1e-5),
    case("Zeta", f64([2, 2, 3.5, 1.5]), f64([1, 2, 0.5, 30]), tol=1e-11, grad=True),
    case("Zeta", f64([1, 0.5, 2, 2, 2, 3, 2.5, 3]), f64([1, 1, 0, -1, -0.5, -0.5, -0.5, -1]), tol=1e-11),
    case("Zeta", f32([[2], [3]]), f32([1, 2, 3]), tol=1e-5, grad=True),
    *(case(name, A, B, tol=1e-9, grad=True) for name in ("Igamma", "Igammac")),
    *(case(name, A[0], f64(3), tol=1e-9, grad=True) for name in ("Igamma", "Igammac")),
    *(case(name, f32([[0.5], [4]]), f32([0.1, 1, 9]), tol=3e-5, grad=True) for name in ("Igamma", "Igammac")),
    *(
        case(name, f64([0, 1, -1, 1, 1, 1, 0]), f64([1, 0, 1, -1, INF, NAN, 0]))
        for name in ("Igamma", "Igammac", "IgammaGradA")
    ),
    case("IgammaGradA", A, B, tol=1e-8),
    case("IgammaGradA", f64([0.01, 50, 50, 1000, 200]), f64([1, 40, 60, 1010, 150]), tol=1e-7),
    case("IgammaGradA", f32([0.5, 10]), f32([[1], [5]]), tol=1e-4),
    case("IgammaGradA", f32(2), f32(1), tol=1e-4),
    case("Betainc", A, B, ONE, tol=1e-9, grad=True),
    case("Betainc", f32([1, 2]), f32(2), f32(0.25), tol=3e-5),
    case("Betainc", f32(1), f32(2), f32([0.25, 0.5]), tol=3e-5, grad=True),
    case("Betainc", f32([1, 2]), f32([2, 1]), f32(0.25), tol=3e-5, grad=True),
    case("Betainc", f32(1), f32(2), f32(0.25), tol=3e-5, grad=True),
    case(
        "Betainc", f64([1, 0, 1, -1, 1, 2, 2]), f64([1, 1, 1, 1, -1, 2, 2]), f64([2, 0.5, -1, 0.5, 0.5, 0, 1])
    ),
    case("Betainc", f32([1, 2]), f32([2]), f32(0.25), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("Betainc", f32([[1, 2]]), f32([2, 2]), f32(0.25), error="INVALID_ARGUMENT: must be equal rank"),
    case("Betainc", f32([]), f32([]), f32([])),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
