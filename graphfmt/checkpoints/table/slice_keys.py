"""The key under which a slice of a tensor stands in a checkpoint's table: its name and extents in a code that
sorts as they do.

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
    """The key of a slice; an extent that takes all of a dimension has start 0 and length -1."""
    extents = b"".join(_signed(s) + _signed(n) for s, n in zip(part.starts, part.lengths))
    return _number(0) + _string(encoded(name)) + _number(len(part.starts)) + extents


def encoded(name: str) -> bytes:
    """A tensor's name as bytes; what is no UTF-8 comes through as it was."""
    return name.encode("utf-8", "surrogateescape")


def decoded_name(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")


def _string(text: bytes) -> bytes:
    return _ESCAPED.sub(lambda found: _ESCAPES[found[0]], text) + b"\0\1"


def _number(value: int) -> bytes:
    """The length in bytes, then the bytes, the highest first."""
    size = (value.bit_length() + 7) // 8
    return bytes([size]) + value.to_bytes(size, "big")


def _signed(value: int) -> bytes:
    """As many leading bits equal to the inverted sign as there are bytes, then the number: 6 bits in one byte,
    13 in two, and so on."""
    size = (value if value >= 0 else ~value).bit_length() // 7 + 1
    mark = ((1 << size) - 1) << 7 * size
    return (value % (1 << 8 * size) ^ mark).to_bytes(size, "big")
