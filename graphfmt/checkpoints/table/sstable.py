"""Sorted tables of byte strings: the file format that TensorFlow's checkpoints share with LevelDB.

A table is a sequence of blocks, an index block with the last key of each, and a footer with the position of the index.
A key omits the prefix that it shares with the previous key, except at restarts. Source: github.com/google/leveldb,
doc/table_format.md.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from ...proto.varints import varint, varint_bytes
from ..checksums import masked, unmasked
from ..data_file import data_loss
from .snappy import decompress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..data_file import DataFile

_MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
_FOOTER = 48
_TRAILER = 5
_BLOCK = 1 << 18
_RESTART = 16
_PLAIN, _SNAPPY = 0, 1

# The keys of a block may be longer than the block, because each repeats a prefix of the previous one. Writers restart
# every 16 keys, so a block that exceeds this ratio is damaged or malicious.
_MOST_GROWTH = 64


class _Handle(NamedTuple):
    offset: int
    size: int


class Table:
    """A table in a file. Blocks are read on demand and verified.

    Raises DATA_LOSS for a file that is not a table.
    """

    def __init__(self, file: DataFile) -> None:
        self.path = file.path
        self._file = file
        try:
            self._last_keys, self._handles = self._read_index()
        except ValueError as error:
            raise self._damaged(error) from error

    def get(self, key: bytes) -> bytes | None:
        """Returns the value of a key, or None."""
        place = bisect_left(self._last_keys, key)
        if place == len(self._handles):
            return None
        return next((value for stored, value in self._block(place) if stored == key), None)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yields all keys and values, in the order of the keys."""
        before: bytes | None = None
        for place, last in enumerate(self._last_keys):
            for key, value in self._block(place):
                if (before is not None and key <= before) or key > last:
                    raise self._damaged(f"the key {key[:100]!r} is out of order")
                yield key, value
                before = key

    def _read_index(self) -> tuple[list[bytes], list[_Handle]]:
        file = self._file
        if file.size < _FOOTER:
            raise ValueError("the file is too short for a table")
        footer = file.read(file.size - _FOOTER, _FOOTER)
        if footer[-8:] != _MAGIC:
            raise ValueError("the file does not end with the footer of a table")
        _, position = _handle(footer, 0)
        index, _ = _handle(footer, position)
        keys: list[bytes] = []
        handles: list[_Handle] = []
        end = 0
        for key, value in _entries(self._contents(index)):
            handle, _ = _handle(value, 0)
            if handle.offset < end or (keys and key <= keys[-1]):
                raise ValueError("the blocks are out of order")
            end = handle.offset + handle.size + _TRAILER
            keys.append(key)
            handles.append(handle)
        return keys, handles

    def _block(self, place: int) -> Iterator[tuple[bytes, bytes]]:
        try:
            yield from _entries(self._contents(self._handles[place]))
        except ValueError as error:
            raise self._damaged(error) from error

    def _contents(self, handle: _Handle) -> bytes:
        import google_crc32c

        data = self._file.read(handle.offset, handle.size + _TRAILER)
        kind = data[handle.size]
        if google_crc32c.value(data[:-4]) != unmasked(int.from_bytes(data[-4:], "little")):
            raise ValueError(f"the block at {handle.offset} does not match its checksum")
        if kind == _PLAIN:
            return data[: handle.size]
        if kind == _SNAPPY:
            return decompress(data[: handle.size])
        raise ValueError(f"the block at {handle.offset} has the unknown compression type {kind}")

    def _damaged(self, why: object) -> Exception:
        return data_loss(self.path, f"not a checkpoint table, or a damaged one: {why}")


def _handle(data: bytes, position: int) -> tuple[_Handle, int]:
    offset, position = varint(data, position)
    size, position = varint(data, position)
    return _Handle(offset, size), position


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the keys and values of a block. Raises ValueError for a malformed one."""
    if len(block) < 4:
        raise ValueError("a block is too short")
    end = len(block) - 4 * (int.from_bytes(block[-4:], "little") + 1)
    if end < 0:
        raise ValueError("a block has more restarts than bytes")
    key = b""
    position = grown = 0
    while position < end:
        shared, position = varint(block, position)
        own, position = varint(block, position)
        size, position = varint(block, position)
        after = position + own
        if shared > len(key) or after + size > end:
            raise ValueError("an entry reaches beyond its block")
        key = key[:shared] + block[position:after]
        grown += len(key)
        if grown > _MOST_GROWTH * len(block):
            raise ValueError("the keys of a block are too long")
        position = after + size
        yield key, block[after:position]


def table_bytes(items: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """Yields a table as pieces of a file. The keys must be sorted."""
    index = _BlockBuilder(restart=1)
    block = _BlockBuilder(restart=_RESTART)
    offset = 0

    def block_and_handle(full: _BlockBuilder) -> tuple[bytes, bytes]:
        data = full.finish()
        handle = varint_bytes(offset) + varint_bytes(len(data))
        return data + _trailer(data), handle

    for key, value in items:
        block.add(key, value)
        if block.size >= _BLOCK:
            data, handle = block_and_handle(block)
            index.add(block.key, handle)
            yield data
            offset += len(data)
            block = _BlockBuilder(restart=_RESTART)
    if block.size:
        data, handle = block_and_handle(block)
        index.add(block.key, handle)
        yield data
        offset += len(data)
    data, metadata = block_and_handle(_BlockBuilder(restart=1))
    yield data
    offset += len(data)
    data, handle = block_and_handle(index)
    yield data
    yield (metadata + handle).ljust(_FOOTER - len(_MAGIC), b"\0") + _MAGIC


def _trailer(data: bytes) -> bytes:
    import google_crc32c

    kind = bytes([_PLAIN])
    return kind + masked(google_crc32c.value(data + kind)).to_bytes(4, "little")


class _BlockBuilder:
    """A block under construction; ``key`` is its last key."""

    def __init__(self, restart: int) -> None:
        self.key = b""
        self._out = bytearray()
        self._restart = restart
        self._restarts = [0]
        self._count = 0

    @property
    def size(self) -> int:
        return len(self._out)

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self._count and self._count % self._restart == 0:
            self._restarts.append(len(self._out))
        elif self._count:
            shared = _shared(self.key, key)
        self._out += varint_bytes(shared) + varint_bytes(len(key) - shared) + varint_bytes(len(value))
        self._out += key[shared:]
        self._out += value
        self.key = key
        self._count += 1

    def finish(self) -> bytes:
        restarts = (*self._restarts, len(self._restarts))
        return bytes(self._out) + struct.pack(f"<{len(restarts)}I", *restarts)


def _shared(a: bytes, b: bytes) -> int:
    """Returns the length of the common prefix of two byte strings."""
    most = min(len(a), len(b))
    if a[:most] == b[:most]:
        return most
    return next(place for place in range(most) if a[place] != b[place])
