"""Reads bundles, TensorFlow's V2 checkpoints; ``index`` describes the format."""

from __future__ import annotations

from contextlib import closing, suppress
from math import prod
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from ... import dtypes
from ...errors import Location, Status, TfgError
from ...proto.checkpoint_pb2 import BundleHeaderProto
from ..checksums import unmasked
from ..data_file import DataFile, data_loss
from ..entries import TensorEntry
from ..lookup import entry_of, read_slices
from ..slices import shape_of
from ..table.slice_keys import decoded_name, encoded, slice_key
from .index import dtype_of, index_name, read_index, shape_of_message, shard_name, slices_of
from .string_data import strings_from

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from ...dtypes import DType
    from ...proto.checkpoint_pb2 import BundleEntryProto
    from ...tensors import Array
    from ..entries import Slice
    from ..slices import Region
    from .index import Index

# The attempts to open a bundle that is replaced in the meantime.
_MAX_ATTEMPTS = 100
# The data files opened at once, so that no writer can remove them; a process may not open all of very many.
_MAX_OPEN = 200


class BundleReader:
    """An open bundle; ``path`` is its prefix. Thread-safe.

    The index is read at once, the data on demand: always that of the bundle that was opened, even if it is replaced.

    Raises NOT_FOUND, PERMISSION_DENIED, DATA_LOSS, or FAILED_PRECONDITION for a future version of the format.
    """

    def __init__(self, prefix: str) -> None:
        self.path = prefix
        self._index = index_name(prefix)
        self._files: dict[int, DataFile] = {}
        self._opening = Lock()
        header, self._stored = self._open()
        self._order = ">" if header.endianness == BundleHeaderProto.BIG else "<"
        try:
            self._entries = self._tensors()
        except TfgError:
            self.close()
            raise

    @property
    def entries(self) -> Mapping[str, TensorEntry]:
        return self._entries

    def read(self, name: str, part: Slice | None = None) -> Array:
        entry = entry_of(self, name)
        keys = [slice_key(name, stored) for stored in entry.slices] or [encoded(name)]
        return read_slices(
            self,
            name,
            part,
            entry.slices or [None],
            lambda place, region: self._locate(name, keys[place], entry.dtype, region),
        )

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

    def __enter__(self) -> BundleReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> Index:
        """Reads the index and opens the data files; tries again if a writer replaced the bundle in the meantime."""
        for _ in range(_MAX_ATTEMPTS):
            with closing(DataFile(self._index)) as file:
                index = read_index(self.path)
                self._shards = index.header.num_shards
                # A missing or further file is reported when a tensor in it is read.
                shards = sorted({entry.shard_id for entry in index.entries.values()})
                for shard in shards[:_MAX_OPEN]:
                    with suppress(TfgError):
                        self._file(shard)
                if file.is_current():
                    return index
            self.close()
        raise TfgError(
            Status.UNAVAILABLE, f"{self.path!r} is being replaced continually", location=Location(self._index)
        )

    def _tensors(self) -> dict[str, TensorEntry]:
        """Returns the tensors in the index; the entries of slices belong to their tensors."""
        entries: dict[bytes, TensorEntry] = {}
        slice_keys: set[bytes] = set()
        for key, stored in self._stored.items():
            try:
                shape = shape_of_message(stored.shape)
                entry = TensorEntry(dtype_of(stored.dtype), shape, slices_of(stored.slices, shape))
            except TfgError as error:
                raise data_loss(self._index, f"{decoded_name(key)!r}: {error.message}") from None
            entries[key] = entry
            slice_keys.update(slice_key(decoded_name(key), part) for part in entry.slices)
        return {decoded_name(key): entry for key, entry in entries.items() if key not in slice_keys}

    def _locate(self, name: str, key: bytes, dtype: DType, region: Region) -> Callable[[Array], None]:
        """Returns a function that reads a stored tensor or slice into an array, after checking that its bytes exist."""
        stored = self._stored.get(key)
        if stored is None:
            raise data_loss(self._index, f"a slice of {name!r} is missing")
        shape = shape_of(region)
        if shape_of_message(stored.shape) != shape or stored.dtype != dtype.number or stored.slices:
            raise data_loss(
                self._index, f"a slice of {name!r} is not of the tensor's dtype and the slice's shape"
            )
        if dtype.is_opaque and dtype is not dtypes.string:
            raise TfgError(
                Status.UNIMPLEMENTED,
                f"{name!r} has dtype {dtype}, which only TensorFlow can read",
                location=Location(self._index),
            )
        count = prod(shape)
        size_fits = stored.size >= count if dtype is dtypes.string else stored.size == count * dtype.size
        if not size_fits:
            raise data_loss(
                self._index, f"{name!r} is of {dtype} and shape {list(shape)}, but has {stored.size} bytes"
            )
        file = self._file(stored.shard_id)
        file.check(stored.offset, stored.size)
        fill = self._fill_strings if dtype is dtypes.string else self._fill_numbers
        return lambda array: fill(array, name, stored, file)

    def _file(self, shard: int) -> DataFile:
        with self._opening:
            if shard not in self._files:
                self._files[shard] = DataFile(shard_name(self.path, shard, self._shards))
            return self._files[shard]

    def _fill_numbers(self, array: Array, name: str, stored: BundleEntryProto, file: DataFile) -> None:
        raw = array.reshape(-1).view(np.uint8)
        if file.read_into(raw, stored.offset) != unmasked(stored.crc32c):
            raise data_loss(file.path, f"{name!r} does not match its checksum")
        if self._order == ">":
            _swap(array)
        if array.dtype == bool and raw.max(initial=0) > 1:
            raise data_loss(file.path, f"{name!r} is of bool, but has other bytes than 0 and 1")

    def _fill_strings(self, array: Array, name: str, stored: BundleEntryProto, file: DataFile) -> None:
        if not array.size:
            return
        try:
            strings, crc = strings_from(file.read(stored.offset, stored.size), array.size, self._order)
        except ValueError as error:
            raise data_loss(file.path, f"{name!r}: {error}") from None
        if crc != unmasked(stored.crc32c):
            raise data_loss(file.path, f"{name!r} does not match its checksum")
        array.reshape(-1)[:] = strings


def _swap(array: Array) -> None:
    """Swaps the bytes of numbers in place, separately for both parts of complex numbers."""
    size = array.dtype.itemsize // (2 if array.dtype.kind == "c" else 1)
    array.reshape(-1).view(f"u{size}").byteswap(inplace=True)
