"""Checkpoint reader over arrays in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt import dtypes
from ...graphfmt.checkpoints.entries import TensorEntry
from ...graphfmt.checkpoints.hdf5.paths import VALUE, VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from ...graphfmt.checkpoints.entries import Slice
    from ...graphfmt.checkpoints.hdf5.state_file import SavedState
    from ...graphfmt.tensors import Array


def variable_arrays(state: SavedState) -> dict[str, Array]:
    """Returns the values of variables, by their names in a state file; variables without a value are left out."""
    return {
        f"{container}:{name}" if container else name: arrays[VALUE]
        for (container, kind, name), arrays in state.resources.items()
        if kind == VARIABLE and VALUE in arrays
    }


def other_arrays(state: SavedState) -> dict[str, Array]:
    """Returns the contents of the other resources, keyed ``kind/name:field``."""
    return {
        f"{kind}/{container}:{name}:{field}" if container else f"{kind}/{name}:{field}": array
        for (container, kind, name), arrays in state.resources.items()
        for field, array in arrays.items()
        if kind != VARIABLE
    }


class MemoryReader:
    """Arrays by name; see ``entries.Reader``."""

    def __init__(self, arrays: Mapping[str, Array], path: str) -> None:
        self.path = path
        self._arrays = arrays

    @property
    def entries(self) -> Mapping[str, TensorEntry]:
        return {n: TensorEntry(dtypes.of_numpy(a.dtype), a.shape) for n, a in sorted(self._arrays.items())}

    def read(self, name: str, part: Slice | None = None) -> Array:
        whole = self._arrays[name]
        if part is None:
            return whole
        return whole[tuple(slice(s, None if n < 0 else s + n) for s, n in zip(part.starts, part.lengths))]

    def close(self) -> None:
        pass

    def __enter__(self) -> MemoryReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
