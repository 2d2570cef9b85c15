"""Row partitions of ragged tensors: row i has the elements from ``splits[i]`` up to ``splits[i + 1]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_splits(splits: Any, size: int, what: str = "row_splits", *, exact: bool = True) -> None:
    """Raises INVALID_ARGUMENT unless splits rise from 0 to ``size``; if not ``exact``, from anywhere to at most it."""
    if splits.ndim != 1 or not splits.size:
        raise invalid(f"{what} must be a vector that is not empty, but has shape {Shape(splits.shape)}")
    if (np.diff(splits) < 0).any():
        raise invalid(f"{what} must be sorted, but are {splits[:16].tolist()}")
    first, last = int(splits[0]), int(splits[-1])
    if first < 0 or (exact and first != 0):
        raise invalid(f"{what} must begin with 0, but begin with {first}")
    if last > size or (exact and last != size):
        raise invalid(f"{what} must end with the {size} elements that they divide, but end with {last}")


def check_nested_splits(nested: Sequence[Any], values: Any, *, exact: bool = True) -> None:
    """Raises INVALID_ARGUMENT unless each of the splits divides the rows of the next, and the last the values."""
    if not values.ndim:
        raise invalid("the values of a ragged tensor must have a rank of at least 1, but are a scalar")
    sizes = [max(inner.size - 1, 0) for inner in nested[1:]] + [values.shape[0]]
    for level, (splits, size) in enumerate(zip(nested, sizes)):
        check_splits(splits, size, f"the splits of ragged dimension {level + 1}", exact=exact)


def splits_of(lengths: Any, dtype: Any = np.int64) -> Any:
    """Returns the splits, dtype[rows + 1], of rows with these lengths."""
    splits = np.zeros(len(lengths) + 1, dtype)
    np.cumsum(lengths, out=splits[1:])
    return splits


def row_ids(splits: Any) -> Any:
    """The row of each element."""
    return np.repeat(np.arange(len(splits) - 1), np.diff(splits))


def ranges(starts: Any, lengths: Any) -> Any:
    """Concatenates the ranges of integers that begin at ``starts`` and have these lengths."""
    total = int(lengths.sum())
    before = np.cumsum(lengths) - lengths
    return np.arange(total) + np.repeat(starts - before, lengths)
