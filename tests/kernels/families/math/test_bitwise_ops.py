"""Bits of integers."""

from __future__ import annotations

from ...harness import Case, case, cast, i32, table_tests

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
BINARY = ("BitwiseAnd", "BitwiseOr", "BitwiseXor", "LeftShift", "RightShift")

CASES: list[Case] = [
    *(case(name, cast(t, [0, 1, 100, 37]), cast(t, [[3], [1]])) for name in BINARY for t in INTEGERS),
    *(case(name, i32([-5, 7, -1, 1]), i32([1, -1, 40, 31])) for name in BINARY),
    *(case(name, cast("uint8", [255, 3]), cast("uint8", [200, 7])) for name in BINARY),
    *(case(name, i32(6), i32(3)) for name in BINARY),
    *(case(name, i32([]), i32([1])) for name in BINARY),
    *(
        case(name, cast(t, [[0, 1, 127], [-1, -128, 64]]))
        for name in ("Invert", "PopulationCount")
        for t in INTEGERS
    ),
    *(case(name, cast("uint64", 2**63 + 5)) for name in ("Invert", "PopulationCount")),
    *(case(name, i32([])) for name in ("Invert", "PopulationCount")),
    case("BitwiseAnd", i32([1, 2]), i32([1, 2, 3]), error="INVALID_ARGUMENT: Dimensions must be equal"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
