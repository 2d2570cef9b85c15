"""Checkpoints that were never in a file."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np
from tfg.graphfmt import dtypes
from tfg.graphfmt.checkpoints.entries import Slice, TensorEntry
from tfg.graphfmt.tensors import Array


class Memory:
    """A reader of arrays that counts what is read."""

    path = "memory"

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self.arrays = {name: np.asarray(array) for name, array in arrays.items()}
        self.reads = 0

    @property
    def entries(self) -> Mapping[str, TensorEntry]:
        return {n: TensorEntry(dtypes.of_numpy(a.dtype), a.shape) for n, a in sorted(self.arrays.items())}

    def read(self, name: str, part: Slice | None = None) -> Array:
        self.reads += 1
        whole = self.arrays[name]
        if part is None:
            return whole
        ends = [size if n < 0 else s + n for s, n, size in zip(part.starts, part.lengths, whole.shape)]
        return whole[tuple(slice(s, e) for s, e in zip(part.starts, ends))]

    def close(self) -> None: ...

    def __enter__(self) -> Memory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def strings(*texts: bytes) -> Any:
    """A vector of strings."""
    array = np.empty(len(texts), object)
    array[:] = texts
    return array
