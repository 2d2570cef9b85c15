"""Comparisons and logic."""

from __future__ import annotations

import numpy as np

from ...harness import Case, case, cast, f32, i32, table_tests

INF, NAN = np.inf, np.nan
ORDER = ("Less", "LessEqual", "Greater", "GreaterEqual")
EQUALITY = ("Equal", "NotEqual")
REAL = (
    "half",
    "bfloat16",
    "float",
    "double",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
)
T, F = True, False

CASES: list[Case] = [
    *(case(name, cast(t, [1, 2, 3]), cast(t, [[2], [3]])) for name in (*ORDER, *EQUALITY) for t in REAL),
    *(case(name, f32([NAN, INF, 0.0, NAN]), f32([NAN, INF, -0.0, 1])) for name in (*ORDER, *EQUALITY)),
    *(case(name, f32(1), f32(2)) for name in (*ORDER, *EQUALITY)),
    *(case(name, f32([]), f32([2])) for name in (*ORDER, *EQUALITY)),
    *(
        case(name, f32([1, 2]), f32([1, 2, 3]), error="INVALID_ARGUMENT: Dimensions must be equal")
        for name in (*ORDER, *EQUALITY)
    ),
    *(case(name, f32([1, 2]), f32([1, 2, 3]), incompatible_shape_error=False) for name in EQUALITY),
    *(case(name, f32([1, 2]), f32([[1], [3]]), incompatible_shape_error=False) for name in EQUALITY),
    *(case(name, np.array(["a", "b"]), np.array(["b", "b"])) for name in EQUALITY),
    *(case(name, "a", "a") for name in EQUALITY),
    *(case(name, np.array([T, F]), np.array([[T], [F]])) for name in (*EQUALITY, "LogicalAnd", "LogicalOr")),
    *(case(name, np.array(T), np.array(F)) for name in (*EQUALITY, "LogicalAnd", "LogicalOr")),
    *(case(name, cast("complex64", [1j, 2]), cast("complex64", [1j, 1j])) for name in EQUALITY),
    case("LogicalNot", np.array([T, F])),
    case("LogicalNot", np.array(T)),
    *(
        case(name, cast(t, [NAN, INF, -INF, 0, 1]))
        for name in ("IsNan", "IsInf", "IsFinite")
        for t in ("half", "bfloat16", "float", "double")
    ),
    *(case(name, f32(NAN)) for name in ("IsNan", "IsInf", "IsFinite")),
    case("ApproximateEqual", f32([1, 2, NAN]), f32([1.000001, 2.1, NAN])),
    case("ApproximateEqual", cast("double", [1, 2]), cast("double", [1.05, 2.2]), tolerance=0.1),
    case("ApproximateEqual", f32(1), f32(1)),
    case("ApproximateEqual", f32([1, 2]), f32(1), error="INVALID_ARGUMENT: must be equal rank"),
    case("Less", i32(1), i32([])),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
