"""Writes bundles atomically: at every moment the prefix has a complete bundle, the old or the new one.

The data goes to a new file whose name no index refers to. Then the new index replaces the old one in one step, and the
old data files are removed. A killed writer leaves unreferenced files, which the next writer removes.
"""

from __future__ import annotations

import os
import re
import stat
import time
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ... import dtypes
from ...errors import Location, Status, TfgError, invalid
from ...files import check_writable, file_error, flush_folder, reserved
from ...proto.checkpoint_pb2 import BundleEntryProto, BundleHeaderProto
from ..checksums import masked
from ..data_file import PIECE
from ..slices import is_whole, region_of, shape_of
from ..table.slice_keys import encoded, slice_key
from ..table.sstable import table_bytes
from .index import HEADER_KEY, VERSION, index_name, read_index, shard_name, slice_message
from .string_data import string_pieces

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from ...dtypes import DType
    from ...tensors import Array
    from ..entries import StoredTensor

# Small, so that pieces of large tensors bypass the buffer.
_BUFFER = 1 << 16

# The seconds to wait for another writer's lock of the folder, which is held only while files are renamed.
_LOCK_TIMEOUT = 10.0


def write_bundle(prefix: str, tensors: Iterable[StoredTensor]) -> None:
    """Writes tensors as a bundle, one at a time in the given order. Slices are stored as slices.

    Raises INVALID_ARGUMENT for a repeated name and for a dtype that no checkpoint holds; NOT_FOUND, PERMISSION_DENIED,
    RESOURCE_EXHAUSTED (a full disk), UNAVAILABLE (another writer holds the lock) or FAILED_PRECONDITION if files cannot
    be written. An existing bundle is then unchanged.
    """
    target = writable_target(prefix)
    with write_errors(prefix), reserved(target.with_name(f"{target.name}.data")) as (temporary, descriptor):
        with open(descriptor, "wb", buffering=_BUFFER, closefd=False) as file:
            entries = _write_data(file, tensors)
        os.fsync(descriptor)
        header = BundleHeaderProto(num_shards=1)
        header.version.producer = VERSION
        commit(target, header, entries, [temporary])


def writable_target(prefix: str) -> Path:
    """Returns the resolved prefix of a bundle that can be written. As in TensorFlow, creates one missing folder."""
    if not os.path.basename(prefix):  # noqa: PTH119 - Path drops the slash at the end
        raise invalid(f"{prefix!r} is a folder, not the prefix of a checkpoint")
    with write_errors(prefix):
        folder = Path(os.path.realpath(Path(prefix).parent))
        if not folder.exists():
            folder.mkdir()
        target = folder / Path(prefix).name
        check_writable(Path(index_name(str(target))))
    return target


@contextmanager
def write_errors(prefix: str) -> Generator[None]:
    """Converts system errors while a bundle is written to TfgErrors."""
    try:
        yield
    except (OSError, ValueError, MemoryError) as error:
        raise file_error(error, "written", index_name(prefix)) from error


def _write_data(file: BinaryIO, tensors: Iterable[StoredTensor]) -> dict[bytes, BundleEntryProto]:
    entries: dict[bytes, BundleEntryProto] = {}
    for tensor in tensors:
        try:
            key = _add_entry(entries, tensor)
            _write_value(file, entries[key], tensor)
        except TfgError as error:
            error.message = f"{tensor.name!r}: {error.message}"
            raise
    return entries


def _add_entry(entries: dict[bytes, BundleEntryProto], tensor: StoredTensor) -> bytes:
    """Adds the entry of a tensor or slice; returns its key."""
    dtype = tensor.dtype or dtypes.of_numpy(tensor.array.dtype)
    shape = tensor.array.shape if tensor.shape is None else tensor.shape
    key = encoded(tensor.name)
    part = tensor.part
    if shape_of(region_of(part, shape)) != tensor.array.shape:
        raise invalid(
            f"an array of shape {list(tensor.array.shape)} does not match that part of shape {list(shape)}"
        )
    if part is not None and not is_whole(part, shape):
        _add_slice(entries, tensor, _entry(dtype, shape))
        key = slice_key(tensor.name, part)
    if not key or key in entries:
        raise invalid("there are two tensors of this name" if key else "a tensor must have a name")
    entries[key] = _entry(dtype, tensor.array.shape)
    return key


def _add_slice(entries: dict[bytes, BundleEntryProto], tensor: StoredTensor, whole: BundleEntryProto) -> None:
    assert tensor.part is not None
    known = entries.setdefault(encoded(tensor.name), whole)
    if known is not whole and not known.slices:
        raise invalid("it is given whole and in slices")
    if (known.dtype, known.shape) != (whole.dtype, whole.shape):
        raise invalid("its slices differ in dtype or shape")
    known.slices.append(slice_message(tensor.part))


def _entry(dtype: DType, shape: tuple[int, ...]) -> BundleEntryProto:
    entry = BundleEntryProto(dtype=dtype.number)  # pyright: ignore[reportArgumentType]
    entry.shape.SetInParent()
    for size in shape:
        entry.shape.dim.add(size=size)
    return entry


