"""Eigenvalue and singular value decompositions of stacks of matrices, by LAPACK, and their gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Dim, Shape
from ...core.cancellation import abandonable
from ...core.registry import Family
from ...core.traits import GpuSupport
from .matrices import adjoint, check_matrices, check_square, square_shape, to_lapack_dtype
from .matrix_nodes import (
    adjoint_node,
    as_column_matrices,
    as_row_matrices,
    lower_with_half_diagonal,
    matmul,
    safe_reciprocal,
)

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op

_TYPES = "T: type in {double, float, half, complex64, complex128}"


def _eigen_shape(c: ShapeContext) -> list[Shape]:
    shape = square_shape(c)
    values = UNKNOWN if shape.dims is None else Shape(shape.dims[:-1])
    return [values, shape if c.attr("compute_v") else Shape((0,))]


symmetric_eigen = op(
    f"SelfAdjointEigV2(input: T; compute_v: bool = true, {_TYPES}) -> (e: T, v: T)",
    shape=_eigen_shape,
    allocates_output=True,
)


@symmetric_eigen.kernel
@abandonable
def _(xp: Any, input: Any, *, compute_v: bool) -> tuple[Any, Any]:
    check_square("SelfAdjointEigV2", input)
    try:
        if not compute_v:
            values = xp.linalg.eigvalsh(to_lapack_dtype(input))
            return values.astype(input.dtype, copy=False), xp.zeros(0, input.dtype)
        values, vectors = xp.linalg.eigh(to_lapack_dtype(input))
    except np.linalg.LinAlgError as error:
        raise invalid(f"SelfAdjointEigV2: {error}") from None
    return values.astype(input.dtype, copy=False), vectors.astype(input.dtype, copy=False)


@symmetric_eigen.gradient
def _(g: GraphBuilder, node: NodeView, de: Tensor | None, dv: Tensor | None) -> Tensor:
    """Returns a gradient in the lower triangle alone, which is all that the operation reads."""
    a, (e, v) = node.inputs[0], node.outputs
    if not node.attr("compute_v"):
        e, v = g.SelfAdjointEigV2(a, compute_v=True)
        dv = None
    inner = None if de is None else matmul(g, v * as_row_matrices(g, de), v, adj_b=True)
    if dv is not None:
        gaps = safe_reciprocal(g, as_row_matrices(g, e) - as_column_matrices(g, e))
        turning = matmul(g, v, matmul(g, gaps * matmul(g, v, dv, adj_a=True), v, adj_b=True))
        inner = turning if inner is None else inner + turning
    assert inner is not None
    return lower_with_half_diagonal(g, inner + adjoint_node(g, inner))


eigen = op(
    "Eig(input: T; compute_v: bool = true, T: type in {float, double, complex64, complex128}, "
    "Tout: type in {complex64, complex128}) -> (e: Tout, v: Tout)",
    shape=_eigen_shape,
    allocates_output=True,
    gpu=GpuSupport.NONE,
)


@eigen.kernel
@abandonable
def _(xp: Any, input: Any, *, compute_v: bool, output_types: Any) -> tuple[Any, Any]:
    check_square("Eig", input)
    dtype = output_types[0].numpy
    try:
        if not compute_v:
            return np.linalg.eigvals(input).astype(dtype), np.zeros(0, dtype)
        values, vectors = np.linalg.eig(input)
    except np.linalg.LinAlgError as error:
        raise invalid(f"Eig: {error}") from None
    return values.astype(dtype), vectors.astype(dtype)


@eigen.gradient
def _(g: GraphBuilder, node: NodeView, de: Tensor | None, dv: Tensor | None) -> Tensor:
    """Assumes eigenvectors of length 1 and a loss that does not depend on their phases."""
    a, (e, v) = node.inputs[0], node.outputs
    if not node.attr("compute_v"):
        e, v = g.Eig(a, Tout=e.dtype)
        dv = None
    inner = None if de is None else as_column_matrices(g, de) * adjoint_node(g, v)
    if dv is not None:
        gaps = g.Conj(safe_reciprocal(g, as_row_matrices(g, e) - as_column_matrices(g, e)))
        along = matmul(g, v, dv, adj_a=True)
        lengths = g.MatrixDiagPart(along)
        lengths = (lengths + g.Conj(lengths)) * g.constant(0.5, v.dtype)
        across = gaps * (along - matmul(g, v, v, adj_a=True) * as_row_matrices(g, lengths))
        turning = matmul(g, across, v, adj_b=True)
        inner = turning if inner is None else inner + turning
    assert inner is not None
    return g.cast(g.MatrixSolve(v, inner, adjoint=True), a.dtype)


# Singular values.


def _smaller(one: Dim, other: Dim) -> Dim:
    if one == 0 or other == 0:
        return 0
    return None if one is None or other is None else min(one, other)


def _svd_shape(c: ShapeContext) -> list[Shape]:
    shape = c.with_rank_at_least(0, 2)
    vectors = c.attr("compute_uv")
    if shape.dims is None:
        return [UNKNOWN, *([UNKNOWN] * 2 if vectors else [Shape((0,))] * 2)]
    *stack, rows, columns = shape.dims
    inner = _smaller(rows, columns)
    values = Shape((*stack, inner))
    if not vectors:
        return [values, Shape((0,)), Shape((0,))]
    full = c.attr("full_matrices")
    sides = (rows, rows if full else inner), (columns, columns if full else inner)
    return [values, Shape((*stack, *sides[0])), Shape((*stack, *sides[1]))]


svd = op(
    f"Svd(input: T; compute_uv: bool = true, full_matrices: bool = false, {_TYPES}) -> (s: T, u: T, v: T)",
    shape=_svd_shape,
    allocates_output=True,
)


@svd.kernel
@abandonable
def _(xp: Any, input: Any, *, compute_uv: bool, full_matrices: bool) -> list[Any]:
    check_matrices("Svd", input)
    wide = to_lapack_dtype(input)
    # LAPACK may not return from NaN or infinities. The factors of a matrix that has them are NaN.
    bad = ~xp.isfinite(wide).all((-2, -1))
    try:
        factors = xp.linalg.svd(
            xp.where(bad[..., None, None], 0, wide), full_matrices=full_matrices, compute_uv=compute_uv
        )
    except np.linalg.LinAlgError as error:
        raise invalid(f"Svd: {error}") from None
    none = xp.zeros(0, input.dtype)
    parts = [factors[1], factors[0], adjoint(factors[2])] if compute_uv else [factors, none, none]
    if bad.any():
        parts[0][bad] = np.nan
        for part in parts[1:] if compute_uv else []:
            part[bad] = np.nan
    return [part.astype(input.dtype, copy=False) for part in parts]


@svd.gradient
def _(g: GraphBuilder, node: NodeView, ds: Tensor | None, du: Tensor | None, dv: Tensor | None) -> Tensor:
    a, (s, u, v) = node.inputs[0], node.outputs
    if not node.attr("compute_uv"):
        if ds is None:
            return g.zeros_like(a)
        _, u, v = g.Svd(a, compute_uv=True)
        return matmul(g, u * as_row_matrices(g, ds), v, adj_b=True)
    rows, columns = a.shape[-2], a.shape[-1]
    if rows is None or columns is None or (node.attr("full_matrices") and rows != columns):
        raise invalid("the gradient of Svd needs static shapes, and no full_matrices unless these are square")
    if a.dtype.is_complex and (du is not None or dv is not None):
        raise invalid("the gradient of Svd is for real matrices, or for singular values alone")
    ds = ds if ds is not None else g.zeros_like(s)
    du = du if du is not None else g.zeros_like(u)
    dv = dv if dv is not None else g.zeros_like(v)
    if rows > columns:
        return adjoint_node(g, _svd_gradient(g, s, v, u, ds, dv, du, wide=True))
    return _svd_gradient(g, s, u, v, ds, du, dv, wide=rows < columns)


def _svd_gradient(
    g: GraphBuilder, s: Tensor, u: Tensor, v: Tensor, ds: Tensor, du: Tensor, dv: Tensor, *, wide: bool
) -> Tensor:
    """Returns the gradient for matrices with at most as many rows as columns."""
    squares = g.Square(s)
    gaps = safe_reciprocal(g, as_row_matrices(g, squares) - as_column_matrices(g, squares))
    left, right = gaps * matmul(g, u, du, adj_a=True), gaps * matmul(g, v, dv, adj_a=True)
    middle = (left + adjoint_node(g, left)) * as_row_matrices(g, s) + as_column_matrices(g, s) * (
        right + adjoint_node(g, right)
    )
    gradient = matmul(g, u, matmul(g, middle, v, adj_b=True)) + matmul(
        g, u * as_row_matrices(g, ds), v, adj_b=True
    )
    if not wide:
        return gradient
    turned = adjoint_node(g, dv)
    outside = turned - matmul(g, matmul(g, turned, v), v, adj_b=True)
    return gradient + matmul(g, u * as_row_matrices(g, safe_reciprocal(g, s)), outside)
