"""CRC-32C in TensorFlow's files: masked, because the CRC of data that contains CRCs is weak."""

from __future__ import annotations

from functools import cache

# Castagnoli's polynomial in the reflected bit order of CRC-32C: x^0 is the highest bit.
_POLYNOMIAL = 0x82F63B78
_ONE, _X = 1 << 31, 1 << 30

_DELTA = 0xA282EAD8
_ALL = 0xFFFFFFFF


def masked(crc: int) -> int:
    """Returns the masked form of a checksum, which files hold."""
    return ((crc >> 15 | crc << 17) + _DELTA) & _ALL


def unmasked(stored: int) -> int:
    """Returns the checksum of a masked one."""
    rotated = (stored - _DELTA) & _ALL
    return (rotated >> 17 | rotated << 15) & _ALL


def combine(first: int, second: int, length: int) -> int:
    """Returns the checksum of two concatenated pieces, from theirs and the byte length of the second."""
    return _product(first, _power(8 * length)) ^ second


@cache
def _power(exponent: int) -> int:
    """Returns x to a power, modulo the polynomial."""
    result, square = _ONE, _X
    while exponent:
        if exponent & 1:
            result = _product(result, square)
        square = _product(square, square)
        exponent >>= 1
    return result


def _product(a: int, b: int) -> int:
    """Returns the product of two polynomials over GF(2), modulo that of CRC-32C."""
    result = 0
    for place in range(31, -1, -1):
        if a >> place & 1:
            result ^= b
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return result
