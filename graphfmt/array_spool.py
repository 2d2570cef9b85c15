"""Values of many steps, kept in an unnamed temporary file until it is known how they become arrays.

Only there is it known whether all have one shape, or differ in their number of rows. The bytes on disk are the same
for joined and for stacked values: row after row.
"""

from __future__ import annotations

import math
from array import array as number_list
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .array_output import bytes_of
from .arrays import plain_numbers
from .files import file_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .tensors import Array

_BLOCK_BYTES = 4 << 20


class SpooledArray(NamedTuple):
    """A part of a spool as an array of this shape, to be written block by block."""

    spool: ArraySpool
    start: int
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.spool.dtype

    def blocks(self) -> Iterator[Array]:
        """Yields the rows, a few MiB at a time."""
        if not self.shape or 0 in self.shape:
            yield self.spool.read(self.start, math.prod(self.shape)).reshape(self.shape)
            return
        width = math.prod(self.shape[1:])
        rows = max(1, _BLOCK_BYTES // (width * self.dtype.itemsize))
        for row in range(0, self.shape[0], rows):
            count = min(rows, self.shape[0] - row)
            elements = self.spool.read(self.start + row * width, count * width)
            yield elements.reshape(count, *self.shape[1:])


class ArraySpool:
    """The values of one fetch, one per step. ``shapes`` has theirs; equal neighbours are one object.

    Raises RESOURCE_EXHAUSTED if the disk is full.
    """

    def __init__(self, folder: Path | None) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self._folder = folder
        self._elements: _NumberFile | _StringFile | None = None

    def append(self, value: Array) -> None:
        """Adds the value of a step."""
        value = plain_numbers(value)
        if self._elements is None:
            kind = _StringFile if value.dtype == object else _NumberFile
            self._elements = kind(self._folder, value.dtype)
        is_same = bool(self.shapes) and self.shapes[-1] == value.shape
        self.shapes.append(self.shapes[-1] if is_same else value.shape)
        try:
            self._elements.append(value)
        except OSError as error:
            raise file_error(error, "written", str(self._folder or "a temporary file")) from error

    def joined(self) -> SpooledArray:
        """Returns all rows of all values, which differ in their number of rows at most."""
        return SpooledArray(self, 0, (sum(shape[0] for shape in self.shapes), *self.shapes[0][1:]))

    def stacked(self) -> SpooledArray:
        """Returns the values, which have one shape, along a new first axis."""
        return SpooledArray(self, 0, (len(self.shapes), *self.shapes[0]))

    def separate(self) -> list[SpooledArray]:
        """Returns the value of each step."""
        found: list[SpooledArray] = []
        start = 0
        for shape in self.shapes:
            found.append(SpooledArray(self, start, shape))
            start += math.prod(shape)
        return found

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the elements; for strings, as wide as the longest."""
        assert self._elements is not None
        return self._elements.dtype

    def read(self, start: int, count: int) -> Array:
        """Returns so many elements from the one at ``start``."""
        assert self._elements is not None
        return self._elements.read(start, count)

    def close(self) -> None:
        """Deletes the temporary file."""
        if self._elements is not None:
            self._elements.close()


class _NumberFile:
    """Numbers of one dtype in a temporary file."""

    def __init__(self, folder: Path | None, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._file = _temporary_file(folder)

    def append(self, value: Array) -> None:
        self._file.write(bytes_of(value))

    def read(self, start: int, count: int) -> Array:
        self._file.seek(start * self.dtype.itemsize)
        return np.frombuffer(self._file.read(count * self.dtype.itemsize), self.dtype)

    def close(self) -> None:
        _close(self._file)


class _StringFile:
    """Strings in a temporary file, one after the other; their ends are in memory."""

    def __init__(self, folder: Path | None, dtype: np.dtype[Any]) -> None:
        self._file = _temporary_file(folder)
        self._ends = number_list("q", [0])
        self._width = 1

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(f"S{self._width}")

    def append(self, value: Array) -> None:
        for text in value.reshape(-1).tolist():
            self._file.write(text)
            self._ends.append(self._ends[-1] + len(text))
            self._width = max(self._width, len(text))

    def read(self, start: int, count: int) -> Array:
        ends = self._ends[start : start + count + 1]
        self._file.seek(ends[0])
        texts = [self._file.read(end - begin) for begin, end in pairwise(ends)]
        return np.array(texts, self.dtype)

    def close(self) -> None:
        _close(self._file)


def _temporary_file(folder: Path | None) -> IO[bytes]:
    from tempfile import TemporaryFile

    return TemporaryFile(dir=folder)


def _close(file: IO[bytes]) -> None:
    # What a full disk did not take is of no use any more.
    try:
        file.close()
    except OSError:
        return
