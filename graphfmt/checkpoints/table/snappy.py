"""Snappy's block format, read only: what compressed blocks of TensorFlow's first checkpoints hold.

Source: github.com/google/snappy, format_description.txt.
"""

from __future__ import annotations

from .varints import varint

# Three bytes make 64 at the most, so a length beyond this is no promise that the data keeps.
_MOST_GROWTH = 22


def decompress(data: bytes) -> bytes:
    """The bytes that were compressed. Raises ValueError."""
    size, position = varint(data, 0)
    if size > _MOST_GROWTH * len(data):
        raise ValueError(f"{len(data)} bytes cannot hold {size}")
    out = bytearray()
    while position < len(data):
        tag = data[position]
        position += 1
        if tag & 3:
            position = _copy(data, position, tag, out)
        else:
            position = _literal(data, position, tag, out)
        if len(out) > size:
            break
    if len(out) != size:
        raise ValueError(f"{len(out)} bytes came out instead of {size}")
    return bytes(out)


def _literal(data: bytes, position: int, tag: int, out: bytearray) -> int:
    length = tag >> 2
    if length >= 60:
        width = length - 59
        length = int.from_bytes(_exactly(data, position, width), "little")
        position += width
    out += _exactly(data, position, length + 1)
    return position + length + 1


def _copy(data: bytes, position: int, tag: int, out: bytearray) -> int:
    if tag & 3 == 1:
        length, width, high = (tag >> 2 & 7) + 4, 1, tag >> 5 << 8
    else:
        length, width, high = (tag >> 2) + 1, 2 if tag & 3 == 2 else 4, 0
    distance = high | int.from_bytes(_exactly(data, position, width), "little")
    if not 0 < distance <= len(out):
        raise ValueError(f"a copy reaches {distance} bytes back where there are {len(out)}")
    begin = len(out) - distance
    source = out[begin : begin + length]
    # A copy may reach into what it makes, which repeats it.
    out += (source * (length // distance + 1))[:length]
    return position + width


def _exactly(data: bytes, position: int, count: int) -> bytes:
    piece = data[position : position + count]
    if len(piece) != count:
        raise ValueError("the data ends too early")
    return piece
