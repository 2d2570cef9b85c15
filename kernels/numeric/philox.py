"""Philox4x32-10, the counter-based generator behind every random operation, as TensorFlow lays it out.

A generator is a 64-bit key and a 128-bit counter. Every counter gives a *group* of four 32-bit words, each
independent of all others, so a stream can be entered anywhere and filled in any order.

Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import cancellation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...graphfmt.tensors import Array

_WORD = 0xFFFFFFFF
_MASK64 = 2**64 - 1
_MASK128 = 2**128 - 1
_ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_HALF = np.uint64(32)
_LOW = np.uint64(_WORD)

# Up to this many groups are computed faster one by one than as arrays.
_FEW = 14

# Groups computed at a time: five buffers of as many uint64 stay within the second-level cache.
BLOCK = 8192


@dataclass(frozen=True, slots=True)
class Philox:
    """A position in a random stream: a 64-bit key and a 128-bit counter."""

    key: int
    counter: int

    @staticmethod
    def from_seeds(seed: int, seed2: int) -> Philox:
        """Returns the stream of a stateful operation with these values of the attributes seed and seed2."""
        return Philox(seed & _MASK64, (seed2 & _MASK64) << 64)

    def skip(self, groups: int) -> Philox:
        """Returns the position so many groups later; negative numbers are read as unsigned 64-bit ones.

        TensorFlow adds the halves separately and, where the upper half is full, loses the carry of the lower one;
        so does this.
        """
        groups &= _MASK64
        low = self.counter & _MASK64
        if groups >> 32 == _WORD and (low & _WORD) + (groups & _WORD) > _WORD:
            return Philox(self.key, self.counter - low | low + groups & _MASK64)
        return Philox(self.key, self.counter + groups & _MASK128)

    def words(self, count: int) -> Array:
        """Returns the next ``count`` groups as a flat array of uint32."""
        out = np.empty(4 * count, np.uint32)
        for start, words in self.blocks(count):
            out[4 * start : 4 * start + words.size] = words
        return out

    def blocks(self, count: int) -> Iterator[tuple[int, Array]]:
        """Yields the next ``count`` groups in blocks that fit the cache: the number of the first group, and the
        words.

        The array is overwritten by the next block.
        """
        if count <= _FEW:
            words = [w for i in range(count) for w in _group(self.key, self.counter + i & _MASK128)]
            if words:
                yield 0, np.array(words, np.uint32)
            return
        scratch = _Scratch(min(count, BLOCK))
        for start in range(0, count, BLOCK):
            cancellation.check()
            size = min(BLOCK, count - start)
            first = (self.counter + start) & _MASK128
            low = np.arange(size, dtype=np.uint64) + np.uint64(first & _MASK64)
            yield start, scratch.groups(self.key, low, np.uint64(first & _MASK64), first >> 64)

    def words_at(self, offsets: Array) -> Array:
        """Returns the groups at these distances (uint64) from here, of shape [len(offsets), 4]."""
        out = np.empty((offsets.size, 4), np.uint32)
        scratch = _Scratch(min(offsets.size, BLOCK))
        base = np.uint64(self.counter & _MASK64)
        for start in range(0, offsets.size, BLOCK):
            cancellation.check()
            part = offsets[start : start + BLOCK]
            words = scratch.groups(self.key, part + base, base, self.counter >> 64)
            out[start : start + part.size] = words.reshape(-1, 4)
        return out


class _Scratch:
    """Buffers for the rounds of one block."""

    def __init__(self, size: int) -> None:
        self._buffers = np.empty((6, size), np.uint64)
        self._words = np.empty((size, 4), np.uint32)

    def groups(self, key: int, low: Array, base: Any, high: int) -> Array:
        """Computes the words of the counters with these lower halves.

        Their upper half is ``high``, or one more where ``low`` has wrapped around and is less than ``base``.
        """
        size = low.size
        x0, x1, x2, x3, p0, p1 = self._buffers[:, :size]
        np.bitwise_and(low, _LOW, out=x0)
        np.right_shift(low, _HALF, out=x1)
        x2[...] = high & _WORD
        x3[...] = high >> 32
        over = low < base
        if over.any():
            x2[over] = (high + 1) & _WORD
            x3[over] = (high + 1) >> 32 & _WORD
        words = self._words[:size]
        _rounds(key, x0, x1, x2, x3, p0, p1, words)
        return words.reshape(-1)


def _rounds(key: int, x0: Array, x1: Array, x2: Array, x3: Array, p0: Array, p1: Array, words: Array) -> None:
    """Runs the ten rounds in place. The upper and lower half of each 64-bit product go to different words."""
    key0, key1 = key & _WORD, key >> 32
    for _ in range(_ROUNDS):
        np.multiply(x0, np.uint64(_MULTIPLIERS[0]), out=p0)
        np.multiply(x2, np.uint64(_MULTIPLIERS[1]), out=p1)
        np.right_shift(p1, _HALF, out=x0)
        np.bitwise_xor(x0, x1, out=x0)
        np.bitwise_xor(x0, np.uint64(key0), out=x0)
        np.bitwise_and(p1, _LOW, out=x1)
        np.right_shift(p0, _HALF, out=x2)
        np.bitwise_xor(x2, x3, out=x2)
        np.bitwise_xor(x2, np.uint64(key1), out=x2)
        np.bitwise_and(p0, _LOW, out=x3)
        key0 = key0 + _KEY_STEPS[0] & _WORD
        key1 = key1 + _KEY_STEPS[1] & _WORD
    for column, x in enumerate((x0, x1, x2, x3)):
        words[:, column] = x


def _group(key: int, counter: int) -> tuple[int, int, int, int]:
    """Returns the four words of one counter."""
    x0, x1, x2, x3 = counter & _WORD, counter >> 32 & _WORD, counter >> 64 & _WORD, counter >> 96
    key0, key1 = key & _WORD, key >> 32
    for _ in range(_ROUNDS):
        p0, p1 = x0 * _MULTIPLIERS[0], x2 * _MULTIPLIERS[1]
        x0, x1, x2, x3 = (p1 >> 32) ^ x1 ^ key0, p1 & _WORD, (p0 >> 32) ^ x3 ^ key1, p0 & _WORD
        key0 = key0 + _KEY_STEPS[0] & _WORD
        key1 = key1 + _KEY_STEPS[1] & _WORD
    return x0, x1, x2, x3


def from_seed_pair(seed: Array) -> Philox:
    """Returns the stream for the seed of a stateless operation, two integers, which are scrambled first."""
    seed0, seed1 = (int(x) & _MASK64 for x in seed)
    mixed = _group(0x02461E29_3EC8F720, seed1 << 64 | seed0)
    return Philox(mixed[0] | mixed[1] << 32, (mixed[2] | mixed[3] << 32) << 64)
