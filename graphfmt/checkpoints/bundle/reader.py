"""Reading bundles, TensorFlow's checkpoints since 2016 (bundleindex says what they are made of)."""

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
from ..data_file import DataFile, lost
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

# How often a bundle is replaced while it is being opened before that is given up.
_PATIENCE = 100
# Of so many data files none can be taken away by a writer; there may be more than a process may open.
_MOST_OPEN = 200


class BundleReader:
    """A bundle, open; ``path`` is its prefix. The index is read at once, what is in the data files when it is
    asked for: that of the bundle that stood there then, whatever is put in its place. Threads may read at the same
    time.

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
        """Reads the index and opens the data files; again, where a writer has put others in their place
        meanwhile, for it removes those that only the old index knew."""
        for _ in range(_PATIENCE):
            with closing(DataFile(self._index)) as file:
                found = read_index(self.path)
                self._shards = found.header.num_shards
                # Files that are missing or too many are told of when they are asked for.
                shards = sorted({entry.shard_id for entry in found.entries.values()})
                for shard in shards[:_MOST_OPEN]:
                    with suppress(TfgError):
                        self._file(shard)
                if file.stands():
                    return found
            self.close()
        raise TfgError(
            Status.UNAVAILABLE, f"{self.path!r} is written all the time", location=Location(self._index)
        )

    def _tensors(self) -> dict[str, TensorEntry]:
        """What the index lists, less the entries of slices, which the tensors they belong to tell of."""
        found: dict[bytes, TensorEntry] = {}
        of_slices: set[bytes] = set()
        for key, stored in self._stored.items():
            try:
                shape = shape_of_message(stored.shape)
                entry = TensorEntry(dtype_of(stored.dtype), shape, slices_of(stored.slices, shape))
            except TfgError as error:
                raise lost(self._index, f"{decoded_name(key)!r}: {error.message}") from None
            found[key] = entry
            of_slices.update(slice_key(decoded_name(key), part) for part in entry.slices)
        return {decoded_name(key): entry for key, entry in found.items() if key not in of_slices}

    def _locate(self, name: str, key: bytes, dtype: DType, region: Region) -> Callable[[Array], None]:
        """How to fill an array with a stored tensor or slice, whose bytes are known to be there."""
        stored = self._stored.get(key)
        if stored is None:
            raise lost(self._index, f"a slice of {name!r} is missing")
        shape = shape_of(region)
        if shape_of_message(stored.shape) != shape or stored.dtype != dtype.number or stored.slices:
            raise lost(self._index, f"a slice of {name!r} is not of the tensor's dtype and the slice's shape")
        if dtype.is_opaque and dtype is not dtypes.string:
            raise TfgError(
                Status.UNIMPLEMENTED,
                f"{name!r} is of dtype {dtype}, which only TensorFlow can read",
                location=Location(self._index),
            )
        count = prod(shape)
        size_fits = stored.size >= count if dtype is dtypes.string else stored.size == count * dtype.size
        if not size_fits:
            raise lost(
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
            raise lost(file.path, f"{name!r} does not match its checksum")
        if self._order == ">":
            _swap(array)
        if array.dtype == bool and raw.max(initial=0) > 1:
            raise lost(file.path, f"{name!r} is of bool, but has other bytes than 0 and 1")

    def _fill_strings(self, array: Array, name: str, stored: BundleEntryProto, file: DataFile) -> None:
        if not array.size:
            return
        try:
            strings, crc = strings_from(file.read(stored.offset, stored.size), array.size, self._order)
        except ValueError as error:
            raise lost(file.path, f"{name!r}: {error}") from None
        if crc != unmasked(stored.crc32c):
            raise lost(file.path, f"{name!r} does not match its checksum")
        array.reshape(-1)[:] = strings


def _swap(array: Array) -> None:
    """Turns the bytes of numbers round, of each part of a complex number by itself."""
    size = array.dtype.itemsize // (2 if array.dtype.kind == "c" else 1)
    array.reshape(-1).view(f"u{size}").byteswap(inplace=True)
