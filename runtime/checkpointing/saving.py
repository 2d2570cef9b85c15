"""Saving of variables as a checkpoint: tfg's HDF5 state, or TensorFlow's bundle."""

from __future__ import annotations

from itertools import chain
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt import dtypes
from ...graphfmt.checkpoints.entries import Slice, StoredTensor
from ...graphfmt.checkpoints.hdf5 import state_file
from ...graphfmt.checkpoints.hdf5.encodings import encode, encoding_of
from ...graphfmt.checkpoints.hdf5.paths import VALUE
from ...graphfmt.checkpoints.hdf5.state_file import SavedState
from ...graphfmt.checkpoints.hdf5.state_reader import StateReader
from ...graphfmt.checkpoints.lazy_tensor import LazyTensor
from ...graphfmt.checkpoints.open import HDF5_SUFFIX, write_checkpoint
from ...graphfmt.errors import TfgError, invalid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...graphfmt.checkpoints.entries import CheckpointReader
    from ...graphfmt.checkpoints.hdf5.state_file import Key
    from ...graphfmt.dtypes import DType
    from ...graphfmt.tensors import Array
    from .restoring import Match, TensorSource
    from .variables import GraphVariable

# Tensors with fewer elements are read at once.
_LARGE = 1 << 20


def variable_values(matched: Match, reader: CheckpointReader) -> dict[Key, dict[str, Any]]:
    """Returns the values of variables for a state to be written; large tensors are read lazily, one at a time."""
    one = _OneAtATime(reader)
    return {variable.key: {VALUE: one.value(variable, source)} for variable, source in matched.taken.items()}


class _OneAtATime:
    """Reads large tensors in boxes if the format has checksums per chunk; of others, caches only the last tensor
    read."""

    def __init__(self, reader: CheckpointReader) -> None:
        self._reader = reader
        self._held: TensorSource | None = None
        self._whole: Array | None = None

    def value(self, variable: GraphVariable, source: TensorSource) -> Array | LazyTensor:
        dtype = variable.dtype or source.dtype
        if source.dtype is dtypes.string or prod(source.shape) < _LARGE:
            return source.read(self._reader, dtype)
        return LazyTensor(dtype.numpy, source.shape, lambda box: self._read(source, dtype, box))

    def _read(self, source: TensorSource, dtype: DType, box: tuple[slice, ...]) -> Array:
        if isinstance(self._reader, StateReader) and source.part is None and len(source.tensors) == 1:
            part = Slice(tuple(s.start for s in box), tuple(s.stop - s.start for s in box))
            return self._reader.read(source.tensors[0], part).astype(dtype.numpy, copy=False)
        if source is not self._held or self._whole is None:
            self._whole = None
            self._held, self._whole = source, source.read(self._reader, dtype)
        return self._whole[box]


def write_variables(
    path: str,
    matched: Match,
    reader: CheckpointReader,
    rest: SavedState,
    *,
    compress: bool = False,
    as_dtype: str | None = None,
    others: Sequence[StoredTensor] = (),
) -> None:
    """Writes the values that variables take from a reader.

    A path that ends in ``.h5`` becomes a state with ``rest``; any other path is the prefix of a bundle, which
    holds only variables, under the names and slices of the graph's own Restore nodes.

    Args:
        compress: for HDF5 only.
        others: tensors of a bundle besides variables.
        as_dtype: ``"bfloat16"`` or ``"half"`` stores floats in 16 bits; HDF5 keeps the original dtype as well.

    Raises what reading and writing raise.
    """
    if path.endswith(HDF5_SUFFIX):
        state = SavedState({**rest.resources, **variable_values(matched, reader)}, rest.notes)
        state_file.write(Path(path), state, compress=compress, as_dtype=as_dtype)
    else:
        write_checkpoint(path, chain(_tensors(matched, reader, as_dtype), others))


def _tensors(matched: Match, reader: CheckpointReader, as_dtype: str | None) -> Iterator[StoredTensor]:
    for variable, source in matched.taken.items():
        value = _narrowed(variable.name, source.read(reader, variable.dtype), as_dtype)
        stored = variable.stored
        if stored is None or stored.part is None:
            yield StoredTensor(stored.tensor if stored else variable.full_name, value)
        else:
            yield StoredTensor(stored.tensor, value, stored.part.slice, stored.part.shape)


def _narrowed(name: str, array: Array, as_dtype: str | None) -> Array:
    if as_dtype is None or dtypes.of_numpy(array.dtype) not in (dtypes.float32, dtypes.float64):
        return array
    kept = dtypes.parse(as_dtype)
    try:
        return np.asarray(encode(array, encoding_of(array, kept))).view(kept.numpy)
    except TfgError as error:
        raise invalid(f"{name!r}: {error.message}", hint=error.hint) from error
