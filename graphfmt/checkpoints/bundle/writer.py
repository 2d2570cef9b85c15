"""Writing bundles so that at every moment one stands whole under its prefix: the old or the new.

Data goes to a file of its own, whose name, when it gets one, no index knows. The new index then takes the place
of the old one in a single step, and what only the old one used is removed. A writer that is killed leaves files
that no index uses, and the next writer removes them.
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
from .index import HEADER_KEY, VERSION, index_name, shard_name, slice_message
from .string_data import string_pieces

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from ...dtypes import DType
    from ...tensors import Array
    from ..entries import StoredTensor

# Small, so that pieces of large tensors go past the buffer.
_BUFFER = 1 << 16

# Moving files to their names takes milliseconds, so whoever holds the folder longer is no writer of ours.
_PATIENCE = 10.0


def write_bundle(prefix: str, tensors: Iterable[StoredTensor]) -> None:
    """Writes tensors as a bundle, in the order they come in and one at a time. Slices of a tensor are kept as
    such.

    Raises INVALID_ARGUMENT for a name that comes twice or what no checkpoint can hold; NOT_FOUND,
    PERMISSION_DENIED, RESOURCE_EXHAUSTED (a full disk), UNAVAILABLE (another writer does not end) or
    FAILED_PRECONDITION where files cannot be written. The bundle that stood there then stands as it did.
    """
    target = writable_target(prefix)
    with refusals(prefix), reserved(target.with_name(f"{target.name}.data")) as (temporary, descriptor):
        with open(descriptor, "wb", buffering=_BUFFER, closefd=False) as file:
            entries = _write_data(file, tensors)
        os.fsync(descriptor)
        header = BundleHeaderProto(num_shards=1)
        header.version.producer = VERSION
        commit(target, header, entries, [temporary])


def writable_target(prefix: str) -> Path:
    """The prefix, for a folder that is there. As in TensorFlow one folder is made where it is missing."""
    if not os.path.basename(prefix):  # noqa: PTH119 - Path drops the slash at the end
        raise invalid(f"{prefix!r} names no checkpoint: it ends in a folder")
    with refusals(prefix):
        folder = Path(os.path.realpath(Path(prefix).parent))
        if not folder.exists():
            folder.mkdir()
        target = folder / Path(prefix).name
        check_writable(Path(index_name(str(target))))
    return target


@contextmanager
def refusals(prefix: str) -> Generator[None]:
    """What the system refuses while a bundle is written, as a TfgError."""
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
    """Makes the entry of a tensor or slice, and returns its key."""
    dtype = tensor.dtype or dtypes.of_numpy(tensor.array.dtype)
    shape = tensor.array.shape if tensor.shape is None else tensor.shape
    key = encoded(tensor.name)
    part = tensor.part
    if shape_of(region_of(part, shape)) != tensor.array.shape:
        raise invalid(f"an array of shape {list(tensor.array.shape)} is not that part of shape {list(shape)}")
    if part is not None and not is_whole(part, shape):
        _add_slice(entries, tensor, _entry(dtype, shape))
        key = slice_key(tensor.name, part)
    if not key or key in entries:
        raise invalid("there are two of it" if key else "a tensor must have a name")
    entries[key] = _entry(dtype, tensor.array.shape)
    return key


def _add_slice(entries: dict[bytes, BundleEntryProto], tensor: StoredTensor, whole: BundleEntryProto) -> None:
    assert tensor.part is not None
    known = entries.setdefault(encoded(tensor.name), whole)
    if known is not whole and not known.slices:
        raise invalid("it comes whole and in slices")
    if (known.dtype, known.shape) != (whole.dtype, whole.shape):
        raise invalid("its slices are not of one dtype and one shape")
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
    """The bytes of a tensor, each piece with the checksum up to its end."""
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
    prefix: Path, header: BundleHeaderProto, entries: Mapping[bytes, BundleEntryProto], data: Sequence[Path]
) -> None:
    """Puts a bundle in place: data files by shard, already on the disk, and an index of them.

    The header's ``num_shards`` grows where names are taken. The data files keep their old names as well, or,
    where the file system has no links, lose them. Raises OSError or UNAVAILABLE.
    """
    index = Path(index_name(str(prefix)))
    with _alone_in(prefix.parent), reserved(index) as (temporary, descriptor):
        names = _free_names(prefix, header, len(data))
        _write_index(descriptor, header, entries)
        try:
            for source, name in zip(data, names):
                _give_name(source, name)
            if index.exists():
                for path in (temporary, *names):
                    path.chmod(stat.S_IMODE(index.stat().st_mode))
            flush_folder(prefix.parent)
            temporary.replace(index)
        except BaseException:
            # An interrupt may come right after the index took its place.
            for name in names if temporary.exists() else ():
                name.unlink(missing_ok=True)
            raise
        flush_folder(prefix.parent)
        for path in shards_of(prefix):
            if path not in names:
                with suppress(OSError):
                    path.unlink()


def shards_of(prefix: Path) -> list[Path]:
    """All data files that stand under a prefix."""
    pattern = re.compile(re.escape(prefix.name) + r"\.data-\d{5,}-of-\d{5,}")
    return [path for path in prefix.parent.iterdir() if pattern.fullmatch(path.name)]


def _free_names(prefix: Path, header: BundleHeaderProto, shards: int) -> list[Path]:
    """Names for data files that are not taken: a standing index may use those that are."""
    taken = {path.name for path in shards_of(prefix)}
    for number in count(max(header.num_shards, shards, 1)):
        names = [Path(shard_name(str(prefix), shard, number)) for shard in range(shards)]
        if taken.isdisjoint(name.name for name in names):
            header.num_shards = number
            return names
    raise AssertionError


def _give_name(source: Path, name: Path) -> None:
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
def _alone_in(folder: Path) -> Generator[None]:
    """Held while files get their names, so that two writers cannot take each other's data away."""
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _locked(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if time.monotonic() > deadline:
                raise TfgError(
                    Status.UNAVAILABLE, f"another process has locked {folder}", location=Location(str(folder))
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int, how: int) -> bool:
    """Whether a lock was got; a file system without locks counts as one where nobody else writes."""
    import fcntl

    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
