"""CRC-32C as TensorFlow's files keep it: masked, so that a checksum over checksums is still a good one."""

from __future__ import annotations

_DELTA = 0xA282EAD8
_ALL = 0xFFFFFFFF


def masked(crc: int) -> int:
    """A checksum as files hold it."""
    return ((crc >> 15 | crc << 17) + _DELTA) & _ALL


def unmasked(stored: int) -> int:
    """The checksum that a file holds as ``stored``."""
    turned = (stored - _DELTA) & _ALL
    return (turned >> 17 | turned << 15) & _ALL
