"""Matrix expressions as graph nodes, for the gradients of linear algebra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, Tensor


def matmul(g: GraphBuilder, a: Tensor, b: Tensor, *, adj_a: bool = False, adj_b: bool = False) -> Tensor:
    """Multiplies stacks of matrices, the adjoint of each if so asked."""
    return g.BatchMatMulV2(a, b, adj_x=adj_a, adj_y=adj_b)


def adjoint_node(g: GraphBuilder, x: Tensor) -> Tensor:
    """Returns the conjugate transpose of every matrix."""
    rank = x.shape.rank
    if rank is not None:
        order: Any = np.array([*range(rank - 2), rank - 1, rank - 2], np.int32)
    else:
        size = g.Size(g.Shape(x))
        last = g.Pack([size - 1, size - 2])
        order = g.ConcatV2([g.Range(0, size - 2, 1), last], 0)
    return g.add_op("ConjugateTranspose" if x.dtype.is_complex else "Transpose", x, order)


def triangular_part(g: GraphBuilder, x: Tensor, *, lower: bool = True) -> Tensor:
    """Returns the lower or upper triangle, diagonal included, zeros elsewhere."""
    low, high = (-1, 0) if lower else (0, -1)
    return g.MatrixBandPart(x, g.constant(low, "int64"), g.constant(high, "int64"))


def lower_with_half_diagonal(g: GraphBuilder, x: Tensor) -> Tensor:
    """Returns the lower triangle with its diagonal halved."""
    diagonal = g.MatrixBandPart(x, g.constant(0, "int64"), g.constant(0, "int64"))
    return triangular_part(g, x) - diagonal * g.constant(0.5, x.dtype)


def as_row_matrices(g: GraphBuilder, x: Tensor) -> Tensor:
    """Returns vectors as matrices of one row."""
    return g.ExpandDims(x, -2)


def as_column_matrices(g: GraphBuilder, x: Tensor) -> Tensor:
    """Returns vectors as matrices of one column."""
    return g.ExpandDims(x, -1)


def safe_reciprocal(g: GraphBuilder, x: Tensor) -> Tensor:
    """Returns 1/x, and 0 where x is 0."""
    return x / (g.Square(x) + g.constant(1e-20, x.dtype))


def stack_shape(g: GraphBuilder, x: Tensor) -> Tensor:
    """Returns the shape of x without its last two dimensions."""
    return g.StridedSlice(g.shape_of(x), [0], [-2], [1], begin_mask=1, Index="int32")


def sum_stack_to(g: GraphBuilder, dx: Tensor, x: Tensor, other: Tensor) -> Tensor:
    """Sums dx over the axes of the stack along which x was broadcast to fit ``other``."""
    if x.shape.is_fully_known and dx.shape == x.shape:
        return dx
    axes, _ = g.BroadcastGradientArgs(stack_shape(g, x), stack_shape(g, other))
    return g.Reshape(g.Sum(dx, axes), g.shape_of(x))
