"""Hash functions of byte strings that give the same values everywhere: FarmHash Fingerprint64, SipHash-2-4,
MurmurHash64A.
"""

from __future__ import annotations

from struct import iter_unpack, unpack_from
from typing import Any

_MASK = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def _fetch64(data: bytes, at: int) -> int:
    return unpack_from("<Q", data, at)[0]


def _fetch32(data: bytes, at: int) -> int:
    return unpack_from("<I", data, at)[0]


def _rotate_right(value: int, bits: int) -> int:
    """Rotates a 64-bit value to the right."""
    value &= _MASK
    return (value >> bits | value << (64 - bits)) & _MASK


def _shift_mix(value: int) -> int:
    value &= _MASK
    return value ^ value >> 47


def _hash_len_16(u: int, v: int, factor: int) -> int:
    a = _shift_mix((u ^ v) * factor)
    return _shift_mix((v ^ a) * factor) * factor & _MASK


def farm_fingerprint64(data: bytes) -> int:
    """Returns the FarmHash Fingerprint64 of a string, an unsigned 64-bit number."""
    size = len(data)
    if size <= 16:
        return _farm_short(data, size)
    factor = _K2 + size * 2
    if size <= 32:
        first, second, _, _ = _farm_halves(data, size, _K1, factor)
        return _hash_len_16(first, second, factor)
    if size <= 64:
        return _farm_medium(data, size, factor)
    return _farm_long(data, size)


def _farm_short(data: bytes, size: int) -> int:
    factor = _K2 + size * 2
    if size >= 8:
        a, b = _fetch64(data, 0) + _K2 & _MASK, _fetch64(data, size - 8)
        c = _rotate_right(b, 37) * factor + a & _MASK
        d = (_rotate_right(a, 25) + b) * factor & _MASK
        return _hash_len_16(c, d, factor)
    if size >= 4:
        return _hash_len_16(size + (_fetch32(data, 0) << 3), _fetch32(data, size - 4), factor)
    if size:
        y = data[0] + (data[size >> 1] << 8)
        z = size + (data[-1] << 2)
        return _shift_mix(y * _K2 & _MASK ^ z * _K0 & _MASK) * _K2 & _MASK
    return _K2


def _farm_halves(data: bytes, size: int, first_factor: int, factor: int) -> tuple[int, int, int, int]:
    a, b = _fetch64(data, 0) * first_factor & _MASK, _fetch64(data, 8)
    c, d = _fetch64(data, size - 8) * factor & _MASK, _fetch64(data, size - 16) * _K2 & _MASK
    return (
        _rotate_right(a + b, 43) + _rotate_right(c, 30) + d & _MASK,
        a + _rotate_right(b + _K2, 18) + c & _MASK,
        a,
        c,
    )


def _farm_medium(data: bytes, size: int, factor: int) -> int:
    y, other, a, _ = _farm_halves(data, size, _K2, factor)
    z = _hash_len_16(y, other, factor)
    e, f = _fetch64(data, 16) * factor & _MASK, _fetch64(data, 24)
    g = (y + _fetch64(data, size - 32)) * factor & _MASK
    h = (z + _fetch64(data, size - 24)) * factor & _MASK
    return _hash_len_16(
        _rotate_right(e + f, 43) + _rotate_right(g, 30) + h & _MASK,
        e + _rotate_right(f + a, 18) + g & _MASK,
        factor,
    )


