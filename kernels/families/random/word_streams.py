"""Random words read one by one from a Philox stream, as samplers, queues and datasets draw them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .generators import from_state, to_state

if TYPE_CHECKING:
    from ....graphfmt.tensors import Array
    from ...numeric.philox import Philox

# Words of a group, and the first and the greatest number of groups that are computed at a time.
_WORDS = 4
_FIRST_BLOCK = 8
_LARGEST_BLOCK = 4096


class WordStream:
    """The 32-bit words of a Philox stream from a position on."""

    __slots__ = ("_block", "_generator", "_groups", "_place")

    def __init__(self, generator: Philox) -> None:
        # The group with which the block of computed words begins, and the place of the next word in the block.
        self._generator = generator
        self._block: list[int] = []
        self._place = 0
        self._groups = _FIRST_BLOCK

    def next(self) -> int:
        """Returns the next word."""
        place = self._place
        if place >= len(self._block):
            self._fill()
            place = self._place
        self._place = place + 1
        return self._block[place]

    def _fill(self) -> None:
        if self._block:
            self._generator = self._generator.skip(len(self._block) // _WORDS)
            self._place -= len(self._block)
            self._groups = min(2 * self._groups, _LARGEST_BLOCK)
        self._block = self._generator.words(self._groups).tolist()

    def take(self, count: int) -> Array:
        """Returns the next words as an array."""
        return np.array([self.next() for _ in range(count)], np.uint32)

    def below(self, limit: int, bits: int) -> int:
        """Returns an integer uniform in [0, limit), made of 32 or 64 random bits, without bias."""
        while True:
            drawn = self.next()
            if bits == 64:
                drawn |= self.next() << 32
            if limit & (limit - 1) == 0:
                return drawn & (limit - 1)
            if drawn >= (2**bits - 1) % limit + 1:
                return drawn % limit

    def copy(self) -> WordStream:
        """Returns a stream of its own at the same position."""
        made = WordStream(self._generator)
        made.load(self.save())
        return made

    def save(self) -> dict[str, Array]:
        """Returns the position: the group of the next word, and its place in it."""
        group = self._generator.skip(self._place // _WORDS)
        return {"generator": to_state(group), "place": np.array(self._place % _WORDS, np.int64)}

    def load(self, state: dict[str, Array]) -> None:
        """Goes to a saved position."""
        self._generator = from_state(state["generator"])
        self._block = []
        self._place = int(state["place"])
