"""Rejection sampling of gamma and Poisson variables, vectorised.

Every sample has its own substream, from which it takes as many numbers as it needs. All samples are drawn together;
accepted ones drop out of the loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...numeric.distributions import normal_double, uniform_double
from .generators import PER_OUTPUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ....graphfmt.tensors import Array
    from ...numeric.philox import Philox

# Samples drawn together.
_BLOCK = 1 << 15
# An upper bound on the rounds of a rejection loop, far above those of valid parameters.
_MAX_ROUNDS = 4096


class Substreams:
    """Substreams of one stream, which begin at these distances from its start, in groups."""

    def __init__(self, generator: Philox, starts: Array) -> None:
        self._generator = generator
        self._next = starts.astype(np.uint64)

    def __len__(self) -> int:
        return self._next.size

    def groups(self, lanes: Array) -> Array:
        """Returns the next group of each of the selected substreams, all in one array of words."""
        at = self._next[lanes]
        self._next[lanes] = at + np.uint64(1)
        return self._generator.words_at(at).reshape(-1)


class PairedDraws:
    """Doubles of one distribution from substreams. A group yields two, of which the second is used first, as in
    TensorFlow."""

    def __init__(self, lanes: Substreams, draw: Callable[[Array], Array]) -> None:
        self._lanes = lanes
        self._draw = draw
        self._pairs = np.empty((len(lanes), 2))
        self._left = np.zeros(len(lanes), np.intp)

    def take(self, lanes: Array) -> Array:
        """Returns the next number of each of the selected substreams."""
        empty = lanes[self._left[lanes] == 0]
        if empty.size:
            self._pairs[empty] = self._draw(self._lanes.groups(empty)).reshape(-1, 2)
            self._left[empty] = 2
        self._left[lanes] -= 1
        return self._pairs[lanes, self._left[lanes]]


def sample_per_parameter(
    sample: Callable[..., Array], generator: Philox, samples: int, *parameters: Array
) -> Array:
    """Returns an array [samples, size of the parameters] drawn by ``sample(generator, places,
    *parameters)``. In the stream, all samples of the first parameter come first."""
    sizes = parameters[0].size
    out = np.empty(sizes * samples)
    for places in _blocks(out.size):
        which = places // samples
        out[places] = sample(generator, places, *(p[which] for p in parameters))
    return out.reshape(sizes, samples).T


def _blocks(size: int) -> Iterator[Array]:
    for start in range(0, size, _BLOCK):
        yield np.arange(start, min(size, start + _BLOCK))


def sample_gamma(generator: Philox, places: Array, alpha: Array) -> Array:
    """Draws gamma samples. Marsaglia and Tsang: A simple method for generating gamma variables. ACM TOMS 26 (2000).

    NaN where alpha is negative.
    """
    lanes = Substreams(generator, places * PER_OUTPUT)
    normal, uniform = PairedDraws(lanes, normal_double), PairedDraws(lanes, uniform_double)
    out = np.full(alpha.shape, np.nan)
    exponential = np.flatnonzero(alpha == 1)
    out[exponential] = -np.log1p(-uniform.take(exponential))
    below = alpha < 1
    d = alpha + np.where(below, 2 / 3, -1 / 3)
    c = 1 / 3 / np.sqrt(d)
    waiting = np.flatnonzero((alpha >= 0) & (alpha != 1))
    while waiting.size:
        x = normal.take(waiting)
        v = 1 + c[waiting] * x
        positive = np.flatnonzero(v > 0)
        tried, v, square = waiting[positive], v[positive] ** 3, x[positive] ** 2
        u = uniform.take(tried)
        scale = d[tried]
        good = u < 1 - 0.0331 * square * square
        good |= np.log(u) < 0.5 * square + scale * (1 - v + np.log(v))
        out[tried[good]] = scale[good] * v[good]
        waiting = np.delete(waiting, positive[good])
    small = np.flatnonzero(below & (alpha >= 0))
    out[small] *= uniform.take(small) ** (1 / alpha[small])
    return out


def sample_poisson(generator: Philox, places: Array, rate: Array) -> Array:
    """Draws Poisson samples: by Knuth's products of uniform numbers for rates below 10, otherwise by
    Hörmann: The transformed rejection method for generating Poisson random variables. Insurance:
    Mathematics and Economics 12 (1993)."""
    uniform = PairedDraws(Substreams(generator, places * PER_OUTPUT), uniform_double)
    out = np.where(rate > 0, rate, 0.0 * rate)
    few = np.flatnonzero(rate < 10)
    product, count, least = np.ones(few.size), np.zeros(few.size), np.exp(-rate[few])
    while few.size:
        product *= uniform.take(few)
        done = product <= least
        out[few[done]] = count[done]
        going = ~done
        few, product, count, least = few[going], product[going], count[going] + 1, least[going]
    _sample_large_poisson(uniform, np.flatnonzero((rate >= 10) & np.isfinite(rate)), rate, out)
    return out


def _sample_large_poisson(uniform: PairedDraws, waiting: Array, rates: Array, out: Array) -> None:
    from scipy.special import gammaln

    for _ in range(_MAX_ROUNDS):
        if not waiting.size:
            return
        rate = rates[waiting]
        b = 0.931 + 2.53 * np.sqrt(rate)
        a = -0.059 + 0.02483 * b
        u = uniform.take(waiting) - 0.5
        v = uniform.take(waiting)
        shifted = 0.5 - np.abs(u)
        k = np.floor((2 * a / shifted + b) * u + rate + 0.43)
        good = (shifted >= 0.07) & (v <= 0.9277 - 3.6224 / (b - 2))
        hopeless = (k < 0) | ((shifted < 0.013) & (v > shifted))
        inverse = 1.1239 + 1.1328 / (b - 3.4)
        limit = -rate + k * np.log(rate) - gammaln(k + 1)
        good |= ~hopeless & (np.log(v * inverse / (a / (shifted * shifted) + b)) <= limit)
        out[waiting[good]] = k[good]
        waiting = waiting[~good]


def to_integers(values: Array, dtype: Any) -> Array:
    """Converts doubles to a dtype. For integers, values above the maximum become the maximum, and NaN becomes 0."""
    target = np.dtype(dtype)
    if target.kind != "i":
        return values.astype(target)
    top = np.iinfo(target).max
    fits = values < top
    return np.where(fits, values, 0).astype(target) + np.where(values >= top, top, 0).astype(target)
