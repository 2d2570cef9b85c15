"""Reads V1 checkpoints, those of TensorFlow before 2016: one sorted table, or one for each writer.

The empty key of a table has the metadata; the other keys, one for each slice (see ``slice_keys``), have a message
with the elements in the typed field of a TensorProto. Source: TensorFlow's saved_tensor_slice.proto.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ... import dtypes
from ...errors import Status, TfgError
from ...proto.binary import parse_message
from ...proto.checkpoint_pb2 import SavedTensorSlices
from ...tensors import FIELD_OF
from ..bundle.index import check_version, dtype_of, shape_of_message, slices_of
from ..data_file import DataFile, data_loss
from ..entries import TensorEntry
from ..lookup import entry_of, read_slices
from ..slices import is_whole, shape_of
from .slice_keys import slice_key
from .sstable import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from ...dtypes import DType
    from ...proto.tensor_pb2 import TensorProto
    from ...tensors import Array
    from ..entries import Slice
    from ..slices import Region

META_KEY = b""

# Fields whose elements have the dtype of the tensor; int_val also holds narrower integers.
_EXACT = ("float_val", "double_val", "int64_val", "uint32_val", "uint64_val", "bool_val")


class _StoredSlice(NamedTuple):
    """A slice of a tensor and its table."""

    part: Slice
    table: Table


class V1Reader:
    """An open V1 checkpoint with all its tables, one for each of ``files``. Tensors are read on demand.

    Raises NOT_FOUND, PERMISSION_DENIED, DATA_LOSS, or FAILED_PRECONDITION for a future version of the format.
    """

    def __init__(self, path: str, files: Sequence[str]) -> None:
        self.path = path
        self._files: list[DataFile] = []
        self._kept: dict[str, list[_StoredSlice]] = {}
        entries: dict[str, TensorEntry] = {}
        try:
            for name in files:
                self._open(name, entries)
        except BaseException:
            self.close()
            raise
        self._entries = dict(sorted(entries.items()))

    @property
    def entries(self) -> Mapping[str, TensorEntry]:
        return self._entries

    def read(self, name: str, part: Slice | None = None) -> Array:
        dtype = entry_of(self, name).dtype
        kept = self._kept[name]
        return read_slices(
            self,
            name,
            part,
            [stored.part for stored in kept],
            lambda place, region: self._locate(name, kept[place], dtype, region),
        )

    def close(self) -> None:
        for file in self._files:
            file.close()

    def __enter__(self) -> V1Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, path: str, entries: dict[str, TensorEntry]) -> None:
        file = DataFile(path)
        self._files.append(file)
        table = Table(file)
        value = table.get(META_KEY)
        if value is None:
            raise data_loss(path, "the table has no metadata: it is not a checkpoint")
        meta = parse_message(SavedTensorSlices(), value, path).meta
        check_version(meta.versions, path)
        for tensor in meta.tensor:
            try:
                shape = shape_of_message(tensor.shape)
                parts = slices_of(tensor.slice, shape)
                whole = len(parts) == 1 and is_whole(parts[0], shape)
                entry = TensorEntry(dtype_of(tensor.type), shape, () if whole else parts)
            except TfgError as error:
                raise data_loss(path, f"{tensor.name!r}: {error.message}") from None
            entries[tensor.name] = self._joined(entries.get(tensor.name), entry, tensor.name, path)
            self._kept.setdefault(tensor.name, []).extend(_StoredSlice(part, table) for part in parts)

    def _joined(self, known: TensorEntry | None, entry: TensorEntry, name: str, path: str) -> TensorEntry:
        """Merges the entries of one tensor in several tables."""
        if known is None:
            return entry
        if (known.dtype, known.shape) != (entry.dtype, entry.shape) or not (known.slices and entry.slices):
            raise data_loss(path, f"{name!r} does not match its entry in another table of the checkpoint")
        return entry._replace(slices=known.slices + entry.slices)

    def _locate(
        self, name: str, stored: _StoredSlice, dtype: DType, region: Region
    ) -> Callable[[Array], None]:
        """Returns a function that copies a stored slice into an array. The elements are decoded first, to check
        their number."""
        path = stored.table.path
        value = stored.table.get(slice_key(name, stored.part))
        if value is None:
            raise data_loss(path, f"a slice of {name!r} is missing")
        elements = _elements(parse_message(SavedTensorSlices(), value, path).data.data, dtype, path)
        if elements.size != prod(shape_of(region)):
            raise data_loss(
                path, f"{name!r} has a slice of shape {list(shape_of(region))} with {elements.size} elements"
            )

        def fill(array: Array) -> None:
            array[...] = elements.reshape(array.shape)

        return fill


def _elements(message: TensorProto, dtype: DType, path: str) -> Array:
    """Returns the elements in the typed field of a message, as a vector."""
    field = FIELD_OF.get(dtype.name, "")
    if dtype is dtypes.string:
        vector = np.empty(len(message.string_val), object)
        vector[:] = list(message.string_val)
        return vector
    if dtype.is_opaque or field == "float8_val":
        raise TfgError(
            Status.UNIMPLEMENTED, f"{path} holds a tensor of {dtype}, which V1 checkpoints cannot hold"
        )
    values = getattr(message, field)
    if field == "half_val":
        return np.fromiter(values, np.int32, len(values)).astype(np.uint16).view(dtype.numpy)
    if dtype.is_complex:
        part = np.dtype(f"f{dtype.size // 2}")
        return np.fromiter(values, part, len(values) // 2 * 2).view(dtype.numpy)
    wide = dtype.numpy if field in _EXACT else np.dtype(np.int32)
    return np.fromiter(values, wide, len(values)).astype(dtype.numpy, copy=False)
