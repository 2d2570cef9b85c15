"""What reductions share: which axes they run over, and sums that are both fast and accurate."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..graphfmt.errors import invalid
from ..graphfmt.shapes import UNKNOWN, Shape, unknown_of_rank
from .inference import ShapeContext
from .shapes import axis_of

# Rows added one after another before partial sums are kept apart: bounds the rounding error of a sum.
CHAIN = 64

# Rows up to this length are summed as a matrix product.
_SHORT = 16

# Elements of a partial sum: large enough for long inner loops, small enough for the first-level cache.
_PARTIAL = 2048


def axes_of(indices: Any, rank: int) -> tuple[int, ...]:
    """The axes that reduction indices name, counted from the front, in order.

    Raises INVALID_ARGUMENT for axes out of range, named twice, or given as a matrix.
    """
    given = np.asarray(indices)
    if given.ndim > 1:
        raise invalid(f"reduction indices must be a scalar or a vector, but have shape {list(given.shape)}")
    axes = sorted(axis_of(axis, rank, "reduction dimension") for axis in given.reshape(-1).tolist())
    for axis, following in pairwise(axes):
        if axis == following:
            raise invalid(f"reduction indices {given.tolist()} name dimension {axis} twice")
    return tuple(axes)


def reduced(c: ShapeContext) -> Shape:
    """The shape of a reduction of the first input over the axes that the second names."""
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


def accumulator(dtype: Any) -> Any:
    """The dtype in which a sum of this dtype is built up: float for the halfs, otherwise its own."""
    return np.dtype(np.float32) if dtype.name in ("float16", "bfloat16") else dtype


def total(xp: Any, x: Any, axes: tuple[int, ...], *, keep_dims: bool = False) -> Any:
    """The sum over axes, in the accumulator's dtype."""
    dtype = accumulator(x.dtype)
    if xp is not np:
        return xp.sum(x, axis=axes, dtype=dtype, keepdims=keep_dims)
    if _adds_in_pairs(x, axes):
        return np.add.reduce(x, axis=axes, dtype=dtype, keepdims=keep_dims)
    sums = _sum_runs(np.ascontiguousarray(x), axes, dtype)
    shape = [1 if i in axes else n for i, n in enumerate(x.shape) if keep_dims or i not in axes]
    return sums.reshape(shape)


def _adds_in_pairs(x: Any, axes: tuple[int, ...]) -> bool:
    """Whether numpy's own reduction is as accurate and as fast as it gets."""
    if not axes or x.size <= CHAIN or x.dtype.kind in "iub":
        return True
    if len(axes) == x.ndim:
        return x.flags.c_contiguous
    return len(axes) == 1 and _SHORT < x.shape[axes[0]] <= 2 * CHAIN and x.flags.c_contiguous


def _sum_runs(x: Any, axes: Sequence[int], dtype: Any) -> Any:
    """Sums run by run of neighbouring axes, the last first, which is where the elements lie together."""
    sizes, summed = runs(x.shape, axes)
    if True not in summed:
        return x.astype(dtype)
    x = x.reshape(sizes)
    for position in range(len(sizes) - 1, -1, -1):
        if not summed[position]:
            continue
        if position == len(sizes) - 1:
            x = _sum_columns(x, dtype)
        else:
            x = _sum_rows(x.reshape(*_three(x.shape, position)), dtype)
        sizes = [*sizes[:position], *sizes[position + 1 :]]
        x = np.reshape(x, sizes)
    return x if x.dtype == dtype else x.astype(dtype)


def _sum_columns(x: Any, dtype: Any) -> Any:
    """The sum over the last axis. Few at a time are dear in a loop, cheap as a product."""
    if x.shape[-1] <= _SHORT and x.dtype.kind in "fc" and x.dtype == dtype:
        return x @ np.ones(x.shape[-1], dtype)
    return np.add.reduce(x, axis=-1, dtype=dtype)


def _three(shape: Sequence[int], middle: int) -> tuple[int, int, int]:
    before = int(np.prod(shape[:middle], dtype=np.int64))
    return before, shape[middle], int(np.prod(shape[middle + 1 :], dtype=np.int64))


def runs(shape: Sequence[int], axes: Sequence[int]) -> tuple[list[int], list[bool]]:
    """Merges neighbouring axes that are all reduced or all kept: their sizes, and which are reduced."""
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


def _sum_rows(x: Any, dtype: Any) -> Any:
    """The sum of a contiguous (outer, rows, columns) over its rows.

    Adding row to row would let the rounding error grow with their number, so partial sums of a bounded
    number of rows are added up in turn.
    """
    outer, rows, columns = x.shape
    if rows <= 2 * CHAIN or not columns or not outer:
        return np.add.reduce(x, axis=1, dtype=dtype)
    fold = 1
    while fold * columns < _PARTIAL and 2 * fold <= rows:
        fold *= 2
    if fold > 1:
        return _sum_folded(x, fold, dtype)
    blocks = rows // CHAIN
    whole = blocks * CHAIN
    partial = np.add.reduce(x[:, :whole].reshape(outer, blocks, CHAIN, columns), axis=2, dtype=dtype)
    sums = _sum_rows(partial, dtype)
    if whole < rows:
        sums = sums + np.add.reduce(x[:, whole:], axis=1, dtype=dtype)
    return sums


def _sum_folded(x: Any, fold: int, dtype: Any) -> Any:
    """Short rows: ``fold`` of them, a power of two, are taken as one long row."""
    outer, rows, columns = x.shape
    whole = rows // fold * fold
    long = x[:, :whole].reshape(outer, rows // fold, fold * columns)
    sums = _sum_rows(long, dtype) if len(long[0]) > 1 else long[:, 0].astype(dtype)
    while fold > 1:
        fold //= 2
        sums = sums[:, : fold * columns] + sums[:, fold * columns :]
    if whole < rows:
        sums = sums + _sum_rows(np.ascontiguousarray(x[:, whole:]), dtype)
    return sums
