from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import case, f32, rand, table_tests


def complex_rand(*shape: int) -> Any:
    return (rand(*shape) + 1j * rand(*shape)[::-1]).astype(np.complex64)


CASES = [
    case("TridiagonalMatMul", rand(1, 4), rand(1, 4), rand(1, 4), rand(4, 3), grad=True),
    case("TridiagonalMatMul", rand(2, 1, 3), rand(2, 1, 3), rand(2, 1, 3), rand(2, 3, 1)),
    case("TridiagonalMatMul", complex_rand(1, 3), complex_rand(1, 3), complex_rand(1, 3), complex_rand(3, 2)),
    case("TridiagonalMatMul", rand(1, 1), rand(1, 1), rand(1, 1), rand(1, 2)),
    case("TridiagonalSolve", rand(3, 5, low=1, high=2), rand(5, 2), grad=True, tol=1e-4),
    case("TridiagonalSolve", f32([[1, 1, 1, 0], [0, 2, 0, 3], [0, 4, 5, 6]]), rand(4, 1), tol=1e-4),
    case("TridiagonalSolve", rand(2, 3, 4, low=1, high=2), rand(2, 4, 3), tol=1e-4),
    case("TridiagonalSolve", rand(3, 5, low=1, high=2).astype(np.float64), rand(5, 2).astype(np.float64)),
    case("TridiagonalSolve", complex_rand(3, 4) + 2, complex_rand(4, 2), tol=1e-4),
    case("TridiagonalSolve", rand(3, 4, low=1, high=2), rand(4, 2), partial_pivoting=False, tol=1e-4),
    case("TridiagonalSolve", f32(np.zeros((3, 0))), f32(np.zeros((0, 2)))),
    case("TridiagonalSolve", f32([[1], [2], [3]]), f32([[4]])),
]

CASES += [
    case("TridiagonalSolve", f32([[0, 0], [0, 0], [0, 0]]), rand(2, 1)),
    case("TridiagonalSolve", f32([[[1, 0], [1, 1], [0, 1]], [[0, 0], [1, 2], [0, 0]]]), rand(2, 2, 1)),
]

ERRORS = [
    case("TridiagonalSolve", rand(2, 4), rand(4, 1), error="INVALID_ARGUMENT: 3, m"),
    case("TridiagonalSolve", rand(3, 4), rand(3, 1), error="INVALID_ARGUMENT: does not fit"),
    case(
        "TridiagonalMatMul",
        rand(1, 3),
        rand(1, 4),
        rand(1, 4),
        rand(4, 1),
        error="INVALID_ARGUMENT: superdiag",
    ),
]

CASES += ERRORS

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
