"""Gathers and scatters by indices: bounds are checked before anything is written."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ...graphfmt.errors import invalid
from ...graphfmt.shapes import Shape

_UFUNCS = {"add": "add", "sub": "subtract", "mul": "multiply", "min": "minimum", "max": "maximum"}


def check_indices(indices: Any, size: int, what: str = "indices") -> None:
    """Raises INVALID_ARGUMENT for the first index that is not in [0, size)."""
    if not indices.size:
        return
    # Read as unsigned, negative indices are large, so one pass finds both kinds.
    kind = indices.dtype
    largest = (indices.view(f"u{kind.itemsize}") if kind.kind == "i" else indices).max()
    if int(largest) < size:
        return
    host = on_host(indices)
    position = np.argwhere((host < 0) | (host >= size))[0]
    place = ",".join(str(p) for p in position)
    raise invalid(f"{what}[{place}] = {host[tuple(position)]} is not in [0, {size})")


def ignores_bad_indices(policy: str) -> bool:
    """True if the attribute bad_indices_policy is IGNORE. Raises INVALID_ARGUMENT for unknown policies."""
    if policy not in ("", "DEFAULT", "ERROR", "IGNORE"):
        raise invalid(f"bad_indices_policy is {policy!r}, but must be DEFAULT, ERROR or IGNORE")
    return policy == "IGNORE"


def zeros(xp: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Returns zeros of any dtype; the zero of dtype string is the empty string."""
    return xp.full(shape, b"", object) if np.dtype(dtype).hasobject else xp.zeros(shape, dtype)


def on_host(array: Any) -> Any:
    """Returns the array as a numpy array, copied from the GPU if it is there."""
    return array.get() if hasattr(array, "get") else np.asarray(array)


def scatter_rows(xp: Any, array: Any, indices: Any, updates: Any, how: str) -> None:
    """Combines rows of ``array``, in place, with updates: ``array[indices[i…], …] how= updates[i…, …]``.

    ``how`` is update, add, sub, mul, div, min or max. Updates of rank 0 apply to every row named; rows named twice
    are updated twice. Raises INVALID_ARGUMENT, with nothing written, for indices out of bounds and updates of a
    wrong shape.
    """
    indices, updates = xp.asarray(indices), xp.asarray(updates)
    if not array.ndim:
        raise invalid("scatter needs a tensor of rank 1 or more, not a scalar")
    wanted = (*indices.shape, *array.shape[1:])
    if updates.ndim and updates.shape != wanted:
        raise invalid(
            f"updates must be of shape indices.shape + params.shape[1:] = {Shape(wanted)}, but are of shape "
            f"{Shape(updates.shape)}, with indices of shape {Shape(indices.shape)} and params of shape "
            f"{Shape(array.shape)}"
        )
    check_indices(indices, array.shape[0])
    if not updates.ndim:
        updates = xp.broadcast_to(updates, wanted)
    if updates.size:
        _combine_rows(xp, array, indices.reshape(-1), updates.reshape(-1, *array.shape[1:]), how)


def scatter_nd(xp: Any, array: Any, indices: Any, updates: Any, how: str, *, ignore: bool = False) -> None:
    """Combines elements or slices of ``array``, in place: ``array[tuple(indices[i…, :])] how= updates[i…]``.

    Raises INVALID_ARGUMENT, with nothing written, for shapes that do not fit and, unless ``ignore``, for indices
    out of bounds.
    """
    indices, updates = xp.asarray(indices), xp.asarray(updates)
    check_nd_shapes(indices.shape, updates.shape, array.shape)
    depth = indices.shape[-1]
    rows, good = row_numbers(xp, indices, array.shape[:depth], ignore=ignore)
    if not updates.size:
        return
    inner = array.shape[depth:]
    updates = updates.reshape(-1, *inner)
    if good is not None:
        rows, updates = rows[good], updates[good]
    count = prod(array.shape[:depth])
    flat = array.reshape(count, *inner)
    _combine_rows(xp, flat, rows, updates, how)
    if not array.flags.c_contiguous:
        array[...] = flat.reshape(array.shape)


