"""``tfg run -o``: the values of all steps in one file, in bounded memory.

With ``--batch``, a fetch whose first axis is the rows of the batch is *joined*: row for row what one large step would
give. All others are *stacked* along a new first axis. A fetch whose shape changes from step to step, and not with
the batch, is *separate*: one array per step, ``name/1``, ``name/2``, … A *single* step is saved as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt.array_output import format_of, is_stream, save
from ...graphfmt.errors import TfgError, invalid
from ...graphfmt.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ...graphfmt.array_output import BlockArray
    from ...graphfmt.array_spool import ArraySpool
    from ...runtime.execution.runner import StepResult


class SavedFetch(NamedTuple):
    """How a fetch was saved: ``joined``, ``stacked``, ``separate`` or ``single``; its shape, None if separate."""

    name: str
    how: str
    shape: tuple[int, ...] | None


class SavedFetches:
    """Takes the values of each step, and writes the file at the end.

    ``may_join`` tells for each fetch whether its first axis may be the rows of a batch; it is empty without batches.
    """

    def __init__(self, path: Path, names: Sequence[str], may_join: Sequence[bool]) -> None:
        self._path = path
        self._names = names
        self._follows_batch = list(may_join) or [False] * len(names)
        self._first: StepResult | None = None
        self._spools: list[ArraySpool] = []

    def add(self, result: StepResult) -> None:
        """Takes the values of a finished step."""
        if self._first is None:
            self._first = result
            return
        if not self._spools:
            self._spools = self._open_spools()
            self._append(self._first)
        self._append(result)

    def _open_spools(self) -> list[ArraySpool]:
        from ...graphfmt.array_spool import ArraySpool

        folder = None if is_stream(self._path) else self._path.absolute().parent
        return [ArraySpool(folder) for _ in self._names]

    def _append(self, result: StepResult) -> None:
        assert self._first is not None
        for i, value in enumerate(result.values):
            self._spools[i].append(value)
            if self._follows_batch[i]:
                is_alike = value.shape[1:] == self._first.values[i].shape[1:]
                self._follows_batch[i] = is_alike and value.shape[:1] == (result.rows,)

    def save(self) -> list[SavedFetch]:
        """Writes the file, unless there was no step; returns what it holds."""
        if self._first is None:
            return []
        if not self._spools:
            values = dict(zip(self._names, self._first.values))
            save(self._path, values)
            return [SavedFetch(name, "single", value.shape) for name, value in values.items()]
        arrays: dict[str, BlockArray] = {}
        saved: list[SavedFetch] = []
        for name, spool, follows in zip(self._names, self._spools, self._follows_batch):
            if name not in [fetch.name for fetch in saved]:
                saved.append(self._assemble(name, spool, follows, arrays))
        save(self._path, arrays)
        return saved

    def _assemble(
        self, name: str, spool: ArraySpool, follows: bool, arrays: dict[str, BlockArray]
    ) -> SavedFetch:
        """Adds the arrays of a fetch to those to be saved."""
        if follows:
            arrays[name] = spool.joined()
            return SavedFetch(name, "joined", arrays[name].shape)
        other = next((shape for shape in spool.shapes if shape != spool.shapes[0]), None)
        if other is None:
            arrays[name] = spool.stacked()
            return SavedFetch(name, "stacked", arrays[name].shape)
        if format_of(self._path, len(self._names)) == ".npy":
            raise _differing_shapes(name, spool.shapes[0], other)
        arrays.update({f"{name}/{i + 1}": one for i, one in enumerate(spool.separate())})
        return SavedFetch(name, "separate", None)

    def close(self) -> None:
        """Deletes what is kept on disk."""
        for spool in self._spools:
            spool.close()


def _differing_shapes(name: str, one: Sequence[int], other: Sequence[int]) -> TfgError:
    return invalid(
        f"{name!r} has shape {Shape(tuple(one))} in one step and {Shape(tuple(other))} in another, "
        "and a .npy file holds one array",
        hint="use .npz, which gets an array per step",
    )
