"""What the operations of linear algebra share: checks, shapes, triangular solving, words for gradients."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import TfgError, invalid
from ....graphfmt.shapes import UNKNOWN, Shape, merge_dim
from ...numeric.reductions import accumulator_dtype

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, Tensor
    from ...core.inference import ShapeContext


def check_matrices(name: str, x: Any) -> None:
    """Raises INVALID_ARGUMENT unless x is a matrix or a stack of them."""
    if x.ndim < 2:
        raise invalid(f"{name} needs a matrix or a stack of matrices, not shape {list(x.shape)}")


def check_square(name: str, x: Any) -> None:
    """Raises INVALID_ARGUMENT unless x is a square matrix or a stack of them."""
    check_matrices(name, x)
    if x.shape[-1] != x.shape[-2]:
        raise invalid(f"{name} needs square matrices, not shape {list(x.shape)}")


def check_solvable(name: str, a: Any, b: Any, *, broadcasts: bool = False) -> None:
    """Raises INVALID_ARGUMENT unless a has as many rows as b, and as many matrices."""
    check_matrices(name, a)
    check_matrices(name, b)
    if a.shape[-2] != b.shape[-2] or (a.shape[:-2] != b.shape[:-2] and not broadcasts):
        raise invalid(f"{name}: shapes {list(a.shape)} and {list(b.shape)} do not fit each other")


def working(x: Any) -> Any:
    """x in a dtype that LAPACK knows."""
    return x.astype(accumulator_dtype(x.dtype), copy=False)


def not_invertible(name: str) -> TfgError:
    return invalid(f"{name}: the input matrix is not invertible")


def adjoint(x: Any) -> Any:
    turned = x.swapaxes(-1, -2)
    return turned.conj() if x.dtype.kind == "c" else turned


def solve_triangular(xp: Any, a: Any, b: Any, *, lower: bool, turned: bool) -> Any:
    """a⁻¹ b, or a⁻ᴴ b if ``turned``, reading one triangle of a. Divides by zeros on the diagonal without
    complaint, as TensorFlow does."""
    if xp is not np:
        triangle = xp.tril(a) if lower else xp.triu(a)
        return xp.linalg.solve(adjoint(triangle) if turned else triangle, b)
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    out = np.empty((*stack, *b.shape[-2:]), b.dtype)
    if not out.size:
        return out
    trsm = import_module("scipy.linalg").get_blas_funcs("trsm", (a, b))
    matrices = np.broadcast_to(a, (*stack, *a.shape[-2:]))
    sides = np.broadcast_to(b, (*stack, *b.shape[-2:]))
    for place in np.ndindex(stack):
        out[place] = trsm(1, matrices[place], sides[place], lower=lower, trans_a=2 if turned else 0)
    return out


# Shape functions.


def square(c: ShapeContext, key: int = 0) -> Shape:
    """The first input's shape, which must be of square matrices."""
    shape = c.with_rank_at_least(key, 2)
    if shape.dims is None:
        return UNKNOWN
    size = merge_dim(shape.dims[-2], shape.dims[-1])
    return Shape((*shape.dims[:-2], size, size))


def per_matrix(c: ShapeContext) -> Shape:
    """One number for each square matrix."""
    shape = square(c)
    return UNKNOWN if shape.dims is None else Shape(shape.dims[:-2])


# What gradients are written with.


def product(g: GraphBuilder, a: Tensor, b: Tensor, *, adj_a: bool = False, adj_b: bool = False) -> Tensor:
    return g.BatchMatMulV2(a, b, adj_x=adj_a, adj_y=adj_b)


def adjoint_of(g: GraphBuilder, x: Tensor) -> Tensor:
    """The conjugate transpose of every matrix."""
    rank = x.shape.rank
    if rank is not None:
        order: Any = np.array([*range(rank - 2), rank - 1, rank - 2], np.int32)
    else:
        size = g.Size(g.Shape(x))
        last = g.Pack([size - 1, size - 2])
        order = g.ConcatV2([g.Range(0, size - 2, 1), last], 0)
    return g.add_op("ConjugateTranspose" if x.dtype.is_complex else "Transpose", x, order)


def triangle(g: GraphBuilder, x: Tensor, *, lower: bool = True) -> Tensor:
    low, high = (-1, 0) if lower else (0, -1)
    return g.MatrixBandPart(x, g.constant(low, "int64"), g.constant(high, "int64"))


def half_triangle(g: GraphBuilder, x: Tensor) -> Tensor:
    """The lower triangle, its diagonal halved."""
    diagonal = g.MatrixBandPart(x, g.constant(0, "int64"), g.constant(0, "int64"))
    return triangle(g, x) - diagonal * g.constant(0.5, x.dtype)


def as_rows(g: GraphBuilder, x: Tensor) -> Tensor:
    """Vectors as matrices of one row."""
    return g.ExpandDims(x, -2)


def as_columns(g: GraphBuilder, x: Tensor) -> Tensor:
    """Vectors as matrices of one column."""
    return g.ExpandDims(x, -1)


def safe_reciprocal(g: GraphBuilder, x: Tensor) -> Tensor:
    """1/x, and 0 where x is 0."""
    return x / (g.Square(x) + g.constant(1e-20, x.dtype))


def stack_shape(g: GraphBuilder, x: Tensor) -> Tensor:
    """The shape of x without its last two dimensions."""
    return g.StridedSlice(g.shape_of(x), [0], [-2], [1], begin_mask=1, Index="int32")


def sum_stack_to(g: GraphBuilder, dx: Tensor, x: Tensor, other: Tensor) -> Tensor:
    """dx summed over the axes of the stack along which x was repeated to fit ``other``."""
    if x.shape.is_fully_known and dx.shape == x.shape:
        return dx
    axes, _ = g.BroadcastGradientArgs(stack_shape(g, x), stack_shape(g, other))
    return g.Reshape(g.Sum(dx, axes), g.shape_of(x))
