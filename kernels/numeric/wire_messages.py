"""Protocol buffers written and read field by field, for messages that kernels make without a schema."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ...graphfmt.proto.varints import varint, varint_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def int_field(number: int, value: int) -> bytes:
    """A field of an integer that is not negative; nothing for 0, the default of proto3."""
    return varint_bytes(number << 3 | _VARINT) + varint_bytes(value) if value else b""


def bytes_field(number: int, data: bytes) -> bytes:
    """A field of bytes, a string or a message."""
    return varint_bytes(number << 3 | _BYTES) + varint_bytes(len(data)) + data


def float_field(number: int, value: float) -> bytes:
    """A field of a float."""
    return varint_bytes(number << 3 | _FIXED32) + struct.pack("<f", value)


def double_field(number: int, value: float) -> bytes:
    """A field of a double."""
    return varint_bytes(number << 3 | _FIXED64) + struct.pack("<d", value)


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The number and the bytes of each field. Raises ValueError for bytes that are no message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            _, end = varint(data, at)
        elif kind == _BYTES:
            size, at = varint(data, at)
            end = at + size
        else:
            end = at + {_FIXED64: 8, _FIXED32: 4}.get(kind, len(data) + 1)
        if end > len(data) or not key >> 3:
            raise ValueError("the bytes are no protocol buffer")
        yield key >> 3, data[at:end]
        at = end
