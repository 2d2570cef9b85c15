"""Variable-length integers: seven bits per byte, the lowest first."""

from __future__ import annotations

_MOST_BITS = 64


def varint(data: bytes, position: int) -> tuple[int, int]:
    """Reads a number; returns it and the position after it. Raises ValueError."""
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
    raise ValueError(f"a number does not end before byte {position}")


def varint_bytes(value: int) -> bytes:
    """Encodes a non-negative number."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
