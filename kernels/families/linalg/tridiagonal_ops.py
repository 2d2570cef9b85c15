"""Products and equations with tridiagonal matrices (tridiagonal_matmul_op.cc, tridiagonal_solve_op.cc in TensorFlow),
and the exponential of a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core.cancellation import check
from ...core.registry import Family
from ...core.traits import GpuSupport
from .matrices import check_square, square_shape, to_lapack_dtype

if TYPE_CHECKING:
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_TYPES = "T: type in {double, float, complex64, complex128}"


def _like_rhs(c: ShapeContext) -> Shape:
    return c.with_rank_at_least("rhs", 2)


product = op(
    f"TridiagonalMatMul(superdiag: T, maindiag: T, subdiag: T, rhs: T; {_TYPES}) -> (output: T)",
    shape=_like_rhs,
    allocates_output=True,
)


@product.kernel
def _(xp: Any, superdiag: Any, maindiag: Any, subdiag: Any, rhs: Any) -> Any:
    for name, diagonal in (("superdiag", superdiag), ("maindiag", maindiag), ("subdiag", subdiag)):
        wanted = (*rhs.shape[:-2], 1, rhs.shape[-2] if rhs.ndim > 1 else 0)
        if rhs.ndim < 2 or diagonal.shape != wanted:
            raise invalid(f"{name} must have shape {Shape(wanted)}, but has {Shape(tuple(diagonal.shape))}")
    # The last element of superdiag and the first of subdiag are not used.
    upper, main, lower = (xp.swapaxes(d, -1, -2) for d in (superdiag, maindiag, subdiag))
    result = main * rhs
    result[..., :-1, :] += upper[..., :-1, :] * rhs[..., 1:, :]
    result[..., 1:, :] += lower[..., 1:, :] * rhs[..., :-1, :]
    return result


@product.gradient
def _(g: Any, node: Any, dy: Any) -> Any:
    conjugated = [g.Conj(x) if x.dtype.is_complex else x for x in node.inputs]
    upper, main, lower, right = conjugated

    def per_row(x: Any) -> Any:
        return g.ExpandDims(g.Sum(g.Mul(x, dy), [-1]), np.int32(-2))

    below = _without_row(g, g.Roll(right, [-1], [-2]), -1)
    above = _without_row(g, g.Roll(right, [1], [-2]), 0)
    d_rhs = g.TridiagonalMatMul(g.Roll(lower, [-1], [-1]), main, g.Roll(upper, [1], [-1]), dy)
    return per_row(below), per_row(right), per_row(above), d_rhs


def _without_row(g: Any, x: Any, row: int) -> Any:
    """Returns matrices with zeros in their first row, or in their last one if ``row`` is -1."""
    size = g.Gather(g.Shape(x), g.Sub(g.Rank(x), np.int32(2)))
    numbers = g.Range(np.int32(0), size, np.int32(1))
    dropped = g.Sub(size, np.int32(1)) if row < 0 else np.int32(0)
    kept = g.Cast(g.NotEqual(numbers, dropped), DstT=x.dtype)
    return g.Mul(x, g.ExpandDims(kept, np.int32(-1)))


solve = op(
    "TridiagonalSolve(diagonals: T, rhs: T; partial_pivoting: bool = true, perturb_singular: bool = false, "
    f"{_TYPES}) -> (output: T)",
    shape=_like_rhs,
    allocates_output=True,
)


@solve.kernel
def _(xp: Any, diagonals: Any, rhs: Any, *, partial_pivoting: bool, perturb_singular: bool) -> Any:
    if diagonals.ndim < 2 or diagonals.shape[-2] != 3:
        raise invalid(f"diagonals must have shape [..., 3, m], but have {Shape(tuple(diagonals.shape))}")
    size = diagonals.shape[-1]
    if rhs.ndim != diagonals.ndim or rhs.shape[:-2] != diagonals.shape[:-2] or rhs.shape[-2] != size:
        raise invalid(
            f"rhs of shape {Shape(tuple(rhs.shape))} does not fit diagonals of {Shape(tuple(diagonals.shape))}"
        )
    if perturb_singular and not partial_pivoting:
        raise invalid("Setting perturb_singular requires pivoting.")
    return _eliminated(diagonals, rhs) if size else rhs.copy()


@solve.gradient
def _(g: Any, node: Any, dy: Any) -> Any:
    diagonals, _ = node.inputs
    x = node.outputs[0]
    turned = g.Conj(diagonals) if diagonals.dtype.is_complex else diagonals
    upper, main, lower = g.Unpack(turned, num=3, axis=-2)
    left, right = [-1], [1]
    adjoint = g.Pack([g.Roll(lower, left, left), main, g.Roll(upper, right, left)], axis=-2)
    d_rhs = g.TridiagonalSolve(adjoint, dy, partial_pivoting=node.attr("partial_pivoting"))
    solution = g.Conj(x) if x.dtype.is_complex else x

    def per_row(values: Any) -> Any:
        return g.Neg(g.Sum(g.Mul(d_rhs, values), left))

    below = _without_row(g, g.Roll(solution, left, [-2]), -1)
    above = _without_row(g, g.Roll(solution, right, [-2]), 0)
    return g.Pack([per_row(below), per_row(solution), per_row(above)], axis=-2), d_rhs


def _eliminated(diagonals: Any, rhs: Any) -> Any:
    """Solves all systems at once by elimination with partial pivoting; the solution of a singular one is NaN."""
    size = diagonals.shape[-1]
    upper, main, lower = (np.moveaxis(diagonals[..., i, :], -1, 0).copy() for i in range(3))
    right = np.moveaxis(rhs, -2, 0).copy()
    second = np.zeros_like(upper)
    for row in range(size - 1):
        below = lower[row + 1]
        swap = np.abs(below) > np.abs(main[row])
        pivot, other = np.where(swap, below, main[row]), np.where(swap, main[row], below)
        factor = other / pivot
        next_main = main[row + 1].copy()
        next_upper = upper[row + 1].copy() if row + 2 < size else np.zeros_like(upper[row])
        here = upper[row].copy()
        main[row] = pivot
        upper[row] = np.where(swap, next_main, here)
        second[row] = np.where(swap, next_upper, 0)
        main[row + 1] = np.where(swap, here, next_main) - factor * upper[row]
        upper[row + 1] = np.where(swap, 0, next_upper) - factor * second[row]
        top, bottom = right[row].copy(), right[row + 1].copy()
        chosen = swap[..., None]
        right[row] = np.where(chosen, bottom, top)
        right[row + 1] = np.where(chosen, top, bottom) - factor[..., None] * right[row]
    singular = (main == 0).any(axis=0)
    for row in reversed(range(size)):
        total = right[row]
        if row + 1 < size:
            total = total - upper[row][..., None] * right[row + 1]
        if row + 2 < size:
            total = total - second[row][..., None] * right[row + 2]
        right[row] = total / main[row][..., None]
    result = np.moveaxis(right, 0, -2)
    result[singular] = np.nan
    return result


exponential = op(
    "MatrixExponential(input: T; T: type in {double, float, half, complex64, complex128}) -> (output: T)",
    shape=square_shape,
    allocates_output=True,
)


@exponential.kernel
def _(xp: Any, input: Any) -> Any:
    from scipy.linalg import expm

    check_square("MatrixExponential", input)
    wide = to_lapack_dtype(input)
    result = np.empty_like(wide)
    for place in np.ndindex(wide.shape[:-2]):
        check()
        result[place] = expm(wide[place]) if np.isfinite(wide[place]).all() and wide[place].size else np.nan
    return result.astype(input.dtype, copy=False)
