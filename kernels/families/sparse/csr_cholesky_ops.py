"""SparseMatrixSparseCholesky and SparseMatrixOrderingAMD: factors of sparse matrices in compressed rows
(kernels/sparse/sparse_cholesky_op.cc and sparse_ordering_amd_op.cc in TensorFlow)."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core.cancellation import check
from ...core.registry import Family
from ...core.traits import GpuSupport
from .csr import CsrMatrix, csr_fact, csr_of, from_scipy, static_shape

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def _permutation_shape(shape: Shape) -> Shape:
    return UNKNOWN if shape.dims is None else Shape(shape.dims[:-1])


ordering = op(
    "SparseMatrixOrderingAMD(input: variant) -> (output: int32)",
    shape=lambda c: _permutation_shape(static_shape(c, 0)),
)


@ordering.kernel
def _(xp: Any, input: Any) -> Any:
    given = csr_of(input)
    _check_square(given)
    orders = [minimum_degree_order(matrix) for matrix in given.to_scipy()]
    return np.array(orders, np.int32).reshape(given.dims[:-1])


def _check_square(given: CsrMatrix) -> None:
    if given.dims[-1] != given.dims[-2]:
        raise invalid(f"sparse matrices must be square, but have shape {list(given.dims)}")


def minimum_degree_order(matrix: Any) -> list[int]:
    """Returns an order of elimination that keeps a Cholesky factor of a symmetric pattern sparse: always a vertex with
    the fewest neighbours, whose neighbours then become neighbours of each other, through one clique."""
    coordinates = matrix.tocoo()
    neighbours: list[set[int]] = [set() for _ in range(matrix.shape[0])]
    for row, column in zip(coordinates.row.tolist(), coordinates.col.tolist()):
        if row != column:
            neighbours[row].add(column)
            neighbours[column].add(row)
    degrees = [(len(each), vertex) for vertex, each in enumerate(neighbours)]
    heapify(degrees)
    order: list[int] = []
    is_done = [False] * len(neighbours)
    while degrees:
        degree, vertex = heappop(degrees)
        if is_done[vertex] or degree != len(neighbours[vertex]):
            continue
        check()
        is_done[vertex] = True
        order.append(vertex)
        clique = neighbours[vertex]
        for other in clique:
            neighbours[other] |= clique
            neighbours[other] -= {other, vertex}
            heappush(degrees, (len(neighbours[other]), other))
    return order


def _factor_fact(c: ShapeContext) -> Any:
    c.with_rank_at_least("permutation", 1)
    return csr_fact(c.attr("type"), static_shape(c, 0))


cholesky = op(
    "SparseMatrixSparseCholesky(input: variant, permutation: int32; "
    "type: type in {float, double, complex64, complex128}) -> (output: variant)",
    shape=_factor_fact,
)


@cholesky.kernel
def _(xp: Any, input: Any, permutation: Any, *, type: DType) -> Any:
    given = csr_of(input, type)
    _check_square(given)
    if permutation.shape != given.dims[:-1]:
        raise invalid(
            f"permutation must have shape {Shape(given.dims[:-1])}, but has {Shape(permutation.shape)}"
        )
    size = given.dims[-1]
    orders = permutation.reshape(-1, size) if size else permutation.reshape(len(given.parts), 0)
    parts = [from_scipy(_factor(matrix, order)) for matrix, order in zip(given.to_scipy(), orders)]
    return CsrMatrix(given.dims, parts, type)


def _factor(matrix: Any, order: Any) -> Any:
    """The lower factor L of P A Pᵀ = L Lᴴ, from the lower triangle of A. Raises INVALID_ARGUMENT unless A is positive
    definite and the order a permutation."""
    from scipy.sparse import csc_matrix, diags, tril

    size = len(order)
    if not np.array_equal(np.sort(order), np.arange(size)):
        raise invalid("permutation does not hold each row once")
    if not size:
        return matrix
    check()
    lower = tril(matrix)
    full = lower + tril(matrix, -1).conj().T
    # Twice the precision, because pivots are not chosen by size.
    wide = np.complex128 if matrix.dtype.kind == "c" else np.float64
    factors = _decomposed(csc_matrix(full, dtype=wide)[order][:, order].tocsc())
    pivots = factors.U.diagonal()
    if (pivots.real <= 0).any() or not np.isfinite(pivots).all():
        raise invalid("Sparse Cholesky factorization failed: the matrix is not positive definite")
    return (factors.L @ diags(np.sqrt(pivots.real))).astype(matrix.dtype)


def _decomposed(matrix: Any) -> Any:
    """The LU factors in the given order. Raises INVALID_ARGUMENT for a singular matrix, and where rows change places,
    which they do for no positive definite one."""
    from scipy.sparse.linalg import splu

    try:
        factors = splu(matrix, "NATURAL", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    except RuntimeError as error:
        raise invalid("Sparse Cholesky factorization failed: the matrix is not positive definite") from error
    if (factors.perm_r != np.arange(matrix.shape[0])).any():
        raise invalid("Sparse Cholesky factorization failed: the matrix is not positive definite")
    return factors
