"""Keys of tensor slices in the tables of checkpoints: name and extents, encoded so that the keys sort as they do.

Source: TensorFlow's ``EncodeTensorNameSlice`` and its OrderedCode.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..entries import Slice

_ESCAPES = {b"\0": b"\0\xff", b"\xff": b"\xff\0"}
_ESCAPED = re.compile(rb"[\0\xff]")


def slice_key(name: str, part: Slice) -> bytes:
    """Returns the key of a slice. The extent of a whole dimension is start 0 and length -1."""
    extents = b"".join(_signed(s) + _signed(n) for s, n in zip(part.starts, part.lengths))
    return _number(0) + _string(encoded(name)) + _number(len(part.starts)) + extents


def encoded(name: str) -> bytes:
    """Returns the name of a tensor as bytes; ``decoded_name`` reverses it, also for bytes that are not UTF-8."""
    return name.encode("utf-8", "surrogateescape")


def decoded_name(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")


def _string(text: bytes) -> bytes:
    return _ESCAPED.sub(lambda match: _ESCAPES[match[0]], text) + b"\0\1"


def _number(value: int) -> bytes:
    """Encodes the length in bytes, then the bytes in big-endian order."""
    size = (value.bit_length() + 7) // 8
    return bytes([size]) + value.to_bytes(size, "big")


def _signed(value: int) -> bytes:
    """Encodes an integer in n bytes: n leading bits that differ from the sign, the sign, and the value in the other
    7 n - 1 bits."""
    size = (value if value >= 0 else ~value).bit_length() // 7 + 1
    mark = ((1 << size) - 1) << 7 * size
    return (value % (1 << 8 * size) ^ mark).to_bytes(size, "big")
