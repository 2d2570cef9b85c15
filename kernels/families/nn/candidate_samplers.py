"""Distributions of candidate samplers: drawing classes of a range, and how often each is expected to be drawn.

Follows TensorFlow's range_sampler.cc, so that seeded graphs draw the same classes.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ....graphfmt.errors import invalid
from ...core.cancellation import check, checked
from ...numeric.distributions import uniform_double, uniform_float
from ...numeric.int_arguments import check_allocation
from ..random.word_streams import WordStream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....graphfmt.tensors import Array
    from ...numeric.philox import Philox

_MAX_WEIGHT = 2**31 - 1
# The memory that a drawn class takes while they are collected, and the tries between two checks for cancellation.
_BYTES_PER_CLASS = 64
_CHECK_INTERVAL = 256


class Sampler(Protocol):
    """A distribution over the classes [0, range)."""

    range: int

    def sample(self, words: WordStream) -> int:
        """Draws one class."""
        ...

    def probability(self, values: Array) -> Array:
        """Returns the probabilities of classes, as float32."""
        ...

    def update(self, values: Array) -> None:
        """Updates the distribution with the true classes of a step."""
        ...


class UniformSampler:
    """Draws all classes with equal probability."""

    def __init__(self, size: int) -> None:
        self.range = size

    def sample(self, words: WordStream) -> int:
        return words.below(self.range, 64)

    def probability(self, values: Array) -> Array:
        return np.full(values.shape, 1.0 / self.range, np.float32)

    def update(self, values: Array) -> None:
        pass


class LogUniformSampler:
    """Draws class k with probability log((k + 2) / (k + 1)) / log(range + 1), nearly Zipf's law."""

    def __init__(self, size: int) -> None:
        self.range = size
        self._log_range = float(np.log1p(float(size)))

    def sample(self, words: WordStream) -> int:
        number = float(uniform_double(words.take(2))[0])
        return (int(np.exp(number * self._log_range)) - 1) % self.range

    def probability(self, values: Array) -> Array:
        return (np.log((values + 2.0) / (values + 1.0)) / self._log_range).astype(np.float32)

    def update(self, values: Array) -> None:
        pass


class LearnedUnigramSampler:
    """Draws classes in proportion to one plus the number of times each was a true class."""

    kind = "LearnedUnigram"

    def __init__(self, size: int) -> None:
        self.range = size
        self._lock = Lock()
        self._set(np.ones(size, np.int32))

    def _set(self, weights: Array) -> None:
        self._weights = weights
        self._totals = np.cumsum(weights, dtype=np.int64)

    def sample(self, words: WordStream) -> int:
        totals = self._totals
        return int(np.searchsorted(totals, words.below(int(totals[-1]), 32), side="right"))

    def probability(self, values: Array) -> Array:
        return self._weights[values].astype(np.float32) / np.float32(self._totals[-1])

    def update(self, values: Array) -> None:
        with self._lock:
            weights = self._weights.copy()
            np.add.at(weights, values[: _MAX_WEIGHT - int(self._totals[-1])], 1)
            self._set(weights)

    def save(self) -> dict[str, Array]:
        return {"weights": self._weights}

    def load(self, state: dict[str, Array]) -> None:
        self._set(np.array(state["weights"], np.int32))


class FixedUnigramSampler:
    """Draws classes in proportion to given weights raised to the power ``distortion``.

    By the alias method of Walker: Knuth, The Art of Computer Programming, vol. 2, 3.4.1.
    """

    def __init__(
        self, weights: Sequence[float], distortion: float, reserved: int, shards: int, shard: int
    ) -> None:
        all_weights = np.asarray(weights, np.float32)
        # As in TensorFlow, weights are numbered from the reserved ids of this shard on, not from all reserved ids.
        ahead = sum(word % shards == shard for word in range(reserved))
        mine = np.arange(ahead, ahead + all_weights.size) % shards == shard
        kept = np.power(all_weights[mine].astype(np.float64), distortion).astype(np.float32)
        self._weights = np.concatenate([np.zeros(ahead, np.float32), kept])
        self._total = np.cumsum(kept)[-1] if kept.size else np.float32(0)
        self.range = self._weights.size
        self._share, self._alias = _alias_table(self._weights)

    def sample(self, words: WordStream) -> int:
        number = uniform_float(words.take(1))[0]
        place = words.below(self.range, 32)
        return place if number < self._share[place] else int(self._alias[place])

    def probability(self, values: Array) -> Array:
        return self._weights[values] / self._total

    def update(self, values: Array) -> None:
        pass


def _alias_table(weights: Array) -> tuple[Array, Array]:
    """Returns, for each position, the probability of staying there, and the position to go to otherwise."""
    share = (weights * np.float32(weights.size)).astype(np.float64) / float(np.sum(weights, dtype=np.float64))
    alias = np.arange(weights.size)
    low = np.flatnonzero(share < 1).tolist()
    high = np.flatnonzero(~(share < 1)).tolist()
    while high and low:
        taker, giver = low.pop(), high.pop()
        alias[taker] = giver
        share[giver] -= 1.0 - share[taker]
        (low if share[giver] < 1 else high).append(giver)
    for rest in (low, high):
        share[rest] = 1
        alias[rest] = rest
    return share.astype(np.float32), alias


def draw_candidates(
    sampler: Sampler, generator: Philox, count: int, unique: bool
) -> tuple[Array, Callable[[Array], Array]]:
    """Draws ``count`` classes.

    Returns them, and a function from classes to the number of times each was expected. Raises INVALID_ARGUMENT
    where ``count`` unique classes do not exist.
    """
    check_allocation((count,), _BYTES_PER_CLASS)
    words = WordStream(generator)
    if not unique:
        drawn = [sampler.sample(words) for _ in checked(range(count))]
        return np.array(drawn, np.int64), lambda values: sampler.probability(values) * np.float32(count)
    if count > sampler.range:
        raise invalid(f"{count} unique classes cannot be drawn from a range of {sampler.range}")
    tries = 0
    kept: dict[int, None] = {}
    while len(kept) < count:
        if not tries % _CHECK_INTERVAL:
            check()
        kept[sampler.sample(words)] = None
        tries += 1
    picked = np.array(list(kept), np.int64)
    if tries == count:
        return picked, lambda values: sampler.probability(values) * np.float32(count)
    return picked, lambda values: -np.expm1(np.float32(tries) * np.log1p(-sampler.probability(values)))
