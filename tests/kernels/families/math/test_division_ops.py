"""Quotients and remainders."""

from __future__ import annotations

import numpy as np

from ...harness import Case, case, cast, f32, f64, i32, table_tests

INF, NAN = np.inf, np.nan
X = [7, -7, 7, -7, 1, -1, INF, 1, 0, 1, -0.0, NAN, -8]
Y = [3, 3, -3, -3, INF, INF, 2, 0, 0, 0.1, 5, 1, 4]
FLOATING = ("Div", "RealDiv", "DivNoNan", "TruncateDiv", "FloorDiv", "FloorMod", "Mod", "TruncateMod")
INTEGRAL = ("Div", "TruncateDiv", "FloorDiv", "FloorMod")
GRADIENTS = ("Div", "RealDiv", "DivNoNan", "TruncateDiv", "FloorDiv", "FloorMod")

CASES: list[Case] = [
    *(case(name, f32(X), f32(Y), grad=name in GRADIENTS) for name in FLOATING),
    *(case(name, f64(X), f64(Y), grad=name in GRADIENTS) for name in FLOATING),
    *(case(name, f32([[1.5], [-2]]), f32([4, -0.75, 0.3]), grad=name in GRADIENTS) for name in FLOATING),
    *(case(name, f32(-7), f32(2), grad=name in GRADIENTS) for name in FLOATING),
    *(
        case(name, cast(dtype, X), cast(dtype, Y))
        for name in ("Div", "RealDiv", "DivNoNan", "FloorDiv", "FloorMod")
        for dtype in ("half", "bfloat16")
    ),
    *(
        case(name, cast("complex64", [1 + 2j, 3j]), cast("complex64", [[2 - 1j], [1j]]), grad=True)
        for name in ("Div", "RealDiv", "DivNoNan")
    ),
    case("DivNoNan", cast("complex64", [1, 2j]), cast("complex64", [0, 1j]), grad=True),
    *(
        case(name, cast(dtype, [7, -7, 7, -7, 0, 6]), cast(dtype, [3, 3, -3, -3, 5, 2]))
        for name in INTEGRAL
        for dtype in ("int8", "int16", "int32", "int64")
    ),
    *(
        case(name, cast(dtype, [250, 7, 0]), cast(dtype, [[3], [200]]))
        for name in INTEGRAL
        for dtype in ("uint8", "uint16", "uint32", "uint64")
    ),
    *(case(name, i32([-(2**31), 5]), i32(-1)) for name in (*INTEGRAL, "Mod", "TruncateMod")),
    *(case(name, i32([7, -7]), i32([[3], [-3]])) for name in ("Mod", "TruncateMod")),
    *(
        case(name, i32([1, 2]), i32([1, 0]), error=f"{status}: division by zero")
        for status, names in (
            ("INVALID_ARGUMENT", ("Div", "FloorDiv", "FloorMod", "Mod")),
            ("INTERNAL", ("TruncateDiv", "TruncateMod")),
        )
        for name in names
    ),
    *(case(name, i32(-7), i32(2)) for name in (*INTEGRAL, "Mod")),
    *(case(name, i32([]), i32([0])) for name in INTEGRAL),
    *(
        case(name, f32([1, 2]), f32([1, 2, 3]), error="INVALID_ARGUMENT: Dimensions must be equal")
        for name in FLOATING
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
