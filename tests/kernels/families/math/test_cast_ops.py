"""From one dtype to another."""

from __future__ import annotations

import numpy as np

from ...harness import Case, case, cast, f32, f64, i32, rand, table_tests

INF, NAN = np.inf, np.nan
NUMBERS = (
    "bool", "half", "bfloat16", "float", "double", "complex64", "complex128",
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
)  # fmt: skip
FLOATS = ("half", "bfloat16", "float", "double", "complex64", "complex128")
WIDE = [NAN, INF, -INF, 2147483648, 3e9, -3e9, 1e30, -1.9, 1.9, 0.4]

CASES: list[Case] = [
    *(case("Cast", cast(s, [0, 1, 3, 100, 1.75]), DstT=d) for s in NUMBERS for d in NUMBERS),
    *(case("Cast", cast(s, [1.5, 2]), DstT=d, grad=True) for s in FLOATS for d in FLOATS),
    *(case("Cast", cast(s, [300, -1, -129, 70000]), DstT=d) for s in ("int32", "int64") for d in NUMBERS[7:]),
    *(case("Cast", cast(s, WIDE), DstT=d) for s in ("float", "double") for d in ("int32", "int64", "bool")),
    *(case("Cast", cast("complex64", [1j, 1, 0]), DstT=d) for d in ("bool", "int32")),
    *(
        case("Cast", f32([1 / 3, -2 / 3, NAN, INF, 1e-7]), DstT=d, Truncate=True)
        for d in ("bfloat16", "half")
    ),
    *(
        case("Cast", f64([1 / 3, 2 / 3, NAN, 1e300]), DstT=d, Truncate=True)
        for d in ("float", "half", "bfloat16")
    ),
    *(case("Cast", f64([1 / 3, 65535, 1e300]), DstT=d) for d in ("float", "half", "bfloat16")),
    case("Cast", f32(2.5), DstT="int32"),
    case("Cast", f32([]), DstT="int32"),
    case("Cast", np.array(["a"]), DstT="string"),
    case("Cast", np.array(["1"]), DstT="float", error="UNIMPLEMENTED: string to float"),
    case("Cast", f32([1]), DstT="string", error="UNIMPLEMENTED: float to string"),
    case("Bitcast", rand(2, 3), type="int32"),
    case("Bitcast", rand(2, 3), type="uint8"),
    case("Bitcast", rand(2, 2), type="double"),
    case("Bitcast", rand(3, 2), type="complex64"),
    case("Bitcast", f32(1), type="int32"),
    case("Bitcast", f32(1), type="uint8"),
    case("Bitcast", cast("uint8", [1, 2, 3, 4]), type="float"),
    case("Bitcast", cast("bfloat16", [1, 2]), type="half"),
    case("Bitcast", cast("half", [[1, 2]]), type="float"),
    case("Bitcast", cast("complex128", [1j]), type="int64"),
    case("Bitcast", rand(0, 2), type="double"),
    case("Bitcast", i32([1, 2, 3]), type="double", error="INVALID_ARGUMENT: last dimension"),
    case("Bitcast", i32(1), type="double", error="INVALID_ARGUMENT: last dimension"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
