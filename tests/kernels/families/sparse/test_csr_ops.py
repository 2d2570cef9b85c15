from __future__ import annotations

from typing import Any

import numpy as np
from tfg.graphfmt import dtypes

from ...harness import f32, graph_case, i32, i64, table_tests

INDICES = i64([[0, 1], [0, 2], [2, 0]])
VALUES = f32([1, 2, 3])
SHAPE = i64([3, 4])
BATCH = i64([[0, 0, 1], [0, 2, 0], [1, 1, 3]])
BATCH_SHAPE = i64([2, 3, 4])
COMPLEX = np.array([1 + 2j, 3 - 1j, 2j], np.complex64)


def csr(g: Any, values: Any, indices: Any = INDICES, shape: Any = SHAPE) -> Any:
    return g.SparseTensorToCSRSparseMatrix(g.constant(indices), values, g.constant(shape))


def dense(g: Any, matrix: Any, dtype: Any = dtypes.float32) -> Any:
    return g.CSRSparseMatrixToDense(matrix, type=dtype)


def row(name: str, build: Any, values: Any = VALUES, **options: Any) -> Any:
    return graph_case(f"Csr {name}", build, values, **options)


def to_dense(g: Any, values: Any) -> Any:
    return dense(g, csr(g, values))


def batch_to_dense(g: Any, values: Any) -> Any:
    return dense(g, csr(g, values, BATCH, BATCH_SHAPE))


def to_sparse(g: Any, values: Any) -> Any:
    return list(g.CSRSparseMatrixToSparseTensor(csr(g, values, BATCH, BATCH_SHAPE), type=dtypes.float32))


def parts(g: Any, values: Any) -> Any:
    matrix = csr(g, values, BATCH, BATCH_SHAPE)
    return list(g.CSRSparseMatrixComponents(matrix, g.constant(i32(1)), type=dtypes.float32))


def no_part(g: Any, values: Any) -> Any:
    return list(g.CSRSparseMatrixComponents(csr(g, values), g.constant(i32(1)), type=dtypes.float32))


def counts(g: Any, values: Any) -> Any:
    return [g.SparseMatrixNNZ(csr(g, values)), g.SparseMatrixNNZ(csr(g, values, BATCH, BATCH_SHAPE))]


def transposed(g: Any, values: Any) -> Any:
    return dense(g, g.SparseMatrixTranspose(csr(g, values, BATCH, BATCH_SHAPE), type=dtypes.float32))


def adjoint(g: Any, values: Any) -> Any:
    turned = g.SparseMatrixTranspose(csr(g, values), conjugate=True, type=dtypes.complex64)
    return dense(g, turned, dtypes.complex64)


def from_dense(g: Any, values: Any) -> Any:
    shown = g.PlaceholderWithDefault(values, shape=(3, 4))
    return dense(g, g.DenseToCSRSparseMatrix(shown, g.constant(INDICES)))


def wrong_dtype(g: Any, values: Any) -> Any:
    return dense(g, csr(g, values), dtypes.float64)


CASES = [
    row("to dense", to_dense, grad=True),
    row("batch to dense", batch_to_dense, grad=True),
    row("to sparse", to_sparse, grad=True),
    row("components", parts),
    row("no component", no_part, error="INVALID_ARGUMENT: not in [0, 1)"),
    row("counts", counts),
    row("transposed", transposed, grad=True),
    row("adjoint", adjoint, COMPLEX),
    row("from dense", from_dense, f32(np.arange(12).reshape(3, 4)), grad=True),
    row("wrong dtype", wrong_dtype, error="INVALID_ARGUMENT: has values of float, not of double"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
