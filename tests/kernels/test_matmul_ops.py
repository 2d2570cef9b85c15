"""Matrix products."""

from __future__ import annotations

from .harness import case, f32, rand, table_tests

CASES = [
    case("MatMul", rand(2, 3), rand(3, 4), grad=True),
    case("MatMul", rand(3, 2), rand(3, 4), transpose_a=True, grad=True),
    case("MatMul", rand(2, 3), rand(4, 3), transpose_b=True, grad=True),
    case("MatMul", rand(3, 2), rand(4, 3), transpose_a=True, transpose_b=True, grad=True),
    case("MatMul", rand(0, 3), rand(3, 4)),
    case("MatMul", rand(2, 3), rand(4, 3)),
    case("MatMul", f32(3), rand(4, 3)),
]

test_values, test_shapes, test_gradients = table_tests(CASES)
