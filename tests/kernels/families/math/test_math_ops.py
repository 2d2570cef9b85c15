"""Sums, differences, products."""

from __future__ import annotations

import numpy as np

from ...harness import Case, case, cast, f32, f64, i32, i64, rand, table_tests

INF, NAN = np.inf, np.nan
ROW, COLUMN = f32([[1, -2, 3]]), f32([[0.5], [4]])

CASES: list[Case] = [
    *(
        case(name, cast(dtype, [[1, 2, 3], [4, 5, 6]]), cast(dtype, [3, 2, 1]))
        for name in ("AddV2", "Add", "Sub", "Mul")
        for dtype in ("half", "bfloat16", "double", "uint8", "int8", "int16", "int64", "complex64")
    ),
    *(
        case(name, ROW, COLUMN, grad=True)
        for name in ("AddV2", "Add", "Sub", "Mul", "SquaredDifference", "MulNoNan")
    ),
    *(case(name, f32(2), f32(3), grad=True) for name in ("AddV2", "Add", "Sub", "Mul", "SquaredDifference")),
    *(case(name, f32([]), f32([1]), grad=True) for name in ("AddV2", "Sub", "Mul", "MulNoNan")),
    *(
        case(name, f32([1, 2]), f32([1, 2, 3]), error="INVALID_ARGUMENT: Dimensions must be equal")
        for name in ("AddV2", "Sub", "Mul", "SquaredDifference")
    ),
    *(
        case(name, cast("complex128", [1 + 2j, 3j]), cast("complex128", [[2 - 1j], [0]]), grad=True)
        for name in ("AddV2", "Sub", "Mul", "SquaredDifference", "MulNoNan")
    ),
    case("AddV2", cast("uint8", [250]), cast("uint8", [10])),
    case("Mul", i32([2**30]), i32([4])),
    case("Sub", cast("uint64", 1), cast("uint64", 2)),
    case("AddV2", cast("uint32", [7]), cast("uint32", [1])),
    case("Add", np.array(["a", "b", ""]), "cd"),
    case("Add", "a", "b"),
    case("Add", np.array([["a"]]), np.array(["b", "c"])),
    case("MulNoNan", f32([NAN, INF, 1, 0]), f32([0, 0, NAN, 3]), grad=True),
    case("MulNoNan", cast("bfloat16", [NAN, 2]), cast("bfloat16", [0, 3])),
    case("SquaredDifference", i32([1, -5]), i32([[3], [7]])),
    case("SquaredDifference", cast("half", [300, 1]), cast("half", [1, 2])),
    case("NextAfter", f32([1, -1, 0, INF, 3]), f32([2, 2, 1, 0, 3]), tol=0, grad=True),
    case("NextAfter", f64([[1], [2]]), f64([0, NAN]), tol=0, grad=True),
    case("AddN", [f32([1, 2])], grad=True),
    case("AddN", [rand(2, 3), rand(2, 3, seed=1), rand(2, 3, seed=2)], grad=True),
    case("AddN", [f32(1), f32(2), f32(3), f32(4)], grad=True),
    case("AddN", [cast("bfloat16", [1, 2]), cast("bfloat16", [3, 4]), cast("bfloat16", [5, 6])]),
    case("AddN", [cast("complex64", [1j]), cast("complex64", [2])]),
    case("AddN", [i64([1]), i64([2]), i64([3])]),
    case("AddN", [f32([]), f32([])]),
    case("AddN", [f32([1]), f32([1, 2])], error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("AccumulateNV2", [f32([1, 2])], shape=[2], grad=True),
    case("AccumulateNV2", [rand(2, 3), rand(2, 3, seed=1), rand(2, 3, seed=2)], shape=[2, 3], grad=True),
    case("AccumulateNV2", [i64([1]), i64([2])], shape=[1]),
    case("Cross", f32([1, 2, 3]), f32([4, -5, 6]), grad=True),
    case("Cross", rand(2, 2, 3), rand(2, 2, 3, seed=1), grad=True),
    case("Cross", cast("uint8", [1, 2, 3]), cast("uint8", [9, 8, 7])),
    case("Cross", cast("half", [1, 2, 3]), cast("half", [4, 5, 7])),
    case("Cross", rand(0, 3), rand(0, 3)),
    case("Cross", f32([1, 2]), f32([1, 2]), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("Cross", f32(1), f32(1), error="INVALID_ARGUMENT: 'a' must be of rank"),
    case("Cross", rand(2, 3), rand(3), error="INVALID_ARGUMENT: must be equal rank"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
