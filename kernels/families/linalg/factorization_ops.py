"""Cholesky, QR and LU factorizations of stacks of matrices, by LAPACK, and their gradients."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Dim, Shape
from ...core.cancellation import abandonable
from ...core.registry import Family
from ...core.traits import GpuSupport
from .matrices import (
    adjoint,
    check_matrices,
    check_square,
    not_invertible,
    solve_triangular,
    square_shape,
    to_lapack_dtype,
)
from .matrix_nodes import adjoint_node, lower_with_half_diagonal, matmul, triangular_part

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op

_TYPES = "T: type in {double, float, half, complex64, complex128}"

cholesky = op(f"Cholesky(input: T; {_TYPES}) -> (output: T)", shape=square_shape, allocates_output=True)


@cholesky.kernel
@abandonable
def _(xp: Any, input: Any) -> Any:
    """Reads lower triangles only. Matrices that are not positive definite give NaN."""
    check_square("Cholesky", input)
    wide = to_lapack_dtype(input)
    try:
        factor = xp.linalg.cholesky(wide)
    except np.linalg.LinAlgError:
        factor = np.zeros_like(wide)
        for place in np.ndindex(wide.shape[:-2]):
            try:
                factor[place] = np.linalg.cholesky(wide[place])
            except np.linalg.LinAlgError:
                factor[place] = np.tril(np.full_like(wide[place], np.nan))
    return factor.astype(input.dtype, copy=False)


@cholesky.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    """Computes L⁻ᴴ Φ(Lᴴ dL) L⁻¹, made symmetric; Φ takes the lower triangle with half the diagonal."""
    factor = node.outputs[0]
    middle = lower_with_half_diagonal(g, matmul(g, factor, dy, adj_a=True))
    left = g.MatrixTriangularSolve(factor, middle, adjoint=True)
    turned = g.MatrixTriangularSolve(factor, adjoint_node(g, left), adjoint=True)
    return (turned + adjoint_node(g, turned)) * g.constant(0.5, dy.dtype)


cholesky_grad = op(
    "CholeskyGrad(l: T, grad: T; T: type in {half, float, double}) -> (output: T)",
    shape=lambda c: square_shape(c).merge(square_shape(c, 1)),
    allocates_output=True,
)


@cholesky_grad.kernel
@abandonable
def _(xp: Any, l: Any, grad: Any) -> Any:  # noqa: E741
    check_square("CholeskyGrad", l)
    if l.shape != grad.shape:
        raise invalid(f"CholeskyGrad needs equal shapes, not {list(l.shape)} and {list(grad.shape)}")
    factor = xp.tril(to_lapack_dtype(l))
    middle = xp.tril(xp.matmul(adjoint(factor), xp.tril(to_lapack_dtype(grad))))
    middle = middle - middle * xp.eye(l.shape[-1], dtype=middle.dtype) / 2
    left = solve_triangular(xp, factor, middle, lower=True, turned=True)
    turned = solve_triangular(xp, factor, adjoint(left), lower=True, turned=True)
    return ((turned + adjoint(turned)) / 2).astype(l.dtype, copy=False)


# QR.


def _qr_shape(c: ShapeContext) -> list[Shape]:
    shape = c.with_rank_at_least(0, 2)
    if shape.dims is None:
        return [UNKNOWN, UNKNOWN]
    *stack, rows, columns = shape.dims
    inner = rows if c.attr("full_matrices") else _smaller(rows, columns)
    return [Shape((*stack, rows, inner)), Shape((*stack, inner, columns))]


def _smaller(one: Dim, other: Dim) -> Dim:
    if one == 0 or other == 0:
        return 0
    return None if one is None or other is None else min(one, other)


qr = op(
    f"Qr(input: T; full_matrices: bool = false, {_TYPES}) -> (q: T, r: T)",
    shape=_qr_shape,
    allocates_output=True,
)


@qr.kernel
@abandonable
def _(xp: Any, input: Any, *, full_matrices: bool) -> tuple[Any, Any]:
    check_matrices("Qr", input)
    q, r = xp.linalg.qr(to_lapack_dtype(input), mode="complete" if full_matrices else "reduced")
    return q.astype(input.dtype, copy=False), r.astype(input.dtype, copy=False)


@qr.gradient
def _(g: GraphBuilder, node: NodeView, dq: Tensor | None, dr: Tensor | None) -> Tensor:
    q, r = node.outputs
    rows, columns = q.shape[-2], r.shape[-1]
    dq = dq if dq is not None else g.zeros_like(q)
    dr = dr if dr is not None else g.zeros_like(r)
    if rows is None or columns is None or (node.attr("full_matrices") and rows > columns):
        raise invalid(
            "the gradient of Qr needs static shapes, and no full_matrices where there are more rows"
        )
    if rows >= columns:
        return _qr_gradient(g, q, r, dq, dr)
    first = _columns(g, r, 0, rows), _columns(g, dr, 0, rows)
    rest = _columns(g, node.inputs[0], rows, columns), _columns(g, dr, rows, columns)
    dq = dq + matmul(g, rest[0], rest[1], adj_b=True)
    return g.ConcatV2([_qr_gradient(g, q, first[0], dq, first[1]), matmul(g, q, rest[1])], -1)


def _columns(g: GraphBuilder, x: Tensor, start: int, stop: int) -> Tensor:
    """Returns columns ``start`` to ``stop - 1`` of every matrix."""
    # The ellipsis stands for the other axes.
    return g.StridedSlice(x, [0, start], [0, stop], [1, 1], ellipsis_mask=1, Index="int32")


def _qr_gradient(g: GraphBuilder, q: Tensor, r: Tensor, dq: Tensor, dr: Tensor) -> Tensor:
    """Returns the gradient for matrices with at least as many rows as columns."""

    def by_inverse(x: Tensor) -> Tensor:
        return adjoint_node(g, g.MatrixTriangularSolve(r, adjoint_node(g, x), lower=False))

    inner, outer = matmul(g, q, dq, adj_a=True), matmul(g, r, dr, adj_b=True)
    skew = (inner - adjoint_node(g, inner)) + (outer - adjoint_node(g, outer))
    gradient = matmul(g, q, dr + by_inverse(triangular_part(g, skew))) + by_inverse(dq - matmul(g, q, inner))
    if not q.dtype.is_complex:
        return gradient
    both = outer - adjoint_node(g, inner)
    diagonal = g.MatrixBandPart(both, g.constant(0, "int64"), g.constant(0, "int64"))
    half = g.constant(0.5, q.dtype)
    # The imaginary part of the diagonal.
    correction = (diagonal - adjoint_node(g, diagonal)) * half
    return gradient + by_inverse(matmul(g, q, adjoint_node(g, correction)))


# LU.


def _lu_shape(c: ShapeContext) -> list[Shape]:
    shape = square_shape(c)
    return [shape, UNKNOWN if shape.dims is None else Shape(shape.dims[:-1])]


lu = op(
    f"Lu(input: T; {_TYPES}, output_idx_type: type in {{int32, int64}} = int32) -> "
    "(lu: T, p: output_idx_type)",
    shape=_lu_shape,
    allocates_output=True,
    gpu=GpuSupport.NONE,
)


@lu.kernel
@abandonable
def _(xp: Any, input: Any, *, output_types: Any) -> tuple[Any, Any]:
    """Returns both factors in one matrix, and in ``p`` the row of the input that each row comes from."""
    check_square("Lu", input)
    wide = to_lapack_dtype(input)
    both = np.empty(wide.shape, wide.dtype)
    rows = np.empty(wide.shape[:-1], output_types[1].numpy)
    if both.size:
        (getrf,) = import_module("scipy.linalg").get_lapack_funcs(("getrf",), (wide,))
        for place in np.ndindex(wide.shape[:-2]):
            both[place], pivots, info = getrf(wide[place])
            if info > 0:
                raise not_invertible("Lu")
            rows[place] = _permutation(pivots)
    return both.astype(input.dtype, copy=False), rows


def _permutation(pivots: Any) -> Any:
    """Returns the order of rows after exchanging row i with row ``pivots[i]``, for each i in turn."""
    order = np.arange(len(pivots))
    for position, pivot in enumerate(pivots.tolist()):
        order[[position, pivot]] = order[[pivot, position]]
    return order
