from __future__ import annotations

from typing import Any

import numpy as np
from tfg.graphfmt import dtypes

from ...harness import Case, f32, i64, table_tests

INDICES = i64([[0, 1], [0, 2], [2, 0]])
BATCH = i64([[0, 0, 1], [0, 2, 0], [1, 1, 3]])
VALUES = f32([1, 2, 3])
COMPLEX = np.array([1 + 2j, 3 - 1j, 2j], np.complex64)
# Operands that fit a matrix of shape [3, 4] from the right, and one from the left when it is transposed.
TALL = f32(np.arange(8).reshape(4, 2))
SHORT = f32(np.arange(6).reshape(3, 2))
TALL_COMPLEX = (TALL + 1j * TALL[::-1]).astype(np.complex64)


def row(values: Any, right: Any, **attrs: Any) -> Any:
    """A row that multiplies a sparse matrix of shape [3, 4], or a batch of two, by a dense one."""
    indices, shape = (INDICES, i64([3, 4])) if right.ndim == 2 else (BATCH, i64([2, 3, 4]))

    def build(g: Any, a: Any, b: Any) -> Any:
        shown = g.PlaceholderWithDefault(b, shape=right.shape)
        matrix = g.SparseTensorToCSRSparseMatrix(g.constant(indices), a, g.constant(shape))
        return g.SparseMatrixMatMul(matrix, shown, **attrs)

    name = "CsrProduct " + " ".join(attrs)
    return Case(name, (values, right), {}, None, np.isrealobj(values), build=build)


def sparse_row(**attrs: Any) -> Any:
    """A row that multiplies two sparse matrices of shape [3, 4]."""

    def build(g: Any, a: Any, b: Any) -> Any:
        left, right = (
            g.SparseTensorToCSRSparseMatrix(g.constant(INDICES), x, g.constant(i64([3, 4]))) for x in (a, b)
        )
        product = g.SparseMatrixSparseMatMul(left, right, type=dtypes.float32, **attrs)
        return g.CSRSparseMatrixToDense(product, type=dtypes.float32)

    return Case("CsrSparseProduct " + " ".join(attrs), (VALUES, VALUES + 1), {}, build=build)


CASES = [
    row(VALUES, TALL),
    row(VALUES, TALL.T.copy(), transpose_b=True),
    row(VALUES, TALL.T.copy(), adjoint_b=True),
    row(VALUES, SHORT, transpose_a=True),
    row(VALUES, SHORT, adjoint_a=True),
    row(VALUES, SHORT.T.copy(), transpose_a=True, transpose_b=True),
    row(VALUES, TALL, transpose_output=True),
    row(VALUES, SHORT.T.copy(), transpose_a=True, transpose_b=True, transpose_output=True),
    row(VALUES, np.stack([TALL, TALL + 1])),
    row(COMPLEX, TALL_COMPLEX),
    row(COMPLEX, TALL_COMPLEX.T.copy(), adjoint_b=True, conjugate_output=True),
    row(COMPLEX, TALL_COMPLEX[:3].copy(), adjoint_a=True, transpose_output=True),
    sparse_row(transpose_b=True),
    sparse_row(adjoint_a=True),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
