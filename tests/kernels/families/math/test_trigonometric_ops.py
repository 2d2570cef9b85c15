"""Trigonometric and hyperbolic functions."""

from __future__ import annotations

import numpy as np

from ...harness import Case, case, cast, f32, f64, table_tests

INF, NAN = np.inf, np.nan
SPECIAL = [NAN, INF, -INF, 0.0, -0.0, 1.5, -2.5, 1e-3, 0.5, 1, -1, 7]
ALL = ("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh")

CASES: list[Case] = [
    *(case(name, f32(SPECIAL), grad=True) for name in ALL),
    *(case(name, f64([SPECIAL]), grad=True) for name in ALL),
    *(case(name, f32(0.5), grad=True) for name in ALL),
    *(case(name, f32([])) for name in ALL),
    *(case(name, cast("half", SPECIAL)) for name in ALL),
    *(case(name, cast("bfloat16", SPECIAL)) for name in ALL),
    *(case(name, cast("complex128", [1 + 2j, -0.5 + 0.5j, 0.5j, -1 - 1j]), grad=True) for name in ALL),
    case("Atan2", f32([0, -0.0, 0, -0.0, NAN, 1, -1, INF]), f32([-1, -1, 1, 1, 1, 0, 0, -INF]), grad=True),
    case("Atan2", f64([[1], [-2]]), f64([3, -4, 0.5]), grad=True),
    case("Atan2", f32(1), f32(2), grad=True),
    case("Atan2", cast("half", [1, 2]), cast("half", [3, -4])),
    case("Atan2", cast("bfloat16", [1, 2]), cast("bfloat16", [3, -4])),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
