"""Batches of feeds along axis 0, epoch after epoch, in an order that a seed decides.

The position is two numbers, so that a state file can hold it and a resumed run continues with the next batch: the
order of an epoch follows from the seed and the number of the epoch alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...graphfmt.errors import Status, TfgError, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...graphfmt.tensors import Array


class Position(NamedTuple):
    """The position of the next batch."""

    epoch: int = 0
    batch: int = 0


START = Position()


@dataclass(frozen=True)
class Batches:
    """``arrays`` all have ``count`` rows; a batch takes ``size`` of them. The last batch of an epoch is
    smaller where ``count`` is no multiple of ``size``: left out under ``only_whole``, and under ``padded`` filled up
    by repeating its last row."""

    arrays: Mapping[str, Array]
    count: int
    size: int
    shuffle: bool = False
    seed: int = 0
    only_whole: bool = False
    padded: bool = False

    @property
    def per_epoch(self) -> int:
        """Batches in an epoch."""
        return self.count // self.size if self.only_whole else -(-self.count // self.size)

    def at(self, position: Position) -> dict[str, Array]:
        """The feeds of a batch."""
        rows: Any = slice(position.batch * self.size, (position.batch + 1) * self.size)
        if self.padded and rows.stop > self.count:
            rows = np.minimum(np.arange(rows.start, rows.stop), self.count - 1)
        if not self.shuffle:
            return {name: array[rows] for name, array in self.arrays.items()}
        chosen = _order(self.seed, position.epoch, self.count)[rows]
        return {name: array[chosen] for name, array in self.arrays.items()}

    def rows_at(self, position: Position) -> int:
        """The number of rows of a batch, without those that fill it up."""
        return min(self.size, self.count - position.batch * self.size)

    def after(self, position: Position) -> Position:
        """The position that follows."""
        if position.batch + 1 < self.per_epoch:
            return position._replace(batch=position.batch + 1)
        return Position(position.epoch + 1, 0)


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> Any:
    return np.random.Generator(np.random.PCG64([seed, epoch])).permutation(count)


def make_batches(
    arrays: Mapping[str, Array],
    size: int,
    *,
    shuffle: bool = False,
    seed: int = 0,
    only_whole: bool = False,
    padded: bool = False,
) -> Batches:
    """The batches of these arrays; see ``Batches``.

    Raises:
        TfgError: INVALID_ARGUMENT if there are no arrays, they differ in length, or are too short for one batch.
    """
    if not arrays:
        raise invalid("--batch needs at least one feed from a file", hint="--feed NAME=@data.npz[key]")
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise invalid(f"the feeds to be cut into batches differ in their number of rows: {shown}")
    batches = Batches(arrays, next(iter(lengths.values())), size, shuffle, seed, only_whole, padded)
    if batches.per_epoch == 0:
        raise TfgError(Status.INVALID_ARGUMENT, f"no batch of {size} can be made of {batches.count} rows")
    return batches
