"""Protocol buffers written and read field by field, for messages that kernels make without a schema."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def int_field(number: int, value: int) -> bytes:
    """A field of an integer that is not negative; nothing for 0, the default of proto3."""
    return _varint(number << 3 | _VARINT) + _varint(value) if value else b""


def bytes_field(number: int, data: bytes) -> bytes:
    """A field of bytes, a string or a message."""
    return _varint(number << 3 | _BYTES) + _varint(len(data)) + data


def float_field(number: int, value: float) -> bytes:
    """A field of a float."""
    return _varint(number << 3 | _FIXED32) + struct.pack("<f", value)


def double_field(number: int, value: float) -> bytes:
    """A field of a double."""
    return _varint(number << 3 | _FIXED64) + struct.pack("<d", value)


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The number and the bytes of each field. Raises IndexError for bytes that are no message."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            _, end = _read_varint(data, at)
        elif kind == _BYTES:
            size, at = _read_varint(data, at)
            end = at + size
        else:
            end = at + {_FIXED64: 8, _FIXED32: 4}.get(kind, len(data) + 1)
        if end > len(data) or not key >> 3:
            raise IndexError
        yield key >> 3, data[at:end]
        at = end


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while data[at] > 127:
        number |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
    return number | data[at] << shift, at + 1
