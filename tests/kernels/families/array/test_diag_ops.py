"""Tensors with a diagonal."""

from __future__ import annotations

from ...harness import case, f32, i32, rand, table_tests

CASES = [
    case("Diag", rand(3), grad=True),
    case("Diag", rand(2, 3), grad=True),
    case("Diag", rand(0)),
    case("Diag", i32([1, 2])),
    case("Diag", f32(3), error="INVALID_ARGUMENT: 'diagonal' must be of rank"),
    case("DiagPart", rand(3, 3), grad=True),
    case("DiagPart", rand(2, 3, 2, 3), grad=True),
    case("DiagPart", rand(2, 3), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("DiagPart", rand(2, 2, 2), error="INVALID_ARGUMENT: has no diagonal"),
    case("DiagPart", f32(3), error="INVALID_ARGUMENT: has no diagonal"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
