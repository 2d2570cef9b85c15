"""Statistics of checkpoint tensors, computed in chunks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...graphfmt import dtypes
from ...graphfmt.checkpoints.entries import Slice
from ...graphfmt.checkpoints.hdf5.state_reader import StateReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ...graphfmt.checkpoints.entries import CheckpointReader
    from ...graphfmt.dtypes import DType
    from ...graphfmt.tensors import Array

# Elements per chunk.
PIECE = 1 << 22


class Statistics(NamedTuple):
    """Statistics over elements other than NaN, which ``nans`` counts; None without elements.

    ``std`` is the population standard deviation.
    """

    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    nans: int


def statistics(reader: CheckpointReader, name: str) -> Statistics | None:
    """Returns the statistics of a tensor; None for strings, complex numbers and other dtypes without an order.

    Raises what reading it raises.
    """
    entry = reader.entries[name]
    if not has_order(entry.dtype):
        return None
    total = _Total()
    for _, piece in pieces(reader, name):
        total.add(piece)
    return total.result()


def has_order(dtype: DType) -> bool:
    """Returns True for dtypes whose elements are ordered numbers."""
    return not (dtype.is_opaque or dtype.is_complex or dtype is dtypes.string)


def pieces(reader: CheckpointReader, name: str) -> Iterator[tuple[Slice | None, Array]]:
    """Yields the tensor in consecutive slices."""
    read = slice_reader(reader, name)
    for part in chunk_slices(reader.entries[name].shape):
        yield part, read(part)


def slice_reader(reader: CheckpointReader, name: str) -> Callable[[Slice | None], Array]:
    """Returns a function that reads slices of a tensor.

    Only HDF5 has checksums per chunk; other formats, and strings, are read whole, once.
    """
    if isinstance(reader, StateReader) and reader.entries[name].dtype is not dtypes.string:
        return lambda part: reader.read(name, part)
    whole = reader.read(name)
    return lambda part: whole if part is None else whole[_places(part)]


def _places(part: Slice) -> tuple[slice, ...]:
    return tuple(slice(start, None if n < 0 else start + n) for start, n in zip(*part))


def chunk_slices(shape: tuple[int, ...], most: int = PIECE) -> Iterable[Slice | None]:
    """Yields contiguous slices of at most ``most`` elements that cover a tensor; None stands for all of a small
    one."""
    if math.prod(shape) <= most:
        yield None
        return
    axis = next(a for a in range(len(shape)) if math.prod(shape[a + 1 :]) <= most)
    rows, behind = max(most // math.prod(shape[axis + 1 :]), 1), len(shape) - axis - 1
    for index in np.ndindex(shape[:axis]):
        for start in range(0, shape[axis], rows):
            starts = (*index, start) + (0,) * behind
            yield Slice(starts, (1,) * axis + (min(rows, shape[axis] - start),) + (-1,) * behind)


class _Total:
    """Accumulated statistics; moments are merged after Chan, Golub and LeVeque (1979)."""

    def __init__(self) -> None:
        self._count = self._nans = 0
        self._mean = self._squares = 0.0
        self._least: float | None = None
        self._most: float | None = None

    def add(self, piece: Array) -> None:
        if piece.dtype.kind not in "biu":
            piece = piece.astype(np.float64)
            missing = np.isnan(piece)
            self._nans += int(missing.sum())
            piece = piece[~missing]
        if not piece.size:
            return
        least, most = piece.min().item(), piece.max().item()
        self._least = least if self._least is None else min(self._least, least)
        self._most = most if self._most is None else max(self._most, most)
        with np.errstate(all="ignore"):
            self._join(piece.astype(np.float64, copy=False))

    def _join(self, numbers: Array) -> None:
        mean = float(numbers.mean())
        squares = float(np.square(numbers - mean).sum())
        count = self._count + numbers.size
        apart = mean - self._mean
        self._squares += squares + apart * apart * self._count * numbers.size / count
        self._mean += apart * numbers.size / count
        self._count = count

    def result(self) -> Statistics:
        if not self._count:
            return Statistics(None, None, None, None, self._nans)
        std = math.sqrt(self._squares / self._count)
        return Statistics(self._least, self._most, self._mean, std, self._nans)
