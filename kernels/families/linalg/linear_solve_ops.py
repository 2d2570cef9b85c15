"""Inverses, determinants, and solutions of linear equations and of least squares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Dim, Shape, broadcast, merge_dim
from ...core.cancellation import abandonable
from ...core.registry import Family
from ...core.traits import GpuSupport
from .matrices import (
    adjoint,
    check_solvable,
    check_square,
    not_invertible,
    scalar_per_matrix_shape,
    solve_triangular,
    square_shape,
    to_lapack_dtype,
)
from .matrix_nodes import as_column_matrices, matmul, sum_stack_to, triangular_part

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op

_TYPES = "T: type in {double, float, half, complex64, complex128}"

inverse = op(
    f"MatrixInverse(input: T; adjoint: bool = false, {_TYPES}) -> (output: T)",
    shape=square_shape,
    allocates_output=True,
)


@inverse.kernel
@abandonable
def _(xp: Any, input: Any, *, adjoint: bool) -> Any:
    check_square("MatrixInverse", input)
    wide = to_lapack_dtype(input)
    try:
        result = xp.linalg.inv(_adjoint_if(wide, adjoint))
    except np.linalg.LinAlgError:
        raise not_invertible("MatrixInverse") from None
    return result.astype(input.dtype, copy=False)


def _adjoint_if(x: Any, turned: bool) -> Any:
    return adjoint(x) if turned else x


@inverse.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    y, turned = node.outputs[0], node.attr("adjoint")
    inner = matmul(g, dy, y, adj_a=turned, adj_b=not turned)
    return -matmul(g, y, inner, adj_a=not turned)


determinant = op(
    "MatrixDeterminant(input: T; T: type in {half, float, double, complex64, complex128}) -> (output: T)",
    shape=scalar_per_matrix_shape,
    allocates_output=True,
)


@determinant.kernel
@abandonable
def _(xp: Any, input: Any) -> Any:
    check_square("MatrixDeterminant", input)
    return xp.linalg.det(to_lapack_dtype(input)).astype(input.dtype, copy=False)


@determinant.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    inverted = g.MatrixInverse(node.inputs[0], adjoint=True)
    return as_column_matrices(g, as_column_matrices(g, dy * node.outputs[0])) * inverted


log_determinant = op(
    "LogMatrixDeterminant(input: T; T: type in {half, float, double, complex64, complex128}) -> "
    "(sign: T, log_abs_determinant: T)",
    shape=lambda c: [scalar_per_matrix_shape(c)] * 2,
    allocates_output=True,
)


@log_determinant.kernel
@abandonable
def _(xp: Any, input: Any) -> tuple[Any, Any]:
    check_square("LogMatrixDeterminant", input)
    sign, logarithm = xp.linalg.slogdet(to_lapack_dtype(input))
    return sign.astype(input.dtype, copy=False), logarithm.astype(input.dtype, copy=False)


@log_determinant.gradient
def _(g: GraphBuilder, node: NodeView, dsign: Tensor | None, dlog: Tensor | None) -> Tensor | None:
    """Ignores the gradient of the sign, which is constant almost everywhere."""
    if dlog is None:
        return g.zeros_like(node.inputs[0])
    return as_column_matrices(g, as_column_matrices(g, dlog)) * g.MatrixInverse(node.inputs[0], adjoint=True)


# Equations.


def _solution_shape(c: ShapeContext, *, broadcasts: bool) -> Shape:
    a, b = square_shape(c), c.with_rank_at_least(1, 2)
    if a.dims is None or b.dims is None:
        return UNKNOWN
    rows = merge_dim(a.dims[-1], b.dims[-2])
    stack_a, stack_b = Shape(a.dims[:-2]), Shape(b.dims[:-2])
    stack = broadcast(stack_a, stack_b) if broadcasts else stack_a.merge(stack_b)
    return Shape((*(stack.dims or ()), rows, b.dims[-1]))


solve = op(
    f"MatrixSolve(matrix: T, rhs: T; adjoint: bool = false, {_TYPES}) -> (output: T)",
    shape=lambda c: _solution_shape(c, broadcasts=False),
    allocates_output=True,
)


@solve.kernel
@abandonable
def _(xp: Any, matrix: Any, rhs: Any, *, adjoint: bool) -> Any:
    check_square("MatrixSolve", matrix)
    check_solvable("MatrixSolve", matrix, rhs)
    try:
        solution = xp.linalg.solve(_adjoint_if(to_lapack_dtype(matrix), adjoint), to_lapack_dtype(rhs))
    except np.linalg.LinAlgError:
        raise not_invertible("MatrixSolve") from None
    return solution.astype(rhs.dtype, copy=False)


@solve.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, Tensor]:
    a, turned = node.inputs[0], node.attr("adjoint")
    db = g.MatrixSolve(a, dy, adjoint=not turned)
    return _matrix_gradient(g, node, db), db


def _matrix_gradient(g: GraphBuilder, node: NodeView, db: Tensor) -> Tensor:
    """Returns the gradient of the matrix, given that of the right-hand side."""
    y = node.outputs[0]
    return -(matmul(g, y, db, adj_b=True) if node.attr("adjoint") else matmul(g, db, y, adj_b=True))


triangular_solve = op(
    "MatrixTriangularSolve(matrix: T, rhs: T; lower: bool = true, adjoint: bool = false, "
    "T: type in {bfloat16, double, float, half, complex64, complex128}) -> (output: T)",
    shape=lambda c: _solution_shape(c, broadcasts=True),
    allocates_output=True,
    gpu=GpuSupport.NONE,
)


@triangular_solve.kernel
@abandonable
def _(xp: Any, matrix: Any, rhs: Any, *, lower: bool, adjoint: bool) -> Any:
    check_square("MatrixTriangularSolve", matrix)
    check_solvable("MatrixTriangularSolve", matrix, rhs, broadcasts=True)
    try:
        solution = solve_triangular(
            xp, to_lapack_dtype(matrix), to_lapack_dtype(rhs), lower=lower, turned=adjoint
        )
    except ValueError:
        raise invalid(
            f"MatrixTriangularSolve: {list(matrix.shape)} and {list(rhs.shape)} do not broadcast"
        ) from None
    return solution.astype(rhs.dtype, copy=False)


@triangular_solve.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, Tensor]:
    a, b = node.inputs
    lower, turned = node.attr("lower"), node.attr("adjoint")
    db = g.MatrixTriangularSolve(a, dy, lower=lower, adjoint=not turned)
    da = triangular_part(g, _matrix_gradient(g, node, db), lower=lower)
    return sum_stack_to(g, da, a, b), sum_stack_to(g, db, b, a)


# Least squares.


def _least_squares_shape(c: ShapeContext) -> Shape:
    a, b = c.with_rank_at_least(0, 2), c.with_rank_at_least(1, 2)
    c.with_rank(2, 0)
    if a.dims is None or b.dims is None:
        return UNKNOWN
    merge_dim(a.dims[-2], b.dims[-2])
    stack: tuple[Dim, ...] = Shape(a.dims[:-2]).merge(Shape(b.dims[:-2])).dims or ()
    return Shape((*stack, a.dims[-1], b.dims[-1]))


least_squares = op(
    f"MatrixSolveLs(matrix: T, rhs: T, l2_regularizer: double; {_TYPES}, fast: bool = true) -> (output: T)",
    shape=_least_squares_shape,
    allocates_output=True,
    gpu=GpuSupport.NONE,
)


@least_squares.kernel
@abandonable
def _(xp: Any, matrix: Any, rhs: Any, l2_regularizer: Any, *, fast: bool) -> Any:
    """Solves the normal equations if ``fast``; otherwise ignores the regularizer, as TensorFlow does."""
    check_solvable("MatrixSolveLs", matrix, rhs)
    if l2_regularizer < 0:
        raise invalid(f"l2_regularizer must not be negative, but is {l2_regularizer}")
    a, b = to_lapack_dtype(matrix), to_lapack_dtype(rhs)
    if not matrix.size or not rhs.size:
        return xp.zeros((*matrix.shape[:-2], matrix.shape[-1], rhs.shape[-1]), rhs.dtype)
    if not fast:
        # LAPACK may not return from a matrix with NaN or infinities; the solution for one is NaN.
        is_finite = xp.isfinite(a).all(axis=(-2, -1), keepdims=True)
        inverse = xp.where(is_finite, xp.linalg.pinv(xp.where(is_finite, a, 0)), xp.nan)
        return xp.matmul(inverse, b).astype(rhs.dtype, copy=False)
    turned = adjoint(a)
    tall = a.shape[-2] >= a.shape[-1]
    gramian = xp.matmul(turned, a) if tall else xp.matmul(a, turned)
    gramian = gramian + xp.eye(gramian.shape[-1], dtype=a.dtype) * a.dtype.type(l2_regularizer)
    try:
        xp.linalg.cholesky(gramian)
        if tall:
            solution = xp.linalg.solve(gramian, xp.matmul(turned, b))
        else:
            solution = xp.matmul(turned, xp.linalg.solve(gramian, b))
    except np.linalg.LinAlgError:
        raise invalid(
            "MatrixSolveLs: the matrix is rank deficient or ill-conditioned",
            hint="set fast to false, or l2_regularizer to a larger number",
        ) from None
    return solution.astype(rhs.dtype, copy=False)


@least_squares.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, Tensor, None]:
    """Differentiates the normal equations, of which the static shape selects one form."""
    a, b, regularizer = node.inputs
    x = node.outputs[0]
    rows, columns = a.shape[-2], a.shape[-1]
    if rows is None or columns is None:
        raise invalid("the gradient of MatrixSolveLs needs the matrix's static shape")
    scale = g.cast(regularizer, a.dtype)
    if rows >= columns:
        z = g.MatrixSolve(_regularized(g, matmul(g, a, a, adj_a=True), scale), dy)
        both = matmul(g, x, z, adj_b=True) + matmul(g, z, x, adj_b=True)
        return matmul(g, b, z, adj_b=True) - matmul(g, a, both), matmul(g, a, z), None
    gramian = _regularized(g, matmul(g, a, a, adj_b=True), scale)
    db = g.MatrixSolve(gramian, matmul(g, a, dy))
    inner = g.MatrixSolve(gramian, b)
    first = matmul(g, db, matmul(g, inner, a, adj_a=True))
    second = matmul(g, inner, dy - matmul(g, a, db, adj_a=True), adj_b=True)
    return second - first, db, None


def _regularized(g: GraphBuilder, gramian: Tensor, scale: Tensor) -> Tensor:
    ones = g.Fill(g.shape_of(gramian), g.constant(1, gramian.dtype))
    identity = g.MatrixBandPart(ones, g.constant(0, "int64"), g.constant(0, "int64"))
    return gramian + identity * scale
