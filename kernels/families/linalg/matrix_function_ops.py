"""Square roots and logarithms of matrices, and equations with banded triangular matrices."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape, broadcast, merge_dim
from ...core.cancellation import abandonable, check
from ...core.registry import Family
from ...core.traits import GpuSupport
from .matrices import check_square, not_invertible, square_shape, to_lapack_dtype
from .matrix_nodes import adjoint_node, matmul, stack_shape, sum_stack_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_TYPES = "T: type in {double, float, half, complex64, complex128}"


def _map_matrices(function: Callable[[Any], Any], x: Any) -> Any:
    """Applies a function to every matrix.

    Matrices that are not finite, and real matrices whose image is complex, give NaN.
    """
    out = np.empty_like(x)
    for place in np.ndindex(x.shape[:-2]):
        check()
        if not np.isfinite(x[place]).all():
            out[place] = np.nan
            continue
        image = function(x[place]) if x[place].size else x[place]
        if x.dtype.kind != "c" and np.iscomplexobj(image):
            out[place] = np.nan
        else:
            out[place] = image
    return out


square_root = op(
    f"MatrixSquareRoot(input: T; {_TYPES}) -> (output: T)", shape=square_shape, allocates_output=True
)


@square_root.kernel
def _(xp: Any, input: Any) -> Any:
    check_square("MatrixSquareRoot", input)
    sqrtm = import_module("scipy.linalg").sqrtm
    return _map_matrices(sqrtm, to_lapack_dtype(input)).astype(input.dtype, copy=False)


@square_root.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    """Solves Yᴴ dA + dA Yᴴ = dY, where A = YY, as a linear equation for the elements of dA."""
    y = node.outputs[0]
    identity = g.MatrixBandPart(
        g.Fill(g.shape_of(y), g.constant(1, y.dtype)), g.constant(0, "int64"), g.constant(0, "int64")
    )
    turned = adjoint_node(g, y)
    # The Kronecker products Yᴴ ⊗ I and I ⊗ conj(Y), for elements in row-major order.
    left = g.Einsum([turned, identity], equation="...ij,...kl->...ikjl")
    right = g.Einsum([identity, turned], equation="...ij,...lk->...ikjl")
    stack = stack_shape(g, y)
    order = g.StridedSlice(g.shape_of(y), [-1], [0], [1], end_mask=1, Index="int32")
    elements = g.Square(order)
    matrix = g.Reshape(left + right, g.ConcatV2([stack, elements, elements], 0))
    solution = g.MatrixSolve(matrix, g.Reshape(dy, g.ConcatV2([stack, elements, g.constant([1])], 0)))
    return g.Reshape(solution, g.shape_of(y))


logarithm = op(
    "MatrixLogarithm(input: T; T: type in {complex64, complex128}) -> (output: T)",
    shape=square_shape,
    allocates_output=True,
)


@logarithm.kernel
def _(xp: Any, input: Any) -> Any:
    check_square("MatrixLogarithm", input)
    # scipy warns of the loss of precision in single precision.
    wide = input.astype(np.complex128, copy=False)
    return _map_matrices(import_module("scipy.linalg").logm, wide).astype(input.dtype, copy=False)


def _banded_shape(c: ShapeContext) -> Shape:
    bands, rhs = c.with_rank_at_least(0, 2), c.with_rank_at_least(1, 2)
    if bands.dims is None or rhs.dims is None:
        return UNKNOWN
    rows = merge_dim(bands.dims[-1], rhs.dims[-2])
    stack = broadcast(Shape(bands.dims[:-2]), Shape(rhs.dims[:-2]))
    return Shape((*(stack.dims or ()), rows, rhs.dims[-1]))


banded_solve = op(
    f"BandedTriangularSolve(matrix: T, rhs: T; lower: bool = true, adjoint: bool = false, {_TYPES}) -> "
    "(output: T)",
    shape=_banded_shape,
    allocates_output=True,
)


@banded_solve.kernel
@abandonable
def _(xp: Any, matrix: Any, rhs: Any, *, lower: bool, adjoint: bool) -> Any:
    """Solves equations of a band matrix given by its diagonals.

    Each row of ``matrix`` is a diagonal: the main one comes first for lower triangles, last for upper ones, and
    every element is in the column numbered as its row in the full matrix.
    """
    if matrix.ndim < 2 or rhs.ndim < 2 or matrix.shape[-1] != rhs.shape[-2] or not matrix.size:
        raise invalid(f"BandedTriangularSolve: {list(matrix.shape)} and {list(rhs.shape)} do not fit")
    # From here on the main diagonal is the first row.
    bands = to_lapack_dtype(matrix if lower else matrix[..., ::-1, :])[..., : matrix.shape[-1], :]
    if not bool(bands[..., 0, :].all()):
        raise not_invertible("BandedTriangularSolve")
    below = lower != adjoint
    layout = _to_lapack_bands(bands.conj() if adjoint else bands, below, moves=not adjoint)
    try:
        stack = np.broadcast_shapes(matrix.shape[:-2], rhs.shape[:-2])
    except ValueError:
        raise invalid(
            f"BandedTriangularSolve: {list(matrix.shape)} and {list(rhs.shape)} do not broadcast"
        ) from None
    out = np.empty((*stack, *rhs.shape[-2:]), layout.dtype)
    matrices = np.broadcast_to(layout, (*stack, *layout.shape[-2:]))
    sides = np.broadcast_to(to_lapack_dtype(rhs), out.shape)
    solve_banded = import_module("scipy.linalg").solve_banded
    width = layout.shape[-2] - 1
    for place in np.ndindex(stack):
        both = (width, 0) if below else (0, width)
        try:
            out[place] = solve_banded(both, matrices[place], sides[place], check_finite=False)
        except np.linalg.LinAlgError:
            # Infinite elements overflow, and leave no pivot.
            out[place] = np.nan
    return out.astype(rhs.dtype, copy=False)


def _to_lapack_bands(bands: Any, below: bool, *, moves: bool) -> Any:
    """Converts to LAPACK's band layout: columns numbered as in the full matrix, the uppermost diagonal first.

    ``moves`` says that columns are still numbered as the rows of the full matrix.
    """
    count, size = bands.shape[-2:]
    layout = np.zeros_like(bands)
    for offset in range(count):
        row = layout[..., offset if below else count - 1 - offset, :]
        if below:
            start = offset if moves else 0
            row[..., : size - offset] = bands[..., offset, start : start + size - offset]
        else:
            start = 0 if moves else offset
            row[..., offset:] = bands[..., offset, start : start + size - offset]
    return layout


@banded_solve.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, Tensor]:
    a, b = node.inputs
    y, lower, turned = node.outputs[0], node.attr("lower"), node.attr("adjoint")
    db = g.BandedTriangularSolve(a, dy, lower=lower, adjoint=not turned)
    full = -(matmul(g, y, db, adj_b=True) if turned else matmul(g, db, y, adj_b=True))
    last = g.StridedSlice(g.shape_of(a), [-2], [-1], [1], shrink_axis_mask=1, Index="int32") - 1
    diagonals = g.Pack([-last, g.constant(0)] if lower else [g.constant(0), last])
    da = g.MatrixDiagPartV3(full, diagonals, g.constant(0, a.dtype), align="LEFT_RIGHT")
    return sum_stack_to(g, da, a, b), sum_stack_to(g, db, b, a)
