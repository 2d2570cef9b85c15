"""Ranges of numbers."""

from __future__ import annotations

from ...harness import case, cast, f32, f64, i32, i64, table_tests

CASES = [
    case("Range", i32(0), i32(5), i32(1)),
    case("Range", i32(10), i32(0), i32(-3)),
    case("Range", i64(3), i64(3), i64(1)),
    case("Range", i64(-(2**62)), i64(2**62), i64(2**62)),
    case("Range", f32(0), f32(1), f32(0.1), tol=0),
    case("Range", f64(0), f64(-1), f64(-0.1), tol=0),
    case("Range", f32(0.3), f32(100), f32(0.7), tol=0),
    case("Range", cast("bfloat16", 0), cast("bfloat16", 5), cast("bfloat16", 0.5)),
    case("Range", i32(0), i32(5), i32(0), error="INVALID_ARGUMENT: range must not be 0"),
    case("Range", i32(5), i32(0), i32(1), error="INVALID_ARGUMENT: the range would not end"),
    case("Range", i32(0), i32(5), i32(-1), error="INVALID_ARGUMENT: the range would not end"),
    case("Range", i32([0]), i32(5), i32(1), error="INVALID_ARGUMENT: 'start' must be of rank"),
    case("Range", f32(0), f32(float("inf")), f32(1), error="INVALID_ARGUMENT: too many elements"),
    case("Range", f32(0), f32(float("nan")), f32(1), error="INVALID_ARGUMENT: too many elements"),
    case("LinSpace", f32(0), f32(1), i32(5)),
    case("LinSpace", f64(3), f64(-1), i64(4)),
    case("LinSpace", f32(3), f32(5), i32(1)),
    case("LinSpace", f32(3), f32(5), i32(2)),
    case("LinSpace", f32(3), f32(5), i32(0), error="INVALID_ARGUMENT: num must be positive"),
    case("LinSpace", f32(3), f32(5), i32(-1), error="INVALID_ARGUMENT: num must be positive"),
    case("LinSpace", f32([3]), f32(5), i32(3), error="INVALID_ARGUMENT: 'start' must be of rank"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
