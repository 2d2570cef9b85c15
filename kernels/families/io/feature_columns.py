"""The values of one feature over a batch of messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.tensors import Array


class FeatureColumn(NamedTuple):
    """The values of a feature, those of one message after those of the one before.

    Attributes:
        is_present: bool[messages], whether the message has the feature.
        counts: int64[messages], how many values it has.
        values: those of all messages.
    """

    is_present: Array
    counts: Array
    values: Array


def column_of(lists: Sequence[Any], dtype: DType) -> FeatureColumn:
    """Returns the column of a list per message, None for one that is missing."""
    is_present = np.array([values is not None for values in lists], bool)
    counts = np.array([len(values or ()) for values in lists], np.int64)
    flat = [value for values in lists for value in values or ()]
    joined = np.empty(len(flat), dtype.numpy)
    joined[:] = flat
    return FeatureColumn(is_present, counts, joined)


def counted(sizes: Array) -> Array:
    """Returns 0, 1, … for each size, one after the other."""
    total = int(sizes.sum())
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.arange(total) - starts
