"""Checkpoint files of every format: variables, other resources, notes, and verification."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...graphfmt import dtypes
from ...graphfmt.checkpoints.bundle.object_graph import OBJECT_GRAPH
from ...graphfmt.checkpoints.bundle.reader import BundleReader
from ...graphfmt.checkpoints.hdf5.paths import VALUE, VARIABLE
from ...graphfmt.checkpoints.hdf5.state_file import SavedState
from ...graphfmt.checkpoints.hdf5.state_reader import StateReader
from ...graphfmt.checkpoints.open import open_checkpoint
from ...graphfmt.errors import TfgError
from .memory_reader import MemoryReader, other_arrays, variable_arrays

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from ...graphfmt.checkpoints.entries import CheckpointReader, TensorEntry
    from ...graphfmt.checkpoints.hdf5.state_file import Key
    from ...graphfmt.graph import Graph
    from ...graphfmt.tensors import Array

# TensorFlow 1's step counter.
_GLOBAL_STEP = "global_step"


@dataclass(frozen=True)
class Checkpoint:
    """An open checkpoint. ``rest`` is what a state of tfg's has besides the values of variables: other
    resources, and notes such as the step's number and the position in the feeds."""

    path: str
    format: str
    reader: CheckpointReader
    rest: SavedState = field(default_factory=SavedState)

    @property
    def tensors(self) -> Mapping[str, TensorEntry]:
        """Returns all tensors except the object graph of a TensorFlow 2 checkpoint."""
        return {name: entry for name, entry in self.reader.entries.items() if name != OBJECT_GRAPH}

    @property
    def others(self) -> list[tuple[str, str]]:
        """Returns kind and name of every resource that is not a variable."""
        return [(kind, name) for _, kind, name in self.rest.resources if kind != VARIABLE]

    @property
    def others_reader(self) -> CheckpointReader:
        """Returns a reader of the resources that are not variables."""
        return MemoryReader(other_arrays(self.rest), self.path)

    @property
    def step(self) -> int | None:
        """Returns the number of steps done, from the notes or from ``global_step``; None if neither is there."""
        step = self.rest.notes.get("step")
        if type(step) is int:
            return step
        entry = self.reader.entries.get(_GLOBAL_STEP)
        if entry is None or entry.shape or entry.dtype not in (dtypes.int32, dtypes.int64):
            return None
        return int(self.reader.read(_GLOBAL_STEP))


@contextmanager
def read_checkpoint(path: str | Path) -> Generator[Checkpoint]:
    """Opens a checkpoint of any format as a context; raises what ``open_checkpoint`` raises."""
    with open_checkpoint(path) as reader:
        if isinstance(reader, StateReader):
            yield Checkpoint(str(path), "HDF5", reader, _rest(reader))
        else:
            kind = "bundle" if isinstance(reader, BundleReader) else "V1 table"
            yield Checkpoint(str(path), kind, reader)


def restored_state(graph: Graph, path: str | Path) -> SavedState:
    """Returns the state that a session of a graph restores from a checkpoint: variables and, from tfg's own
    format, all else.

    A variable without a value when the checkpoint was written stays without one. Raises what
    ``read_checkpoint`` and ``match_tensors`` raise, so another graph's checkpoint is refused.
    """
    from .restoring import match_tensors
    from .variables import graph_variables

    with read_checkpoint(path) as checkpoint:
        rest = checkpoint.rest
        wanted = [variable for variable in graph_variables(graph) if variable.key not in rest.resources]
        matched = match_tensors(wanted, checkpoint.reader)
        values: dict[Key, dict[str, Array]] = {
            variable.key: {VALUE: source.read(checkpoint.reader, variable.dtype)}
            for variable, source in matched.taken.items()
        }
        step = checkpoint.step
        notes = rest.notes if step is None else {"step": step, **rest.notes}
        return SavedState({**rest.resources, **values}, notes)


def checkpoint_of_state(state: SavedState, name: str) -> Checkpoint:
    """Returns a session's state as a checkpoint; ``name`` stands for its path in messages."""
    reader = MemoryReader(variable_arrays(state), name)
    rest = {key: arrays for key, arrays in state.resources.items() if key[1] != VARIABLE or not arrays}
    return Checkpoint(name, "memory", reader, SavedState(rest, state.notes))


def _rest(reader: StateReader) -> SavedState:
    """Returns the state without the variables that have a value."""
    resources: dict[Key, dict[str, Array]] = {key: {} for key in reader.record.resources}
    for dataset in reader.datasets:
        container, kind, name, field, _ = dataset.origin
        if dataset.origin.is_variable:
            resources.pop((container, kind, name), None)
        else:
            resources.setdefault((container, kind, name), {})[field] = reader.array(dataset)
    return SavedState(resources, reader.notes)


def verify(path: str | Path) -> tuple[int | None, list[TfgError]]:
    """Reads a whole checkpoint; returns the number of tensors (None if it cannot be opened) and all faults."""
    try:
        with open_checkpoint(path) as reader:
            return len(reader.entries), list(_faults(reader))
    except TfgError as error:
        return None, [error]


def _faults(reader: CheckpointReader) -> Iterator[TfgError]:
    if isinstance(reader, StateReader):
        yield from reader.faults()
        return
    for name in reader.entries:
        try:
            reader.read(name)
        except TfgError as error:
            yield error
