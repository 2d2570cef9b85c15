"""Exponentials and logarithms, powers, sigmoid and tanh."""

from __future__ import annotations

import numpy as np
import pytest

from tests import reference

from ...harness import Case, assert_same, case, cast, f32, f64, graph_of, i32, i64, rand, run_tfg, table_tests

INF, NAN = np.inf, np.nan
SPECIAL = [NAN, INF, -INF, 0.0, -0.0, 1.5, -2.5, 1e-3, 16, -80, 20, -20]
ALL = ("Exp", "Expm1", "Log", "Log1p", "Tanh", "Sigmoid")
BY_X = ("Xlogy", "Xlog1py", "Xdivy")

CASES: list[Case] = [
    *(case(name, f32(SPECIAL), grad=True) for name in ALL),
    *(case(name, f64([SPECIAL]), grad=True) for name in ALL),
    *(case(name, f32(0.5), grad=True) for name in ALL),
    *(case(name, f32([]), grad=True) for name in ALL),
    *(case(name, cast("half", SPECIAL)) for name in ALL),
    *(case(name, cast("bfloat16", SPECIAL)) for name in ALL),
    *(case(name, cast("complex128", [1 + 2j, -0.5, 0.5j, -1 - 1j]), grad=True) for name in ALL),
    *(
        case(name, cast(dtype, [0.5, -0.25, 0]), cast(dtype, [1, -1, 3]), grad=True)
        for name in ("TanhGrad", "SigmoidGrad")
        for dtype in ("float", "double", "complex64")
    ),
    *(
        case(name, cast(dtype, [0.5, -0.25, 0]), cast(dtype, [1, -1, 3]))
        for name in ("TanhGrad", "SigmoidGrad")
        for dtype in ("half", "bfloat16")
    ),
    *(case(name, f32(0.5), f32(2), grad=True) for name in ("TanhGrad", "SigmoidGrad")),
    case("Pow", f32([-8, 0, 0, -2, -2, INF, 1, 2]), f32([1 / 3, 0, -1, 2, -3, 0, NAN, 0.5]), grad=True),
    case("Pow", f64([[2], [3], [0]]), f64([0, 1, 2.5]), grad=True),
    case("Pow", f32(2), f32(3), grad=True),
    case("Pow", f32([1, -2, 0]), f32(2), grad=True),
    case("Pow", f32([1, -2, 0]), f32(3), grad=True),
    case("Pow", rand(2, 3), f32([[[2]]])),
    case("Pow", f32([]), f32([1]), grad=True),
    case("Pow", cast("half", [1, 2, 3]), cast("half", [3, 2, -1])),
    case("Pow", cast("bfloat16", [1, 2, 3]), cast("bfloat16", [3])),
    case("Pow", cast("complex64", [1 + 1j, 2, 1j]), cast("complex64", [2, 0.5j, -1]), grad=True),
    case("Pow", i32([2, 1, -1, 0, 3, 7]), i32([3, 0, 5, 0, 40, 2])),
    case("Pow", i64([[2], [-3]]), i64([0, 62])),
    case("Pow", cast("int8", [2, 3]), cast("int8", [7, 5])),
    case("Pow", cast("int16", 5), cast("int16", 3)),
    case("Pow", i32([2, 2]), i32([1, -1]), error="INVALID_ARGUMENT: integer cannot"),
    case("Pow", i32([]), i32([-1])),
    case("Pow", f32([1, 2]), f32([1, 2, 3]), error="INVALID_ARGUMENT: Dimensions must be equal"),
    *(case(name, f32([0, 0, 0, 2, -1, NAN]), f32([NAN, 0, -1, 3, 0.5, 0]), grad=True) for name in BY_X),
    *(case(name, f64([[0], [2.5]]), f64([1, 2, 0.25]), grad=True) for name in BY_X),
    *(case(name, f32(0), f32(0), grad=True) for name in BY_X),
    *(case(name, cast("half", [0, 2]), cast("half", [0, 3])) for name in BY_X),
    *(case(name, cast("bfloat16", [0, 2]), cast("bfloat16", [0, 3])) for name in BY_X),
    *(
        case(name, cast("complex64", [0, 2 + 1j]), cast("complex64", [1j, 3 - 2j]), grad=True)
        for name in BY_X
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["float", "half", "int8", "complex64"])
def test_constant_exponents(exponent: int, dtype: str) -> None:
    """Squares and cubes are products, and the same."""
    row = case("Pow", cast(dtype, [[1, -2], [0, 3]]), cast(dtype, exponent))
    graph, outputs, _ = graph_of(row, constants=True)
    assert_same(reference.run(graph, outputs, {})[0], run_tfg(row)[0], 1e-6, str(row))
