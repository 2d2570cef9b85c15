"""Cholesky factors of sparse matrices, and orders that keep them sparse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix, random_array
from tfg.graphfmt import dtypes
from tfg.kernels.families.sparse.csr_cholesky_ops import minimum_degree_order

from ...harness import Case, f32, graph_case, i32, i64, table_tests

ARROW = f32([[4, 1, 1, 1], [1, 5, 0, 0], [1, 0, 6, 0], [1, 0, 0, 7]])
BATCH = np.stack([ARROW, np.diag(f32([1, 2, 3, 4]))])
COMPLEX = np.array([[4, 1 - 1j, 0], [1 + 1j, 5, 2j], [0, -2j, 6]], np.complex128)
ALL = i64(np.argwhere(np.ones((4, 4))))


def factor(g: Any, dense: Any, order: Any, indices: Any, dtype: Any) -> Any:
    given = g.DenseToCSRSparseMatrix(dense, g.constant(indices))
    made = g.SparseMatrixSparseCholesky(given, g.constant(order), type=dtype)
    return g.CSRSparseMatrixToDense(made, type=dtype)


def row(name: str, dense: Any, order: Any, **options: Any) -> Case:
    indices, dtype = i64(np.argwhere(dense)), dtypes.of_numpy(dense.dtype)

    def build(g: Any, x: Any) -> Any:
        shown = g.PlaceholderWithDefault(x, shape=dense.shape)
        return factor(g, shown, i32(order), indices, dtype)

    return graph_case(f"SparseCholesky {name}", build, dense, **options)


def permuted(g: Any, x: Any) -> Any:
    shown = g.PlaceholderWithDefault(x, shape=ARROW.shape)
    given = g.DenseToCSRSparseMatrix(shown, g.constant(i64(np.argwhere(ARROW))))
    order = g.SparseMatrixOrderingAMD(given)
    return g.Sum(order, g.constant(i32(0)))


CASES: list[Case] = [
    row("in order", ARROW, [0, 1, 2, 3]),
    row("permuted", ARROW, [3, 1, 2, 0]),
    row("batch", BATCH, [[0, 1, 2, 3], [1, 0, 3, 2]]),
    row("complex", COMPLEX, [0, 1, 2]),
    row("lower triangle alone", np.tril(ARROW), [0, 1, 2, 3]),
    row("indefinite", f32([[1, 2], [2, 1]]), [0, 1], error="INVALID_ARGUMENT: factorization failed"),
    row("not square", f32([[1, 2, 3], [2, 1, 4]]), [0, 1], error="INVALID_ARGUMENT: must be square"),
    row("permutation of another size", ARROW, [0, 1], error="INVALID_ARGUMENT: permutation must have shape"),
    graph_case("SparseOrdering", permuted, ARROW),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_the_middle_of_a_star_goes_last() -> None:
    star = np.eye(9)
    star[0] = star[:, 0] = 1
    # When one leaf is left, it is as good as the middle.
    assert minimum_degree_order(csr_matrix(star)).index(0) >= 7


@pytest.mark.parametrize("seed", range(5))
def test_the_order_is_a_permutation_that_fills_less_than_the_given_one(seed: int) -> None:
    random = random_array((60, 60), density=0.04, rng=np.random.default_rng(seed))
    matrix = csr_matrix(random + random.T + 60 * np.eye(60))
    order = minimum_degree_order(matrix)
    assert sorted(order) == list(range(60))
    fill = [
        np.count_nonzero(abs(np.linalg.cholesky(matrix.toarray()[np.ix_(each, each)])) > 1e-14)
        for each in (order, range(60))
    ]
    assert fill[0] < fill[1]