def _write_value(file: BinaryIO, entry: BundleEntryProto, tensor: StoredTensor) -> None:
    entry.offset = file.tell()
    for piece, crc in _pieces(tensor.array, dtypes.of_number(entry.dtype)):
        file.write(piece)
        entry.crc32c = masked(crc)
    entry.size = file.tell() - entry.offset


def _pieces(array: Array, dtype: DType) -> Iterator[tuple[bytes | memoryview, int]]:
    """Yields the bytes of a tensor in pieces, each with the checksum of all bytes so far."""
    if dtype is dtypes.string:
        yield from string_pieces(array)
    elif dtype.is_opaque or array.dtype.hasobject:
        raise invalid(f"a checkpoint cannot hold {dtype}: only numbers and strings")
    else:
        yield from _number_pieces(array, dtype)


def _number_pieces(array: Array, dtype: DType) -> Iterator[tuple[memoryview, int]]:
    import google_crc32c

    raw = np.ascontiguousarray(array, dtype.numpy).reshape(-1).view(np.uint8)
    crc = 0
    for position in range(0, max(raw.size, 1), PIECE):
        piece = raw[position : position + PIECE]
        crc = google_crc32c.extend(crc, piece)
        yield piece.data, crc


def commit(
    prefix: Path,
    header: BundleHeaderProto,
    entries: Mapping[bytes, BundleEntryProto],
    data: Sequence[Path],
    *,
    removes_unreferenced: bool = True,
) -> None:
    """Puts a bundle in place: data files by shard, already flushed to disk, and the index of them.

    ``header.num_shards`` is increased until the names are free. The data files are linked to their new names, or
    renamed on a file system without hard links. The data files of the replaced index are removed, with
    ``removes_unreferenced`` also those of no index, which a killed writer has left. Raises OSError or UNAVAILABLE.
    """
    index = Path(index_name(str(prefix)))
    with _locked_folder(prefix.parent), reserved(index) as (temporary, descriptor):
        names = _free_names(prefix, header, len(data))
        obsolete = set(shards_of(prefix) if removes_unreferenced else _shards_of_index(prefix)) - set(names)
        _write_index(descriptor, header, entries)
        try:
            for source, name in zip(data, names):
                _link_or_rename(source, name)
            if index.exists():
                for path in (temporary, *names):
                    path.chmod(stat.S_IMODE(index.stat().st_mode))
            flush_folder(prefix.parent)
            temporary.replace(index)
        except BaseException:
            # An interrupt may come just after the index was replaced.
            for name in names if temporary.exists() else ():
                name.unlink(missing_ok=True)
            raise
        flush_folder(prefix.parent)
        for path in obsolete:
            with suppress(OSError):
                path.unlink()


def _shards_of_index(prefix: Path) -> list[Path]:
    """Returns the data files that the index of a bundle refers to; none if it cannot be read."""
    try:
        index = read_index(str(prefix))
    except TfgError:
        return []
    shards = {entry.shard_id for entry in index.entries.values()}
    return [Path(shard_name(str(prefix), shard, index.header.num_shards)) for shard in shards]


def shards_of(prefix: Path) -> list[Path]:
    """Returns the data files with a prefix."""
    pattern = re.compile(re.escape(prefix.name) + r"\.data-\d{5,}-of-\d{5,}")
    return [path for path in prefix.parent.iterdir() if pattern.fullmatch(path.name)]


def _free_names(prefix: Path, header: BundleHeaderProto, shards: int) -> list[Path]:
    """Returns unused names for data files: an existing index may refer to used ones."""
    taken = {path.name for path in shards_of(prefix)}
    for number in count(max(header.num_shards, shards, 1)):
        names = [Path(shard_name(str(prefix), shard, number)) for shard in range(shards)]
        if taken.isdisjoint(name.name for name in names):
            header.num_shards = number
            return names
    raise AssertionError


def _link_or_rename(source: Path, name: Path) -> None:
    try:
        os.link(source, name)
    except FileExistsError:
        raise
    except OSError:
        source.rename(name)


def _write_index(
    descriptor: int, header: BundleHeaderProto, entries: Mapping[bytes, BundleEntryProto]
) -> None:
    with open(descriptor, "wb", buffering=_BUFFER, closefd=False) as file:
        file.writelines(table_bytes(_items(header, entries)))
    os.fsync(descriptor)


def _items(
    header: BundleHeaderProto, entries: Mapping[bytes, BundleEntryProto]
) -> Iterator[tuple[bytes, bytes]]:
    yield HEADER_KEY, header.SerializeToString(deterministic=True)
    for key in sorted(entries):
        yield key, entries[key].SerializeToString(deterministic=True)


@contextmanager
def _locked_folder(folder: Path) -> Generator[None]:
    """Locks a folder while files are renamed, so that writers do not remove each other's data."""
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        deadline = time.monotonic() + _LOCK_TIMEOUT
        while not _try_lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if time.monotonic() > deadline:
                raise TfgError(
                    Status.UNAVAILABLE, f"another process has locked {folder}", location=Location(str(folder))
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, how: int) -> bool:
    """Tries to lock; returns True also on a file system without locks, where other writers go unnoticed."""
    import fcntl

    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
