"""Variable-length integers: seven bits a byte, the lowest first."""

from __future__ import annotations

_MOST_BITS = 64


def varint(data: bytes, position: int) -> tuple[int, int]:
    """The number that begins at a position, and the position after it. Raises ValueError."""
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> _MOST_BITS:
                break
            return value, position
        shift += 7
        if shift >= _MOST_BITS:
            break
    raise ValueError(f"no number ends before byte {position}")


def varint_bytes(value: int) -> bytes:
    """A number that is not negative, as bytes."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
