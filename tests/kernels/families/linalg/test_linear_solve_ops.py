"""Inverses, determinants, and solutions of linear equations."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import case, f32, f64, rand, table_tests


def regular(*shape: int, dtype: str = "double", seed: int = 0) -> Any:
    """Random matrices far from singular."""
    values = rand(*shape, dtype="double", seed=seed)
    if dtype.startswith("complex"):
        values = values + 1j * rand(*shape, dtype="double", seed=seed + 1)
    eye = 3 * np.eye(*shape[-2:])
    return (values + eye).astype(rand(1, dtype=dtype).dtype)


def complex_sides(*shape: int) -> Any:
    return (rand(*shape, dtype="double") + 1j * rand(*shape, dtype="double", seed=4)).astype(np.complex128)


ALL = ("float", "double", "complex64", "complex128")
TOL = {"float": 2e-5, "complex64": 2e-5}
SQUARE = ("MatrixInverse", "MatrixDeterminant", "LogMatrixDeterminant")

CASES = [
    *(
        case(name, regular(3, 3, dtype=t), grad=t == "double", tol=TOL.get(t, 1e-10))
        for name in SQUARE
        for t in ALL
    ),
    *(case(name, regular(2, 2, 3, 3), grad=True, tol=1e-10) for name in SQUARE),
    *(case(name, rand(2, 3), error="INVALID_ARGUMENT: Dimensions must be equal") for name in SQUARE),
    *(case(name, rand(3), error="INVALID_ARGUMENT: 'input' must be of rank") for name in SQUARE),
    *(case(name, np.zeros(shape)) for name in SQUARE for shape in ((0, 0), (0, 2, 2), (2, 0, 0))),
    case("MatrixInverse", np.zeros((2, 2)), error="INVALID_ARGUMENT: not invertible"),
    *(case(name, np.zeros((2, 2))) for name in ("MatrixDeterminant", "LogMatrixDeterminant")),
    case("MatrixDeterminant", f64(-np.eye(3)), grad=True),
    case("LogMatrixDeterminant", f64(-np.eye(3)), grad=True),
    *(
        case("MatrixInverse", regular(3, 3, dtype=t), adjoint=True, grad=True, tol=1e-9)
        for t in ("double", "complex128")
    ),
    *(
        case(name, regular(3, 3, dtype=t), sides, adjoint=turned, grad=True, tol=1e-9)
        for name in ("MatrixSolve", "MatrixTriangularSolve")
        for turned in (False, True)
        for t, sides in (("double", rand(3, 2, dtype="double")), ("complex128", complex_sides(3, 2)))
    ),
    *(
        case(
            "MatrixTriangularSolve",
            regular(2, 3, 3),
            rand(2, 3, 2, dtype="double"),
            lower=lower,
            grad=True,
            tol=1e-9,
        )
        for lower in (False, True)
    ),
    case("MatrixTriangularSolve", regular(3, 3), rand(2, 3, 2, dtype="double"), grad=True, tol=1e-9),
    case("MatrixTriangularSolve", regular(2, 1, 3, 3), rand(4, 3, 2, dtype="double"), grad=True, tol=1e-9),
    case("MatrixTriangularSolve", f32([[0, 0], [1, 1]]), f32([[1], [1]])),
    *(
        case(name, a, b, error=f"INVALID_ARGUMENT: {words}")
        for name in ("MatrixSolve", "MatrixTriangularSolve")
        for a, b, words in (
            (rand(2, 3), rand(2, 3), "Dimensions must be equal"),
            (rand(3, 3), rand(2, 3), "Dimensions must be equal"),
            (rand(3, 3), rand(3), "'rhs' must be of rank"),
        )
    ),
    *(
        case(name, a, b)
        for name in ("MatrixSolve", "MatrixTriangularSolve")
        for a, b in (
            (np.zeros((0, 0)), np.zeros((0, 3))),
            (np.eye(2), np.zeros((2, 0))),
            (np.zeros((0, 2, 2)), np.zeros((0, 2, 3))),
        )
    ),
    case("MatrixSolve", np.zeros((2, 2)), np.eye(2), error="INVALID_ARGUMENT: not invertible"),
    case("MatrixSolve", regular(2, 3, 3), rand(2, 3, 2, dtype="double"), grad=True, tol=1e-9),
    case(
        "MatrixSolve",
        regular(2, 3, 3),
        rand(3, 2, dtype="double"),
        error="INVALID_ARGUMENT: must be equal rank",
    ),
    *(
        case(
            "MatrixSolveLs",
            regular(*shape),
            rand(*shape[:-1], 2, dtype="double"),
            f64(l2),
            grad=True,
            tol=1e-8,
        )
        for shape in ((3, 3), (4, 3), (3, 4), (2, 4, 3))
        for l2 in (0.0, 0.5)
    ),
    *(
        case(
            "MatrixSolveLs", regular(*shape), rand(shape[0], 2, dtype="double"), f64(0), fast=False, tol=1e-8
        )
        for shape in ((4, 3), (3, 4))
    ),
    case("MatrixSolveLs", complex_sides(4, 3), complex_sides(4, 2), f64(0.5), tol=1e-8),
    case("MatrixSolveLs", np.zeros((2, 2)), np.eye(2), f64(0), error="INVALID_ARGUMENT: rank deficient"),
    case("MatrixSolveLs", np.zeros((2, 2)), np.eye(2), f64(0), fast=False),
    case(
        "MatrixSolveLs",
        np.eye(2),
        np.eye(2),
        f64(-1),
        error="INVALID_ARGUMENT: l2_regularizer must not be negative",
    ),
    case(
        "MatrixSolveLs",
        np.eye(2),
        rand(3, 2, dtype="double"),
        f64(0),
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
