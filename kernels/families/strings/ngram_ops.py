"""N-grams of the strings of ragged rows."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, vector
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.string_tensors import array_of, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


class _NGrams(NamedTuple):
    """The attributes of StringNGrams. A negative ``pad_width`` pads by as much as each width allows."""

    separator: bytes
    widths: Sequence[int]
    left_pad: bytes
    right_pad: bytes
    pad_width: int
    preserve_short: bool

    def of_row(self, row: list[bytes]) -> Iterator[bytes]:
        """Yields the n-grams of a row, for one width after the other."""
        is_empty = True
        for width in self.widths:
            pad = min(width - 1, self.pad_width if self.pad_width >= 0 else width - 1)
            for ngram in self._of_width(row, width, pad):
                is_empty = False
                yield ngram
        if is_empty and row and self.preserve_short:
            if self.pad_width < 0:
                raise invalid("preserve_short_sequences without ngram_widths needs a pad_width of at least 0")
            yield from self._of_width(row, len(row) + 2 * self.pad_width, self.pad_width)

    def _of_width(self, row: list[bytes], width: int, pad: int) -> Iterator[bytes]:
        padded = [self.left_pad] * pad + row + [self.right_pad] * pad
        for first in range(len(padded) - width + 1):
            yield self.separator.join(padded[first : first + width])


def _shape(c: ShapeContext) -> list[Shape]:
    c.with_rank("data", 1)
    return [vector(None), c.with_rank("data_splits", 1)]


string_ngrams = op(
    "StringNGrams(data: string, data_splits: Tsplits; separator: string, ngram_widths: list(int) >= 0, "
    "left_pad: string, right_pad: string, pad_width: int, preserve_short_sequences: bool, "
    "Tsplits: type in {int32, int64} = int64) -> (ngrams: string, ngrams_splits: Tsplits)",
    shape=_shape,
)


@string_ngrams.kernel
def _(
    xp: Any, data: Any, splits: Any, *, separator: str, ngram_widths: Any, left_pad: str, right_pad: str,
    pad_width: int, preserve_short_sequences: bool,
) -> list[Any]:  # fmt: skip
    if data.ndim != 1 or splits.ndim != 1:
        raise invalid(
            f"data and data_splits must be vectors, but have shapes {data.shape} and {splits.shape}"
        )
    for width in ngram_widths:
        if width <= 0:
            raise invalid(f"ngram_widths must be positive, but has {width}")
    bounds = splits.tolist()
    _check_splits(bounds, data.size)
    if not data.size or not bounds:
        return [np.empty(0, object), np.zeros_like(splits)]
    ngrams = _NGrams(
        encode(separator),
        ngram_widths,
        encode(left_pad),
        encode(right_pad),
        pad_width,
        preserve_short_sequences,
    )
    items, counts = data.tolist(), [0]
    found: list[bytes] = []
    for first, last in itertools.pairwise(bounds):
        found += ngrams.of_row(items[first:last])
        counts.append(len(found))
    return [array_of((len(found),), found), np.array(counts, splits.dtype)]


def _check_splits(bounds: list[int], size: int) -> None:
    if not bounds:
        return
    if bounds[0] != 0:
        raise invalid(f"data_splits must begin with 0, but begins with {bounds[0]}")
    for first, last in itertools.pairwise(bounds):
        if not first <= last <= size:
            raise invalid(f"data_splits has {last} after {first}, for data of {size} elements")
    if bounds[-1] != size:
        raise invalid(f"data_splits must end with the {size} elements of data, but ends with {bounds[-1]}")
