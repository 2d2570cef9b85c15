"""Comparison of two values of a tensor, as two graphs or settings computed them, in chunks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from ..graphfmt.dtypes import of_numpy
from .checkpointing.differences import Tolerance, ValueDifference, compare, merge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..graphfmt.tensors import Array

# Elements per chunk.
_CHUNK = 1 << 20
# Relative and absolute tolerances, by dtype; others must be equal.
DEFAULT_TOLERANCES = {
    "double": Tolerance(1e-9, 1e-12),
    "complex128": Tolerance(1e-9, 1e-12),
    "float": Tolerance(1e-4, 1e-6),
    "complex64": Tolerance(1e-4, 1e-6),
    "half": Tolerance(1e-2, 1e-3),
    "bfloat16": Tolerance(5e-2, 1e-2),
}


class ValueStatistics(NamedTuple):
    """How far two values are apart: the mean absolute difference of finite elements, the largest number of units in
    the last place (None unless both have one floating dtype), finite differences counted by decade (-3 counts
    0.001 to 0.01), and the numbers of NaN and of infinite elements in each."""

    mean: float
    ulps: int | None
    decades: Mapping[int, int]
    nans: tuple[int, int]
    infinities: tuple[int, int]


class ComparedValue(NamedTuple):
    """The comparison of two values; ``difference`` and ``statistics`` are None unless elements differ, ``statistics``
    also for strings."""

    how: Literal["equal", "dtype", "shape", "values"]
    difference: ValueDifference | None = None
    statistics: ValueStatistics | None = None


def compare_values(a: Array, b: Array, tolerances: Mapping[str, Tolerance]) -> ComparedValue:
    """Compares two values. Two floating dtypes are compared by the tolerance of the narrower."""
    a, b = _with_bytes(a), _with_bytes(b)
    if a.shape != b.shape:
        return ComparedValue("shape")
    if a.dtype != b.dtype and not (_is_floating(a) and _is_floating(b)):
        return ComparedValue("dtype")
    narrow = a if a.dtype.itemsize <= b.dtype.itemsize else b
    tolerance = tolerances.get(of_numpy(narrow.dtype).name, Tolerance())
    worst: ValueDifference | None = None
    for start, one, other in _chunks(a, b):
        found = compare(one, other, tolerance)
        if found is not None:
            worst = merge(worst, found._replace(at=(start + found.at[0],)))
    if worst is None:
        return ComparedValue("equal")
    at = tuple(int(i) for i in np.unravel_index(worst.at[0], a.shape))
    statistics = None if a.dtype.kind in "Ob" else _statistics(a, b)
    return ComparedValue("values", worst._replace(at=at), statistics)


def _with_bytes(array: Array) -> Array:
    """Returns the array, with strings as objects of bytes."""
    if array.dtype.kind == "U":
        array = np.char.encode(array, "utf-8")
    return array.astype(object) if array.dtype.kind == "S" else array


def _is_floating(array: Array) -> bool:
    return of_numpy(array.dtype).is_floating


def _chunks(a: Array, b: Array) -> Iterator[tuple[int, Array, Array]]:
    """Yields consecutive flat parts of both arrays, each with its first index; in double if the dtypes differ."""
    flat_a, flat_b = a.reshape(-1), b.reshape(-1)
    for start in range(0, a.size, _CHUNK):
        one, other = flat_a[start : start + _CHUNK], flat_b[start : start + _CHUNK]
        if a.dtype != b.dtype:
            one, other = one.astype(np.float64), other.astype(np.float64)
        yield start, one, other


def _statistics(a: Array, b: Array) -> ValueStatistics:
    total, count, ulps = 0.0, 0, 0
    decades: Counter[int] = Counter()
    nans, infinities = [0, 0], [0, 0]
    has_ulps = a.dtype == b.dtype and _is_floating(a) and a.dtype.itemsize > 1
    for _, one, other in _chunks(a, b):
        wide = [x if x.dtype.kind == "c" else x.astype(np.float64) for x in (one, other)]
        for i, x in enumerate(wide):
            nans[i] += int(np.isnan(x).sum())
            infinities[i] += int(np.isinf(x).sum())
        finite = np.isfinite(wide[0]) & np.isfinite(wide[1])
        with np.errstate(over="ignore"):
            apart = np.abs(wide[0][finite] - wide[1][finite])
        total, count = total + float(apart.sum()), count + apart.size
        exponents = np.floor(np.log10(apart[(apart > 0) & np.isfinite(apart)])).astype(int)
        decades.update(dict(zip(*(x.tolist() for x in np.unique(exponents, return_counts=True)))))
        if has_ulps and finite.any():
            steps = [_ordered(x[finite]) for x in (one, other)]
            ulps = max(ulps, int((np.maximum(*steps) - np.minimum(*steps)).max()))
    return ValueStatistics(
        total / max(count, 1),
        ulps if has_ulps else None,
        dict(sorted(decades.items())),
        (nans[0], nans[1]),
        (infinities[0], infinities[1]),
    )


def _ordered(array: Array) -> Array:
    """Returns unsigned integers in the order of the floats, neighbours one apart; both zeros are the same."""
    size = array.dtype.itemsize
    bits = np.ascontiguousarray(array).view(f"u{size}").astype(np.uint64)
    sign = np.uint64(1 << (8 * size - 1))
    return np.where(bits & sign, sign - (bits & ~sign), sign + bits)
