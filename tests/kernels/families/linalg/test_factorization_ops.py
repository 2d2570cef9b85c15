"""Cholesky, QR and LU factorizations."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import case, f32, f64, rand, run_tfg, table_tests
from .test_linear_solve_ops import ALL, TOL, complex_sides, regular


def positive(*shape: int, dtype: str = "double") -> Any:
    x = regular(*shape, dtype=dtype)
    # Rounded, and with zeros of one sign, so that a row is the same whatever order BLAS adds in.
    return np.round(x @ x.swapaxes(-1, -2).conj(), 3) + x.dtype.type(0)


CASES = [
    *(case("Cholesky", positive(3, 3, dtype=t), grad=True, tol=TOL.get(t, 1e-9)) for t in ALL),
    case("Cholesky", positive(2, 2, 3, 3), grad=True, tol=1e-9),
    case("CholeskyGrad", f32([[2, 0], [1, 3]]), f32([[1, 5], [2, 4]])),
    case("CholeskyGrad", f64([[2, 7], [1, 3]]), f64([[1, 5], [2, 4]])),
    case(
        "CholeskyGrad",
        np.round(np.linalg.cholesky(positive(2, 3, 3)), 3),
        rand(2, 3, 3, dtype="double"),
        tol=1e-9,
    ),
    *(case("Qr", regular(*shape), grad=True, tol=1e-8) for shape in ((3, 3), (4, 3), (3, 5), (2, 4, 3))),
    *(case("Qr", regular(*shape), full_matrices=True, tol=1e-8) for shape in ((3, 3), (3, 5), (2, 4, 3))),
    case("Qr", complex_sides(4, 3), tol=1e-9),
    case("Qr", rand(4, 3), tol=1e-5),
    *(
        case("Qr", np.zeros(shape), full_matrices=full)
        for shape in ((0, 3), (3, 0))
        for full in (False, True)
    ),
    *(case("Lu", regular(3, 3, dtype=t), tol=TOL.get(t, 1e-9)) for t in ALL),
    case("Lu", rand(2, 4, 4, dtype="double"), output_idx_type="int64", tol=1e-9),
    case("Lu", np.zeros((2, 2)), error="INVALID_ARGUMENT: not invertible"),
    *(
        case(name, rand(3), error="INVALID_ARGUMENT: 'input' must be of rank")
        for name in ("Cholesky", "Qr", "Lu")
    ),
    *(
        case(name, rand(2, 3), error="INVALID_ARGUMENT: Dimensions must be equal")
        for name in ("Cholesky", "Lu")
    ),
    *(case(name, np.zeros(shape)) for name in ("Cholesky", "Lu") for shape in ((0, 0), (0, 2, 2))),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_cholesky_of_what_is_not_positive_definite_is_nan() -> None:
    (found,) = run_tfg(case("Cholesky", np.stack([np.eye(2), -np.eye(2)])))
    np.testing.assert_array_equal(found, [np.eye(2), [[np.nan, 0], [np.nan, np.nan]]])
