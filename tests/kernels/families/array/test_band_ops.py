"""Bands of matrices."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, i32, i64, rand, run_tfg, table_tests

X = rand(2, 3, 4)

CASES = [
    case("MatrixBandPart", X, i64(1), i64(0), grad=True),
    case("MatrixBandPart", X, i32(-1), i32(1), grad=True),
    case("MatrixBandPart", X, i64(0), i64(-1)),
    case("MatrixBandPart", X, i64(-1), i64(-1)),
    case("MatrixBandPart", X, i64(3), i64(4)),
    case("MatrixBandPart", cast("bfloat16", [[1, 2], [3, 4]]), i64(0), i64(0)),
    case("MatrixBandPart", np.array([[True, True], [True, True]]), i64(0), i64(0)),
    case("MatrixBandPart", np.array([[1j, 2], [3, 4]]), i64(0), i64(0)),
    case("MatrixBandPart", X, i64(4), i64(0), error="INVALID_ARGUMENT: exceeds a matrix"),
    case("MatrixBandPart", X, i64(0), i64(5), error="INVALID_ARGUMENT: exceeds a matrix"),
    case("MatrixBandPart", rand(3), i64(0), i64(0), error="INVALID_ARGUMENT: 'input' must be of rank"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_the_deprecated_name_does_the_same() -> None:
    (expected,) = run_tfg(case("MatrixBandPart", X, i64(1), i64(0)))
    (found,) = run_tfg(case("BatchMatrixBandPart", X, i64(1), i64(0)))
    np.testing.assert_array_equal(found, expected)
