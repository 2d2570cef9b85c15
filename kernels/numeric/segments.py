"""Reductions of the rows of each segment: the arithmetic of SegmentSum, UnsortedSegmentMax, SparseSegmentMean and
their kin.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import numpy as np

from ...graphfmt.errors import invalid
from .reductions import accumulator_dtype
from .scatter import on_host

# Sums of this many elements or more are faster as a sparse matrix product than by ``ufunc.at``.
_LARGE = 1 << 13

# After this many elements summed without it, importing scipy.sparse would have paid.
_WORTH_AN_IMPORT = 1 << 24

_BFLOAT16_MAX = 3.3895313892515355e38


def empty_value(how: str, dtype: Any) -> Any:
    """The value of a segment without rows in the unsorted operations: the identity of ``how``."""
    if how in ("add", "multiply"):
        return int(how == "multiply")
    largest = _BFLOAT16_MAX if dtype.kind == "V" else None
    if dtype.kind == "f":
        largest = np.finfo(dtype).max
    if largest is not None:
        return -largest if how == "maximum" else largest
    return np.iinfo(dtype).min if how == "maximum" else np.iinfo(dtype).max


def _combining_dtype(xp: Any, dtype: Any) -> Any:
    """The dtype in which rows are combined. CUDA has no atomic operations on integers of 8 and 16 bits."""
    return (
        xp.dtype("int32")
        if xp is not np and dtype.kind in "iu" and dtype.itemsize < 4
        else accumulator_dtype(dtype)
    )


def combine_unsorted(xp: Any, how: str, rows: Any, ids: Any, count: int) -> Any:
    """Combines the rows of each segment of a matrix: ``out[ids[i]] = how(out[ids[i]], rows[i])``.

    ``how`` is the name of a ufunc. Rows with negative ids are dropped. Raises INVALID_ARGUMENT for an id that is
    not below ``count``.
    """
    if rows.size and int(ids.max()) >= count:
        host = on_host(ids)
        first = int((host >= count).argmax())
        raise invalid(f"segment_ids[{first}] = {host[first]} is not in [0, {count})")
    if rows.size and int(ids.min()) < 0:
        kept = ids >= 0
        rows, ids = rows[kept], ids[kept]
    wide = _combining_dtype(xp, rows.dtype)
    if how == "add" and xp is np and _prefers_product(rows):
        return sum_rows(rows.astype(wide, copy=False), ids, count).astype(rows.dtype, copy=False)
    out = xp.full((count, rows.shape[1]), empty_value(how, rows.dtype), wide)
    if rows.size:
        _ufunc_at(xp, how, out, ids, rows.astype(wide, copy=False))
    return out.astype(rows.dtype, copy=False)


_elements_added = 0


def _prefers_product(rows: Any) -> bool:
    """True if rows are to be summed by a sparse product: not for single sums, which would wait for the import of
    scipy.
    """
    global _elements_added
    if rows.size < _LARGE or rows.shape[1] == 1:
        return False
    _elements_added += rows.size
    return "scipy.sparse" in sys.modules or _elements_added > _WORTH_AN_IMPORT


def _ufunc_at(xp: Any, how: str, out: Any, ids: Any, rows: Any) -> None:
    """Applies ``ufunc.at`` in place on flat memory, for which numpy has a fast path."""
    width = rows.shape[1]
    flat = ids.astype(np.int64)
    if width > 1:
        flat = (flat[:, None] * width + xp.arange(width)).reshape(-1)
    getattr(xp, how).at(out.reshape(-1), flat, rows.reshape(-1))


def sum_rows(rows: Any, ids: Any, count: int) -> Any:
    """Sums the rows of a large matrix by id, as a product with a sparse matrix of ones."""
    sparse: Any = import_module("scipy.sparse")
    number = len(ids)
    chosen = sparse.csc_matrix(
        (np.ones(number, rows.dtype), ids, np.arange(number + 1)), shape=(count, number)
    )
    return chosen @ rows


def check_sorted(ids: Any) -> None:
    """Raises INVALID_ARGUMENT for segment ids that are negative or decrease."""
    if not ids.size:
        return
    falls = ids[1:] < ids[:-1]
    if bool(falls.any()):
        first = int(on_host(falls).argmax())
        host = on_host(ids)
        raise invalid(
            f"segment ids must not decrease: segment_ids[{first + 1}] = {host[first + 1]} < {host[first]}"
        )
    if int(ids[0]) < 0:
        raise invalid(f"segment ids must not be negative, but segment_ids[0] = {int(ids[0])}")


def combine_sorted(xp: Any, how: str, rows: Any, ids: Any, count: int, empty: Any) -> Any:
    """Combines rows as ``combine_unsorted`` does, for ids that never decrease; segments without rows hold
    ``empty``.
    """
    wide = _combining_dtype(xp, rows.dtype)
    out = xp.full((count, rows.shape[1]), empty, wide)
    if not rows.size:
        return out.astype(rows.dtype, copy=False)
    if xp is not np:
        present = xp.unique(ids)
        part = combine_unsorted(xp, how, rows, xp.searchsorted(present, ids), len(present))
        out[present] = part
    elif how == "add" and not empty and _prefers_product(rows):
        return sum_rows(rows.astype(wide, copy=False), ids, count).astype(rows.dtype, copy=False)
    else:
        starts = np.flatnonzero(np.concatenate(([True], ids[1:] != ids[:-1])))
        out[ids[starts]] = getattr(np, how).reduceat(
            rows.astype(wide, copy=False), starts, axis=0, dtype=wide
        )
    return out.astype(rows.dtype, copy=False)
