"""Crosses of features: every combination of one feature per column, row by row, as hashes or joined strings
(sparse_cross_op.cc and ragged_cross_op.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...graphfmt.errors import invalid
from ...graphfmt.shapes import MAX_ELEMENTS
from .hashes import farm_fingerprint64, fingerprint_cat64, sip_hash24
from .int_arguments import check_allocation

if TYPE_CHECKING:
    from collections.abc import Sequence

# What the first version of the operations puts between strings.
SEPARATOR = b"_X_"


class Column(NamedTuple):
    """The features of all rows: those of row i are ``values[starts[i] : starts[i] + counts[i]]``, strings or int64."""

    values: Any
    starts: Any
    counts: Any


class Crosses(NamedTuple):
    """The combinations: ``counts`` per row, the row and the number in it of each, and the values of each column."""

    counts: Any
    row_of: Any
    number: Any
    picks: list[Any]

    def joined(self, columns: Sequence[Column], separator: bytes) -> Any:
        """Returns the features of each combination as one string."""
        texts = [_as_strings(column.values)[pick] for column, pick in zip(columns, self.picks)]
        result = texts[0]
        for text in texts[1:]:
            result = result + separator + text
        return result

    def hashed(self, fingerprints: Sequence[Any], buckets: int, key: int | None) -> Any:
        """Returns a hash per combination of the columns' fingerprints, which begins with ``key`` if there is one."""
        first, *rest = [values[pick] for values, pick in zip(fingerprints, self.picks)]
        if key is not None:
            rest = [first, *rest]
            first = np.full(len(self.row_of), key & (2**64 - 1), np.uint64)
        for values in rest:
            first = fingerprint_cat64(first, values)
        # Without buckets, TensorFlow takes the remainder by the largest int64.
        return (first % np.uint64(buckets if buckets > 0 else 2**63 - 1)).astype(np.int64)


def cross(columns: Sequence[Column], rows: int) -> Crosses:
    """Combines columns of so many rows; the features of the last column change fastest.

    Raises INVALID_ARGUMENT and RESOURCE_EXHAUSTED for too many combinations.
    """
    if not columns:
        raise invalid("there must be at least one column of features to cross")
    bound = np.ones(rows)
    for column in columns:
        bound *= column.counts
    if bound.sum() > MAX_ELEMENTS:
        raise invalid(f"the columns have {bound.sum():.3g} combinations, which are too many")
    counts = bound.astype(np.int64)
    check_allocation((int(counts.sum()), 2 + len(columns)), 8)
    row_of = np.repeat(np.arange(rows), counts)
    number = np.arange(len(row_of)) - np.repeat(np.cumsum(counts) - counts, counts)
    rest, picks = number, []
    for column in reversed(columns):
        width = column.counts[row_of]
        picks.append(column.starts[row_of] + rest % width)
        rest = rest // width
    return Crosses(counts, row_of, number, picks[::-1])


def fingerprints(values: Any) -> Any:
    """The fingerprint of each feature, uint64: of an integer, the integer itself."""
    if values.dtype != object:
        return values.astype(np.uint64)
    return np.fromiter((farm_fingerprint64(x) for x in values.tolist()), np.uint64, len(values))


def keyed_hashes(values: Any, key: tuple[int, int] | None, *, whole_integers: bool = False) -> Any:
    """The hash of each feature, uint64: SipHash under a key, or else the fingerprint.

    Of integers TensorFlow hashes the lower four bytes, or takes the ``whole_integers`` where it has no key.
    """
    if values.dtype != object:
        if key is None and whole_integers:
            return values.astype(np.uint64)
        values = [x.tobytes() for x in values.astype("<i8").astype("<u4")]
    else:
        values = values.tolist()
    hashes = (farm_fingerprint64(x) if key is None else sip_hash24(x, key) for x in values)
    return np.fromiter(hashes, np.uint64, len(values))


def _as_strings(values: Any) -> Any:
    if values.dtype == object:
        return values
    result = np.empty(len(values), object)
    result[:] = [b"%d" % x for x in values.tolist()]
    return result
