"""Unique and its variants, ListDiff (difference of vectors) and Where (positions of nonzero elements)."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape, vector
from ...core import shapes
from ...core.registry import Family
from ...core.types import NUMBERS
from ...numeric.scatter import on_host

if TYPE_CHECKING:
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="axis")
op = family.op


def _where_shape(c: ShapeContext) -> Shape:
    return Shape((None, c.input(0).rank))


where = op(
    f"Where(input: T; T: type in {NUMBERS[:-1]}, bool}} = bool) -> (index: int64)",
    shape=_where_shape,
    allocates_output=True,
)


@where.kernel
def _(xp: Any, x: Any) -> Any:
    if not x.ndim:
        raise invalid("the input must be of rank 1 or more, not a scalar")
    flat = xp.flatnonzero(x)
    index = xp.empty((flat.size, x.ndim), np.int64)
    for axis in range(x.ndim - 1, 0, -1):
        flat, index[:, axis] = xp.divmod(flat, max(x.shape[axis], 1))
    index[:, 0] = flat
    return index


def _unique_shape(c: ShapeContext) -> list[Shape]:
    x = c.with_rank("x", 1)
    return [vector(None), vector(x[0]), vector(None)][: len(c.bound.output_types)]


def _unique_v2_shape(c: ShapeContext) -> list[Shape]:
    x, axis = c.input(0), c.constant(1)
    count = len(c.bound.output_types)
    if axis is None or x.dims is None:
        return [UNKNOWN, vector(None), vector(None)][:count]
    if axis.size == 0:
        return _unique_shape(c)
    position = shapes.axis_of(int(axis.reshape(-1)[0]), len(x.dims))
    y = Shape((*x.dims[:position], None, *x.dims[position + 1 :]))
    return [y, vector(x.dims[position]), vector(None)][:count]


_TYPES = "T: type, {}out_idx: type in {{int32, int64}} = int32"
_AXIS_TYPES = _TYPES.format("Taxis: type in {int32, int64} = int64, ")

unique = op(
    f"Unique(x: T; {_TYPES.format('')}) -> (y: T, idx: out_idx)",
    shape=_unique_shape,
    allocates_output=True,
)
unique_v2 = op(
    f"UniqueV2(x: T, axis: Taxis; {_AXIS_TYPES}) -> (y: T, idx: out_idx)",
    shape=_unique_v2_shape,
    allocates_output=True,
)
with_counts = op(
    f"UniqueWithCounts(x: T; {_TYPES.format('')}) -> (y: T, idx: out_idx, count: out_idx)",
    shape=_unique_shape,
    allocates_output=True,
)
with_counts_v2 = op(
    f"UniqueWithCountsV2(x: T, axis: Taxis; {_AXIS_TYPES}) -> (y: T, idx: out_idx, count: out_idx)",
    shape=_unique_v2_shape,
    allocates_output=True,
)


@unique.kernel
def _(xp: Any, x: Any, *, out_idx: Any) -> Any:
    return _unique(xp, x, None, out_idx)[:2]


@with_counts.kernel
def _(xp: Any, x: Any, *, out_idx: Any) -> Any:
    return _unique(xp, x, None, out_idx)


@unique_v2.kernel
def _(xp: Any, x: Any, axis: Any, *, out_idx: Any) -> Any:
    return _unique(xp, x, axis, out_idx)[:2]


@with_counts_v2.kernel
def _(xp: Any, x: Any, axis: Any, *, out_idx: Any) -> Any:
    return _unique(xp, x, axis, out_idx)


def _unique(xp: Any, x: Any, axis: Any, out_idx: Any) -> tuple[Any, Any, Any]:
    position = _unique_axis(x, axis)
    first, index, counts = unique_keys(_slice_keys(x, position))
    y = x.take(xp.asarray(first), position)
    return y, xp.asarray(index.astype(out_idx.numpy)), xp.asarray(counts.astype(out_idx.numpy))


def _unique_axis(x: Any, axis: Any) -> int:
    if axis is None or axis.size == 0:
        if x.ndim != 1:
            raise invalid(f"without an axis, x must be a vector, but has shape {Shape(x.shape)}")
        return 0
    if axis.ndim > 1 or axis.size != 1:
        raise invalid(f"axis must have one element, but has shape {Shape(axis.shape)}")
    return shapes.axis_of(int(axis.reshape(-1)[0]), x.ndim)


def unique_keys(keys: Any) -> tuple[Any, Any, Any]:
    """Returns the first position of each distinct key, the number of each key by order of first occurrence, and how
    often each occurs.
    """
    if keys.dtype == object:
        return _unique_objects(keys.tolist())
    if keys.dtype.kind in "iu" and keys.size:
        low, high = int(keys.min()), int(keys.max())
        if high - low < 2 * keys.size:
            return _unique_in_range(keys, low, high - low + 1)
    _, first, inverse, counts = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True, equal_nan=False
    )
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    return first[order], rank[inverse.reshape(-1)], counts[order]


def _unique_in_range(keys: Any, low: int, span: int) -> tuple[Any, Any, Any]:
    """Finds distinct integers by a table of their range, for integers that lie close together."""
    places = (keys - keys.dtype.type(low)).astype(np.int64)
    table = np.full(span, keys.size)
    # The last write, which is that of the first occurrence, stays.
    table[places[::-1]] = np.arange(keys.size - 1, -1, -1)
    first = np.sort(table[table < keys.size])
    table[places[first]] = np.arange(first.size)
    index = table[places]
    return first, index, np.bincount(index, minlength=first.size)


def _unique_objects(keys: list[Any]) -> tuple[Any, Any, Any]:
    numbers: dict[Any, int] = {}
    index = np.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), np.int64, len(keys))
    reverse = index[::-1]
    first = np.empty(len(numbers), np.int64)
    first[reverse] = np.arange(len(keys))[::-1]
    return first, index, np.bincount(index, minlength=len(numbers))


def _slice_keys(x: Any, axis: int) -> Any:
    """Returns one key per slice along the axis, equal where slices are equal; NaN equals nothing."""
    host = on_host(x)
    if host.dtype.kind == "V":
        host = host.astype(np.float32)
    if host.ndim == 1:
        return host
    rows = np.moveaxis(host, axis, 0).reshape(
        host.shape[axis], prod(host.shape[:axis] + host.shape[axis + 1 :])
    )
    if rows.dtype == object:
        keys = np.empty(len(rows), object)
        keys[:] = [tuple(row) for row in rows.tolist()]
        return keys
    if not rows.shape[1]:
        return np.zeros(len(rows), np.int8)
    if rows.dtype.kind in "fc":
        # Bits are compared below, so both zeros become one, and each row with NaN gets a number of its own.
        rows = rows.astype(np.float32) if rows.itemsize == 2 else rows
        nan = np.isnan(rows).any(axis=1)
        rows = np.column_stack([rows + 0, np.where(nan, np.arange(1, len(rows) + 1), 0).astype(rows.dtype)])
    rows = np.ascontiguousarray(rows)
    return rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).reshape(-1)


def _list_diff_shape(c: ShapeContext) -> list[Shape]:
    c.with_rank(0, 1)
    c.with_rank(1, 1)
    return [vector(None), vector(None)]


list_diff = op(
    f"ListDiff(x: T, y: T; {_TYPES.format('')}) -> (out: T, idx: out_idx)",
    shape=_list_diff_shape,
    allocates_output=True,
)


@list_diff.kernel
def _(xp: Any, x: Any, y: Any, *, out_idx: Any) -> tuple[Any, Any]:
    for name, value in (("x", x), ("y", y)):
        if value.ndim != 1:
            raise invalid(f"{name} must be a vector, but has shape {Shape(value.shape)}")
    missing = (
        _is_absent(x, y)
        if x.dtype == object
        else xp.isin(_widen_bfloat16(x), _widen_bfloat16(y), invert=True)
    )
    index = xp.flatnonzero(missing)
    return x[index], index.astype(out_idx.numpy)


def _is_absent(x: Any, y: Any) -> Any:
    known = set(y.tolist())
    return np.fromiter((item not in known for item in x.tolist()), bool, x.size)


def _widen_bfloat16(array: Any) -> Any:
    return array.astype(np.float32) if array.dtype.kind == "V" else array
