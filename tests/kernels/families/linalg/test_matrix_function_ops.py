"""Square roots and logarithms of matrices, and equations of banded triangular matrices."""

from __future__ import annotations

import numpy as np

from ...harness import case, rand, table_tests
from .test_factorization_ops import positive
from .test_linear_solve_ops import complex_sides

BANDS = rand(2, 4, dtype="double", low=1, high=2)
BOTH = (False, True)

CASES = [
    case("MatrixSquareRoot", positive(3, 3), grad=True, tol=1e-8),
    case("MatrixSquareRoot", positive(2, 3, 3), grad=True, tol=1e-8),
    case("MatrixSquareRoot", positive(3, 3, dtype="complex128"), tol=1e-8),
    case("MatrixSquareRoot", positive(2, 2, dtype="float"), tol=1e-4),
    case("MatrixLogarithm", positive(3, 3, dtype="complex128"), tol=1e-8),
    case("MatrixLogarithm", positive(2, 3, 3, dtype="complex64"), tol=1e-4),
    *(case(name, np.zeros((0, 0), np.complex64)) for name in ("MatrixSquareRoot", "MatrixLogarithm")),
    *(
        case(name, np.zeros((2, 3), np.complex64), error="INVALID_ARGUMENT: Dimensions must be equal")
        for name in ("MatrixSquareRoot", "MatrixLogarithm")
    ),
    *(
        case(
            "BandedTriangularSolve",
            bands,
            rand(4, 2, dtype="double"),
            lower=lower,
            adjoint=turned,
            grad=True,
            tol=1e-9,
        )
        for lower in BOTH
        for turned in BOTH
        for bands in (BANDS, rand(3, 4, dtype="double", low=1, high=2))
    ),
    *(
        case(
            "BandedTriangularSolve",
            complex_sides(2, 4),
            complex_sides(4, 2),
            lower=lower,
            adjoint=turned,
            tol=1e-9,
        )
        for lower in BOTH
        for turned in BOTH
    ),
    case("BandedTriangularSolve", BANDS[None], rand(3, 4, 2, dtype="double"), grad=True, tol=1e-9),
    case("BandedTriangularSolve", BANDS, rand(3, 4, 2, dtype="double"), grad=True, tol=1e-9),
    case(
        "BandedTriangularSolve",
        np.zeros((2, 4)),
        rand(4, 2, dtype="double"),
        error="INVALID_ARGUMENT: not invertible",
    ),
    case(
        "BandedTriangularSolve",
        BANDS,
        rand(3, 2, dtype="double"),
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
    case(
        "BandedTriangularSolve", BANDS[:0], rand(4, 2, dtype="double"), error="INVALID_ARGUMENT: do not fit"
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
