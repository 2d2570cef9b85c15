"""Comparison of two checkpoints, tensor by tensor, in chunks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from .tensor_statistics import chunk_slices, slice_reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...graphfmt.checkpoints.entries import CheckpointReader, Slice, TensorEntry
    from ...graphfmt.tensors import Array


class Tolerance(NamedTuple):
    """Numbers a and b are equal where ``|a - b| <= absolute + relative * |b|``. NaN equals NaN."""

    relative: float = 0.0
    absolute: float = 0.0


class ValueDifference(NamedTuple):
    """The differences between the values of two tensors.

    ``elements`` is the number of differing elements; ``at``, ``a`` and ``b`` are index and values of the
    largest absolute difference. ``absolute`` and ``relative`` (to b) are the largest differences, None for
    strings and bools.
    """

    elements: int
    at: tuple[int, ...]
    a: Any
    b: Any
    absolute: float | None = None
    relative: float | None = None


@dataclass(frozen=True, slots=True)
class TensorDifference:
    """A tensor that differs between checkpoints A and B; the entry of a checkpoint without the tensor is None."""

    name: str
    how: Literal["only_a", "only_b", "dtype", "shape", "values"]
    a: TensorEntry | None
    b: TensorEntry | None
    values: ValueDifference | None = None


def differences(
    a: CheckpointReader, b: CheckpointReader, names: list[str], tolerance: Tolerance
) -> Iterator[TensorDifference]:
    """Yields the differences among the named tensors, in the order of the names. Raises what reading them raises."""
    for name in names:
        in_a, in_b = a.entries.get(name), b.entries.get(name)
        if in_a is None or in_b is None:
            if in_a or in_b:
                yield TensorDifference(name, "only_a" if in_a else "only_b", in_a, in_b)
        elif in_a.dtype is not in_b.dtype:
            yield TensorDifference(name, "dtype", in_a, in_b)
        elif in_a.shape != in_b.shape:
            yield TensorDifference(name, "shape", in_a, in_b)
        else:
            values = _values(a, b, name, in_a, tolerance)
            if values is not None:
                yield TensorDifference(name, "values", in_a, in_b, values)


def _values(
    a: CheckpointReader, b: CheckpointReader, name: str, entry: TensorEntry, tolerance: Tolerance
) -> ValueDifference | None:
    worst: ValueDifference | None = None
    of_a, of_b = slice_reader(a, name), slice_reader(b, name)
    for part in chunk_slices(entry.shape):
        difference = compare(of_a(part), of_b(part), tolerance)
        if difference is not None:
            worst = merge(worst, difference._replace(at=_absolute(part, difference.at)))
    return worst


def _absolute(part: Slice | None, at: tuple[int, ...]) -> tuple[int, ...]:
    """Converts an index within a slice to an index of the whole tensor."""
    return at if part is None else tuple(start + i for start, i in zip(part.starts, at))


def merge(one: ValueDifference | None, two: ValueDifference) -> ValueDifference:
    """Merges the differences of two chunks of a tensor."""
    if one is None:
        return two
    elements = one.elements + two.elements
    if one.absolute is None or two.absolute is None or one.relative is None or two.relative is None:
        return one._replace(elements=elements)
    larger = two if two.absolute > one.absolute else one
    return larger._replace(elements=elements, relative=max(one.relative, two.relative))


def compare(a: Array, b: Array, tolerance: Tolerance) -> ValueDifference | None:
    """Compares arrays of the same dtype and shape; returns None if they are equal within the tolerance."""
    if a.dtype.kind in "Ob":
        differ = np.asarray(a != b)
        return _at(a, b, int(differ.argmax()), int(differ.sum())) if differ.any() else None
    # Equal bytes are the common case and fast to detect.
    if np.array_equal(_octets(a), _octets(b)):
        return None
    if a.dtype.kind not in "iuc":
        a, b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(all="ignore"):
        apart = _apart(a, b)
        size = np.abs(b if b.dtype.kind == "c" else b.astype(np.float64))
        near = (apart <= tolerance.absolute + tolerance.relative * size) & np.isfinite(apart)
        differ = (apart > 0) & ~near
        relative = apart / size
    if not differ.any():
        return None
    apart, relative = np.where(differ, apart, -1.0), np.where(differ, relative, 0.0)
    worst = _at(a, b, int(apart.argmax()), int(differ.sum()))
    # The relative difference to an infinity is NaN; it counts as infinite.
    return worst._replace(absolute=float(apart.max()), relative=float(_unbounded(relative).max()))


def _octets(array: Array) -> Array:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _apart(a: Array, b: Array) -> Array:
    """Returns the distance of each pair of elements; infinite if exactly one of them is NaN."""
    if a.dtype.kind in "iu":
        # A difference of two integers may overflow their dtype, but fits the unsigned dtype of the same size.
        return (np.maximum(a, b) - np.minimum(a, b)).view(f"u{a.dtype.itemsize}").astype(np.float64)
    same = (a == b) | ((a != a) & (b != b))
    return np.where(same, 0.0, _unbounded(np.abs(a - b)))


def _unbounded(distances: Array) -> Array:
    return np.where(np.isnan(distances), np.inf, distances)


def _at(a: Array, b: Array, flat: int, count: int) -> ValueDifference:
    place = tuple(int(i) for i in np.unravel_index(flat, a.shape))
    return ValueDifference(count, place, a[place], b[place])
