"""Complex numbers and their parts."""

from __future__ import annotations

import numpy as np

from ...harness import Case, case, cast, f32, f64, table_tests

INF, NAN = np.inf, np.nan
C64, C128 = cast("complex64", [1 + 2j, -3, -0.5j, 0]), cast("complex128", [[3 + 4j], [-1 - 1j]])
PARTS = ("Real", "Imag", "Angle", "ComplexAbs")

CASES: list[Case] = [
    *(case(name, C64, Tout="float") for name in ("Real", "Imag", "Angle")),
    *(case(name, C64[:3], Tout="float", grad=True) for name in PARTS),
    *(case(name, C128, Tout="double", grad=True) for name in PARTS),
    *(case(name, C64[0], Tout="float", grad=True) for name in PARTS),
    *(case(name, C64[:0], Tout="float") for name in PARTS),
    case("ComplexAbs", C64, Tout="float", grad=True),
    case("ComplexAbs", cast("complex64", [complex(INF, NAN), complex(NAN, 0)]), Tout="float"),
    case("Conj", C64, grad=True),
    case("Conj", C128[0, 0], grad=True),
    case("Complex", f32([1, 2]), f32([[3], [4]]), Tout="complex64", grad=True),
    case("Complex", f64([1, 2]), f64(-3), Tout="complex128", grad=True),
    case("Complex", f32(1), f32(INF), Tout="complex64", grad=True),
    case("Complex", f32([]), f32([1]), Tout="complex64"),
    case(
        "Complex",
        f32([1, 2]),
        f32([1, 2, 3]),
        Tout="complex64",
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