def check_nd_shapes(indices: tuple[int, ...], updates: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Raises INVALID_ARGUMENT unless updates of that shape fit such indices into a tensor of ``shape``."""
    if not indices:
        raise invalid("indices must be of rank 1 or more, not a scalar")
    if not updates:
        raise invalid("updates must be of rank 1 or more, not a scalar")
    depth = indices[-1]
    if depth > len(shape):
        raise invalid(
            f"index vectors have {depth} elements (indices are of shape {Shape(indices)}), but the tensor is "
            f"of shape {Shape(shape)}"
        )
    wanted = (*indices[:-1], *shape[depth:])
    if updates != wanted:
        raise invalid(
            f"updates must be of shape indices.shape[:-1] + params.shape[{depth}:] = {Shape(wanted)}, but "
            f"are of shape {Shape(updates)}, with indices of shape {Shape(indices)} and params of shape "
            f"{Shape(shape)}"
        )


def row_numbers(xp: Any, indices: Any, shape: tuple[int, ...], *, ignore: bool = False) -> tuple[Any, Any]:
    """Converts index vectors (the last axis of ``indices``) to row numbers of a tensor with the axes ``shape``
    merged.

    Returns them flattened, and a mask of those within bounds, None where all are. Raises INVALID_ARGUMENT for the
    first vector out of bounds unless ``ignore``.
    """
    depth = len(shape)
    vectors = indices.reshape(prod(indices.shape[:-1]), depth)
    if not vectors.shape[0] or not depth:
        return xp.zeros(vectors.shape[0], np.int64), None
    rows = vectors[:, 0].astype(np.int64)
    bad = (rows < 0) | (rows >= shape[0])
    for axis in range(1, depth):
        column = vectors[:, axis].astype(np.int64)
        bad |= (column < 0) | (column >= shape[axis])
        rows = rows * shape[axis] + column
    if not bool(bad.any()):
        return rows, None
    if ignore:
        return rows, ~bad
    first = int(on_host(bad).argmax())
    place = ",".join(str(p) for p in np.unravel_index(first, indices.shape[:-1]))
    raise invalid(
        f"indices[{place}] = {on_host(vectors[first]).tolist()} does not index into shape {Shape(shape)}"
    )


def _combine_rows(xp: Any, rows: Any, indices: Any, updates: Any, how: str) -> None:
    """Computes ``rows[indices] how= updates`` in place, for a vector of valid indices and one row of updates for
    each.
    """
    repeated = indices.size > 1 and _has_repeats(xp, indices)
    if how == "update":
        if repeated and xp is not np:
            last = xp.asarray(_last_of_each(indices))
            indices, updates = indices[last], updates[last]
        rows[indices] = updates
    elif not repeated:
        rows[indices] = _combine(xp, how, rows[indices], updates)
    elif _has_at(xp, how, rows):
        width = rows.size // rows.shape[0]
        flat = indices.astype(np.int64)
        if width > 1:
            flat = (flat[:, None] * width + xp.arange(width)).reshape(-1)
        getattr(xp, _UFUNCS[how]).at(rows.reshape(-1), flat, updates.reshape(-1))
    else:
        _scatter_in_rounds(xp, rows, indices, updates, how)


def _has_repeats(xp: Any, indices: Any) -> bool:
    ordered = xp.sort(indices)
    return bool((ordered[1:] == ordered[:-1]).any())


def _has_at(xp: Any, how: str, rows: Any) -> bool:
    """True if the ``at`` method of the ufunc supports these arrays, and they can be viewed as a vector."""
    if how == "div" or not rows.flags.c_contiguous or rows.dtype == object:
        return False
    return xp is np or (how in ("add", "sub") and rows.dtype.kind == "f")


def _scatter_in_rounds(xp: Any, rows: Any, indices: Any, updates: Any, how: str) -> None:
    """Applies the first update of every row, then every second one, and so on: a round names no row twice."""
    host = on_host(indices)
    order = np.argsort(host, kind="stable")
    ordered = host[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    lengths = np.diff(np.r_[starts, host.size])
    for turn in range(int(lengths.max())):
        chosen = order[starts[lengths > turn] + turn]
        at = indices[xp.asarray(chosen)]
        rows[at] = _combine(xp, how, rows[at], updates[xp.asarray(chosen)])


def _last_of_each(indices: Any) -> Any:
    """Returns the positions of the last occurrence of each index."""
    host = on_host(indices)[::-1]
    _, first = np.unique(host, return_index=True)
    return host.size - 1 - first


def _combine(xp: Any, how: str, old: Any, new: Any) -> Any:
    if how == "update":
        return new
    if how != "div":
        return getattr(xp, _UFUNCS[how])(old, new)
    if old.dtype.kind not in "iu":
        return xp.divide(old, new).astype(old.dtype, copy=False)
    if bool((new == 0).any()):
        raise invalid("integer division by zero in a scatter")
    # Integer division rounds toward zero, as in C.
    quotient = old // new
    return (quotient + ((quotient < 0) & (quotient * new != old))).astype(old.dtype, copy=False)
