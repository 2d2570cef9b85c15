"""Stacks of matrices: checks of shapes, static shapes, dtypes for LAPACK, triangular solves."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import TfgError, invalid
from ....graphfmt.shapes import UNKNOWN, Shape, merge_dim
from ...numeric.reductions import accumulator_dtype

if TYPE_CHECKING:
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


def to_lapack_dtype(x: Any) -> Any:
    """Returns x in a dtype that LAPACK supports: float32 for 16-bit floats."""
    return x.astype(accumulator_dtype(x.dtype), copy=False)


def not_invertible(name: str) -> TfgError:
    """Returns the error for a singular matrix."""
    return invalid(f"{name}: the input matrix is not invertible")


def adjoint(x: Any) -> Any:
    """Returns the conjugate transpose of every matrix."""
    turned = x.swapaxes(-1, -2)
    return turned.conj() if x.dtype.kind == "c" else turned


def solve_triangular(xp: Any, a: Any, b: Any, *, lower: bool, turned: bool) -> Any:
    """Returns a⁻¹ b, or a⁻ᴴ b if ``turned``, reading one triangle of a.

    Zeros on the diagonal are divided by without error, as in TensorFlow.
    """
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


def square_shape(c: ShapeContext, key: int = 0) -> Shape:
    """Returns the shape of an input, which must be of square matrices."""
    shape = c.with_rank_at_least(key, 2)
    if shape.dims is None:
        return UNKNOWN
    size = merge_dim(shape.dims[-2], shape.dims[-1])
    return Shape((*shape.dims[:-2], size, size))


def scalar_per_matrix_shape(c: ShapeContext) -> Shape:
    """Returns the shape of one number for each square matrix."""
    shape = square_shape(c)
    return UNKNOWN if shape.dims is None else Shape(shape.dims[:-2])
