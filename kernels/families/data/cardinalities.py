"""The numbers of elements of datasets as far as they follow from those of their inputs (CardinalityInternal of the
datasets in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

INFINITE = -1
UNKNOWN = -2


def batched(count: int, size: int, *, drops: bool) -> int:
    """Returns the number of batches."""
    if count < 0:
        return count
    return count // size if drops else -(-count // size)


def unbatched(count: int, size: int | None) -> int:
    """Returns the number of rows of batches, whose size is None if it is not known."""
    if count < 0:
        return count
    return UNKNOWN if size is None else count * size


def windowed(count: int, layout: tuple[int, int, int], *, drops: bool) -> int:
    """Returns the number of windows of a layout (size, shift, stride)."""
    size, shift, stride = layout
    if count < 0:
        return count
    if drops:
        return max((count - (size - 1) * stride - 1) // shift + 1, 0)
    return -(-count // shift)


def taken(count: int, limit: int) -> int:
    """Returns the number of elements of which ``limit`` are taken, all if that is negative."""
    if count == UNKNOWN or limit < 0:
        return count
    return limit if count == INFINITE else min(count, limit)


def skipped(count: int, number: int) -> int:
    """Returns the number of elements left, none if the number to skip is negative."""
    if count < 0:
        return count
    return 0 if number < 0 else max(count - number, 0)


def repeated(count: int, times: int) -> int:
    """Returns the number of elements of several passes, of endlessly many if ``times`` is negative."""
    if times == 0 or count == 0:
        return 0
    if times < 0:
        return INFINITE
    return count if count < 0 else count * times


def sharded(count: int, shards: int, index: int) -> int:
    """Returns the number of elements of a shard."""
    return count if count < 0 else count // shards + (index < count % shards)


def concatenated(counts: Sequence[int]) -> int:
    """Returns the sum."""
    if INFINITE in counts:
        return INFINITE
    return UNKNOWN if UNKNOWN in counts else sum(counts)


def zipped(counts: Sequence[int]) -> int:
    """Returns the smallest."""
    if UNKNOWN in counts:
        return UNKNOWN
    return min((count for count in counts if count != INFINITE), default=INFINITE)
