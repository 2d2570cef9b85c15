"""Signs, powers, roots and rounding."""

from __future__ import annotations

import numpy as np

from ...harness import Case, case, cast, f32, f64, i32, rand, table_tests

INF, NAN = np.inf, np.nan
SPECIAL = [NAN, INF, -INF, 0.0, -0.0, 1.5, 2.5, -2.5, 1e-3, 16]
ALL = ("Neg", "Abs", "Sign", "Square", "Sqrt", "Rsqrt", "Reciprocal", "Inv", "Ceil", "Floor", "Rint", "Round")
POWERS = ("Neg", "Sign", "Square", "Sqrt", "Rsqrt", "Reciprocal", "Inv")
SLOPES = ("SqrtGrad", "RsqrtGrad", "ReciprocalGrad", "InvGrad")

CASES: list[Case] = [
    *(case(name, f32(SPECIAL), grad=True) for name in ALL),
    *(case(name, f64([SPECIAL]), grad=True) for name in ALL),
    *(case(name, f32(2.5), grad=True) for name in ALL),
    *(case(name, f32([]), grad=True) for name in ALL),
    *(case(name, cast("half", SPECIAL)) for name in ALL if name != "Rint"),
    *(case(name, cast("bfloat16", SPECIAL)) for name in ALL if name != "Rint"),
    *(case(name, cast("complex64", [1 + 2j, -3, 0.5j, -1 - 1j]), grad=True) for name in POWERS),
    *(case(name, i32([-3, 0, 7, -(2**31)])) for name in ("Neg", "Abs", "Sign", "Square")),
    *(case(name, cast("int8", [-128, 5])) for name in ("Neg", "Abs", "Sign", "Square")),
    *(case("Square", cast(dtype, [3, 250])) for dtype in ("uint8", "uint16", "uint32", "uint64")),
    case("Sign", cast("complex128", [0, 3 + 4j])),
    *(case(name, f32([0.5, 2, 3]), f32([1, -1, 0]), grad=True) for name in SLOPES),
    *(case(name, f32(0.5), f32(3), grad=True) for name in SLOPES),
    *(case(name, f32([NAN, 0, INF, 0]), f32([0, 0, 0, 2])) for name in SLOPES),
    *(
        case(name, rand(3, dtype="complex128") + 1j, rand(3, seed=1, dtype="complex128") - 2j, grad=True)
        for name in SLOPES
    ),
    *(case(name, cast("half", [0.5, 2]), cast("half", [1, 3])) for name in SLOPES),
    *(case(name, cast("bfloat16", [0.5, 2]), cast("bfloat16", [1, 3])) for name in SLOPES),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
