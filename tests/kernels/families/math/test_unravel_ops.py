from __future__ import annotations

from ...harness import case, i32, i64, table_tests

CASES = [
    case("UnravelIndex", i32([22, 41, 37]), i32([7, 6])),
    case("UnravelIndex", i32(1621), i32([6, 7, 8, 9])),
    case("UnravelIndex", i64([0, 5]), i64([6])),
    case("UnravelIndex", i32([-1, 5]), i32([2, 3])),
    case("UnravelIndex", i32([2, 3]), i32([0, 3]), error="INVALID_ARGUMENT: dim of zero"),
    case("UnravelIndex", i32([6]), i32([2, 3]), error="INVALID_ARGUMENT: out of bound"),
    case("UnravelIndex", i32([]), i32([2, 3]), error="INVALID_ARGUMENT: empty"),
    case("UnravelIndex", i32([[1]]), i32([2, 3]), error="INVALID_ARGUMENT: scalar or 1-D"),
    case("UnravelIndex", i32([1]), i32(2), error="INVALID_ARGUMENT: rank"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
