"""Reductions over axes by ufuncs: axes and shapes, fast memory order, and sums with a bounded rounding error."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.errors import invalid
from ...graphfmt.shapes import UNKNOWN, Shape, unknown_of_rank
from ..core.shapes import axis_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.inference import ShapeContext

# The number of rows added one after another into a partial sum: bounds the rounding error.
CHAIN = 64

# Rows up to this length are reduced together: a loop for each costs more than its additions.
SHORT = 16

# The number of elements of a partial sum: large enough for long inner loops, small enough for the first-level
# cache.
_PARTIAL = 2048


def normalize_axes(indices: Any, rank: int) -> tuple[int, ...]:
    """Returns the axes that reduction indices name, counted from the front, in ascending order.

    Raises INVALID_ARGUMENT for axes out of range, named twice, or given as a matrix.
    """
    named = np.asarray(indices)
    if named.ndim > 1:
        raise invalid(f"reduction indices must be a scalar or a vector, but have shape {list(named.shape)}")
    axes = sorted(axis_of(axis, rank, "reduction dimension") for axis in named.reshape(-1).tolist())
    for axis, following in pairwise(axes):
        if axis == following:
            raise invalid(f"reduction indices {named.tolist()} name dimension {axis} twice")
    return tuple(axes)


def reduced_shape(c: ShapeContext) -> Shape:
    """Returns the shape of a reduction of the first input over the axes that the second names."""
    shape, indices, keep = c.input(0), c.input(1), c.attr("keep_dims")
    if indices.rank is not None and indices.rank > 1:
        raise invalid(f"reduction indices must be a scalar or a vector, but have shape {indices}")
    if shape.dims is None:
        return UNKNOWN
    constant = c.constant(1)
    if constant is None:
        count = indices.size
        if keep:
            return unknown_of_rank(len(shape.dims))
        return (
            UNKNOWN if count is None or count > len(shape.dims) else unknown_of_rank(len(shape.dims) - count)
        )
    axes = {axis_of(axis, len(shape.dims), "reduction dimension") for axis in constant.reshape(-1).tolist()}
    if keep:
        return Shape(tuple(1 if i in axes else size for i, size in enumerate(shape.dims)))
    return Shape(tuple(size for i, size in enumerate(shape.dims) if i not in axes))


def accumulator_dtype(dtype: Any) -> Any:
    """The dtype in which sums of this dtype are accumulated: float32 for half and bfloat16, else its own."""
    return np.dtype(np.float32) if dtype.name in ("float16", "bfloat16") else dtype


def sum_over(xp: Any, x: Any, axes: tuple[int, ...], *, keep_dims: bool = False) -> Any:
    """Returns the sum over axes, in the dtype of the accumulator."""
    return reduce_over(xp, "add", x, axes, accumulator_dtype(x.dtype), keep_dims=keep_dims)


# The names of ufuncs and of the reductions that they make.
_REDUCTIONS = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "amax",
    "minimum": "amin",
    "logical_and": "all",
    "logical_or": "any",
}


def reduce_over(
    xp: Any, ufunc: str, x: Any, axes: tuple[int, ...], dtype: Any, *, keep_dims: bool = False
) -> Any:
    """Computes ``ufunc.reduce`` in the given dtype: faster for short rows, more accurate for many.

    Never a view of x.
    """
    if xp is not np:
        typed = {"dtype": dtype} if ufunc in ("add", "multiply") else {}
        return getattr(xp, _REDUCTIONS[ufunc])(x, axis=axes, keepdims=keep_dims, **typed)
    reducer = getattr(np, ufunc)
    if _is_best_done_by_numpy(x, axes):
        return reducer.reduce(x, axis=axes, dtype=dtype, keepdims=keep_dims)
    reduced = _reduce_runs(reducer, np.ascontiguousarray(x), axes, dtype)
    shape = [1 if i in axes else n for i, n in enumerate(x.shape) if keep_dims or i not in axes]
    return reduced.reshape(shape)


def _is_best_done_by_numpy(x: Any, axes: tuple[int, ...]) -> bool:
    if not axes or x.size <= CHAIN:
        return True
    if len(axes) == x.ndim:
        return x.flags.c_contiguous
    return len(axes) == 1 and SHORT < x.shape[axes[0]] <= 2 * CHAIN and x.flags.c_contiguous


def _reduce_runs(ufunc: Any, x: Any, axes: Sequence[int], dtype: Any) -> Any:
    """Reduces one run of neighbouring axes after the other, the last first, whose elements are adjacent in memory."""
    sizes, reduced_runs = merge_runs(x.shape, axes)
    if True not in reduced_runs:
        return x.astype(dtype)
    x = x.reshape(sizes)
    for position in range(len(sizes) - 1, -1, -1):
        if not reduced_runs[position]:
            continue
        if position == len(sizes) - 1:
            x = _reduce_columns(ufunc, x, dtype)
        else:
            x = _reduce_rows(ufunc, x.reshape(*_three(x.shape, position)), dtype)
        sizes = [*sizes[:position], *sizes[position + 1 :]]
        x = np.reshape(x, sizes)
    return x if x.dtype == dtype else x.astype(dtype)


def _reduce_columns(ufunc: Any, x: Any, dtype: Any) -> Any:
    """Reduces the last axis.

    Loops over few elements are slow, so a sum of few is computed as a matrix product, and other reductions on the
    transposed array.
    """
    if x.shape[-1] > SHORT or x.ndim == 1:
        return ufunc.reduce(x, axis=-1, dtype=dtype)
    if ufunc is np.add and x.dtype.kind in "fc" and x.dtype == dtype:
        return x @ np.ones(x.shape[-1], dtype)
    return ufunc.reduce(np.ascontiguousarray(x.reshape(-1, x.shape[-1]).T), axis=0, dtype=dtype)


def _three(shape: Sequence[int], middle: int) -> tuple[int, int, int]:
    before = int(np.prod(shape[:middle], dtype=np.int64))
    return before, shape[middle], int(np.prod(shape[middle + 1 :], dtype=np.int64))


def merge_runs(shape: Sequence[int], axes: Sequence[int]) -> tuple[list[int], list[bool]]:
    """Merges neighbouring axes that are all reduced or all kept. Returns their sizes, and which are reduced."""
    sizes: list[int] = []
    flags: list[bool] = []
    for axis, size in enumerate(shape):
        flag = axis in axes
        if size == 1:
            continue
        if flags and flags[-1] == flag:
            sizes[-1] *= size
        else:
            sizes.append(size)
            flags.append(flag)
    return sizes, flags


def _reduce_rows(ufunc: Any, x: Any, dtype: Any) -> Any:
    """Reduces a contiguous array (outer, rows, columns) over its rows.

    Adding row to row would let the rounding error grow with their number, so partial sums of a bounded number of
    rows are added up in turn.
    """
    outer, rows, columns = x.shape
    if rows <= 2 * CHAIN or not columns or not outer:
        return ufunc.reduce(x, axis=1, dtype=dtype)
    fold = 1
    while fold * columns < _PARTIAL and 2 * fold <= rows:
        fold *= 2
    if fold > 1:
        return _reduce_folded(ufunc, x, fold, dtype)
    blocks = rows // CHAIN
    whole = blocks * CHAIN
    partial = ufunc.reduce(x[:, :whole].reshape(outer, blocks, CHAIN, columns), axis=2, dtype=dtype)
    reduced = _reduce_rows(ufunc, partial, dtype)
    if whole < rows:
        reduced = ufunc(reduced, ufunc.reduce(x[:, whole:], axis=1, dtype=dtype))
    return reduced


def _reduce_folded(ufunc: Any, x: Any, fold: int, dtype: Any) -> Any:
    """Reduces short rows, ``fold`` of them (a power of two) at a time as one long row."""
    outer, rows, columns = x.shape
    whole = rows // fold * fold
    long = x[:, :whole].reshape(outer, rows // fold, fold * columns)
    reduced = _reduce_rows(ufunc, long, dtype)
    while fold > 1:
        fold //= 2
        reduced = ufunc(reduced[:, : fold * columns], reduced[:, fold * columns :])
    if whole < rows:
        reduced = ufunc(reduced, _reduce_rows(ufunc, np.ascontiguousarray(x[:, whole:]), dtype))
    return reduced
