"""CRC-32C as TensorFlow's files keep it: masked, so that a checksum over checksums is still a good one."""

from __future__ import annotations

from functools import cache

# Castagnoli's polynomial with its bits turned round, as CRC-32C takes them: x^0 is the highest.
_POLYNOMIAL = 0x82F63B78
_ONE, _X = 1 << 31, 1 << 30

_DELTA = 0xA282EAD8
_ALL = 0xFFFFFFFF


def masked(crc: int) -> int:
    """A checksum as files hold it."""
    return ((crc >> 15 | crc << 17) + _DELTA) & _ALL


def unmasked(stored: int) -> int:
    """The checksum that a file holds as ``stored``."""
    turned = (stored - _DELTA) & _ALL
    return (turned >> 17 | turned << 15) & _ALL


def joined(first: int, second: int, length: int) -> int:
    """The checksum of two pieces one after the other, from those of each and the length of the second."""
    return _product(first, _power(8 * length)) ^ second


@cache
def _power(exponent: int) -> int:
    """x to a power, modulo the polynomial."""
    result, square = _ONE, _X
    while exponent:
        if exponent & 1:
            result = _product(result, square)
        square = _product(square, square)
        exponent >>= 1
    return result


def _product(a: int, b: int) -> int:
    """The product of two polynomials over GF(2), modulo the one of the checksum."""
    result = 0
    for place in range(31, -1, -1):
        if a >> place & 1:
            result ^= b
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return result