def _farm_weak(data: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = unpack_from("<4Q", data, at)
    a = a + w & _MASK
    b = _rotate_right(b + a + z, 21)
    c = a
    a = a + x + y & _MASK
    b = b + _rotate_right(a, 44) & _MASK
    return a + z & _MASK, b + c & _MASK


def _farm_long(data: bytes, size: int) -> int:
    x, y = 81, 81 * _K1 + 113 & _MASK
    z = _shift_mix(y * _K2 + 113) * _K2 & _MASK
    v = w = (0, 0)
    x = x * _K2 + _fetch64(data, 0) & _MASK
    for at in range(0, (size - 1) // 64 * 64, 64):
        x, y, z, v, w = _farm_round(data, at, (x, y, z), v, w, _K1, 1)
    factor = _K1 + ((z & 0xFF) << 1)
    w = (w[0] + (size - 1 & 63) & _MASK, w[1])
    v = (v[0] + w[0] & _MASK, v[1])
    w = (w[0] + v[0] & _MASK, w[1])
    x, y, z, v, w = _farm_round(data, size - 64, (x, y, z), v, w, factor, 9)
    return _hash_len_16(
        _hash_len_16(v[0], w[0], factor) + _shift_mix(y) * _K0 + z & _MASK,
        _hash_len_16(v[1], w[1], factor) + x & _MASK,
        factor,
    )


def _farm_round(
    data: bytes,
    at: int,
    state: tuple[int, int, int],
    v: tuple[int, int],
    w: tuple[int, int],
    factor: int,
    weight: int,
) -> tuple[int, int, int, tuple[int, int], tuple[int, int]]:
    x, y, z = state
    x = _rotate_right(x + y + v[0] + _fetch64(data, at + 8), 37) * factor & _MASK
    y = _rotate_right(y + v[1] + _fetch64(data, at + 48), 42) * factor & _MASK
    x ^= w[1] * weight & _MASK
    y = y + v[0] * weight + _fetch64(data, at + 40) & _MASK
    z = _rotate_right(z + w[0], 33) * factor & _MASK
    v = _farm_weak(data, at, v[1] * factor & _MASK, x + w[0])
    w = _farm_weak(data, at + 32, z + w[1], y + _fetch64(data, at + 16))
    return z, y, x, v, w


def murmur_hash64a(data: bytes, seed: int = 0xDECAFCAFFE) -> int:
    """Returns the MurmurHash64A of a string, an unsigned 64-bit number."""
    factor = 0xC6A4A7935BD1E995
    value = seed ^ len(data) * factor & _MASK
    whole = len(data) // 8 * 8
    for (word,) in iter_unpack("<Q", data[:whole]):
        word = _shift_mix(word * factor) * factor & _MASK
        value = (value ^ word) * factor & _MASK
    if whole < len(data):
        value = (value ^ int.from_bytes(data[whole:], "little")) * factor & _MASK
    return _shift_mix(_shift_mix(value) * factor)


def sip_hash24(data: bytes, key: tuple[int, int]) -> int:
    """Returns the SipHash-2-4 of a string under a key of two unsigned 64-bit numbers."""
    k0, k1 = key[0] & _MASK, key[1] & _MASK
    state = (
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    )
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for (word,) in iter_unpack("<Q", padded):
        a, b, c, d = state
        a, b, c, d = _sip_round(*_sip_round(a, b, c, d ^ word))
        state = (a ^ word, b, c, d)
    a, b, c, d = state
    c ^= 0xFF
    for _ in range(4):
        a, b, c, d = _sip_round(a, b, c, d)
    return a ^ b ^ c ^ d


def _sip_round(a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
    a = a + b & _MASK
    b = _rotate_right(b, 51) ^ a
    a = _rotate_right(a, 32)
    c = c + d & _MASK
    d = _rotate_right(d, 48) ^ c
    a = a + d & _MASK
    d = _rotate_right(d, 43) ^ a
    c = c + b & _MASK
    b = _rotate_right(b, 47) ^ c
    return a, b, _rotate_right(c, 32), d


def fingerprint_cat64(first: Any, second: Any) -> Any:
    """Combines fingerprints, uint64 arrays of one shape, into one each (fingerprint.h in TensorFlow)."""
    import numpy as np

    factor = np.uint64(0xC6A4A7935BD1E995)
    with np.errstate(over="ignore"):
        result = (first ^ factor) ^ _mixed(second * factor) * factor
        result = _mixed(result * factor) * factor
    return _mixed(result)


def _mixed(values: Any) -> Any:
    return values ^ (values >> 47)
