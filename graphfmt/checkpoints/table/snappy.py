"""Decompresses Snappy's block format, which early TensorFlow checkpoints use.

Source: github.com/google/snappy, format_description.txt.
"""

from __future__ import annotations

from ...proto.varints import varint

# Three bytes yield 64 at most, so a stated length beyond this ratio is wrong.
_MOST_GROWTH = 22


def decompress(data: bytes) -> bytes:
    """Decompresses a block. Raises ValueError for malformed data."""
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
        raise ValueError(f"the data decompresses to {len(out)} bytes instead of {size}")
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
        raise ValueError(f"a copy from {distance} bytes before the end of {len(out)} bytes")
    begin = len(out) - distance
    source = out[begin : begin + length]
    # A copy may overlap its own output, which repeats the bytes.
    out += (source * (length // distance + 1))[:length]
    return position + width


def _exactly(data: bytes, position: int, count: int) -> bytes:
    piece = data[position : position + count]
    if len(piece) != count:
        raise ValueError("the data ends too early")
    return piece
