"""RandomIndexShuffle: the position of an index in a pseudo-random permutation, without storing the
permutation (random_index_shuffle.cc in TensorFlow).

A block cipher permutes all numbers of an even number of bits. A result outside the range is encrypted again
until it is inside (cycle walking). The cipher is Simon with few rounds and block sizes from 16 bits: Beaulieu
and others: The Simon and Speck families of lightweight block ciphers. IACR 2013/404.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ....graphfmt.dtypes import DType
from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import SCALAR, UNKNOWN, Shape
from ....graphfmt.tensors import Array
from ...core import cancellation
from ...core.inference import ShapeContext
from ...core.registry import Family
from ...core.traits import GpuSupport

family = Family(__name__, gpu=GpuSupport.NONE, host_inputs="seed")
op = family.op

_INTS = "{int32, uint32, int64, uint64}"
_MOST_ROUNDS = 1 << 16
_LEAST_WORD = 8
_CONSTANT = np.uint64(0xFFFFFFFC)
_SEQUENCE = 0x7369F885192C0EF5


def _shuffled_shape(c: ShapeContext) -> Shape:
    """A scalar if all inputs state one index; a vector if any states several."""
    index, seed, highest = (c.input(key) for key in range(3))
    if index.rank is None or seed.rank is None or highest.rank is None:
        return UNKNOWN
    if index.rank == 0 and seed.rank == 1 and highest.rank == 0:
        return SCALAR
    sizes = [shape[0] for shape, many in ((index, 1), (seed, 2), (highest, 1)) if shape.rank == many]
    return Shape((next((size for size in sizes if size is not None), None),))


index_shuffle = op(
    f"RandomIndexShuffle(index: dtype, seed: Tseed, max_index: dtype; rounds: int = 4, "
    f"dtype: type in {_INTS}, Tseed: type in {_INTS}) -> (output: dtype)",
    shape=_shuffled_shape,
    differentiable=False,
    allocates_output=True,
)


@index_shuffle.kernel
def _(xp: Any, index: Any, seed: Any, max_index: Any, *, rounds: int, dtype: DType) -> Any:
    if index.ndim > 1 or max_index.ndim > 1 or seed.ndim not in (1, 2) or seed.shape[-1] != 3:
        raise invalid(
            "index and max_index must be scalars or vectors, and seed of shape [3] or [n, 3], but they are "
            f"of shapes {list(index.shape)}, {list(max_index.shape)} and {list(seed.shape)}"
        )
    sizes = {len(x) for x, many in ((index, 1), (seed, 2), (max_index, 1)) if x.ndim == many}
    if len(sizes) > 1:
        raise invalid(f"index, seed and max_index must have one length, but have {sorted(sizes)}")
    size = sizes.pop() if sizes else 1
    if not size:
        raise invalid("there must be an index at least")
    wrong = (np.asarray(index) < 0) | (np.asarray(max_index) < index)
    if np.any(wrong):
        raise invalid(f"index must be in [0, max_index], but is {index} with a max_index of {max_index}")
    keys = np.broadcast_to(seed, (size, 3)).astype(np.uint32).astype(np.uint64).T
    places, ends = (np.broadcast_to(x, (size,)).astype(np.uint64) for x in (index, max_index))
    found = _walk(places, ends, keys, rounds).astype(dtype.numpy)
    scalar = index.ndim == 0 and seed.ndim == 1 and max_index.ndim == 0
    return found.reshape(()) if scalar else found


def _walk(places: Array, ends: Array, keys: Array, rounds: int) -> Array:
    if rounds > _MOST_ROUNDS:
        raise TfgError(Status.RESOURCE_EXHAUSTED, f"{rounds} rounds are more than {_MOST_ROUNDS}")
    bits = np.ceil(np.log2(np.maximum(ends, 1))).astype(np.uint64)
    word = np.maximum((bits + 1) // np.uint64(2), _LEAST_WORD).astype(np.uint64)
    out = np.zeros_like(places)
    small = np.flatnonzero((word == _LEAST_WORD) & (ends > 0))
    out[small] = _walk_far(places[small], ends[small], keys[:, small], rounds)
    # These blocks are at most four times the range, so few encryptions lead outside.
    waiting = np.flatnonzero(word > _LEAST_WORD)
    current = places[waiting]
    while waiting.size:
        current = _encrypt(current, _round_keys(keys[:, waiting], word[waiting], rounds), word[waiting])
        inside = current <= ends[waiting]
        out[waiting[inside]] = current[inside]
        waiting, current = waiting[~inside], current[~inside]
    return out


def _walk_far(places: Array, ends: Array, keys: Array, rounds: int) -> Array:
    """Does the same in blocks of 16 bits. The range may be a small part of a block, so the permutation is
    tabulated."""
    word = np.array([_LEAST_WORD], np.uint64)
    everything = np.arange(1 << 2 * _LEAST_WORD, dtype=np.uint64)
    out = np.zeros_like(places)
    different, which = np.unique(keys, axis=1, return_inverse=True)
    for number, key in enumerate(different.T):
        table = _encrypt(everything, _round_keys(key[:, None], word, rounds), word).tolist()
        for position in np.flatnonzero(which.reshape(-1) == number).tolist():
            current, end = table[int(places[position])], int(ends[position])
            while current > end:
                current = table[current]
            out[position] = current
    return out


def _mask(word: Array) -> Array:
    return (np.uint64(1) << word) - np.uint64(1)


def _left(x: Array, by: int, word: Array) -> Array:
    by_bits = np.uint64(by)
    return (x << by_bits | x >> word - by_bits) & _mask(word)


def _right(x: Array, by: int, word: Array) -> Array:
    by_bits = np.uint64(by)
    return (x >> by_bits | x << word - by_bits) & _mask(word)


def _round_keys(keys: Array, word: Array, rounds: int) -> list[Array]:
    found = [key & _mask(word) for key in keys]
    for i in cancellation.checked(range(3, rounds + rounds % 2)):
        last = found[i - 1]
        mixed = _right(last, 3, word) ^ _right(last, 4, word)
        bit = np.uint64(_SEQUENCE >> (i - 3) & 1) if i < 67 else np.uint64(0)
        found.append(_CONSTANT & _mask(word) ^ bit ^ found[i - 3] ^ mixed)
    return found


def _encrypt(x: Array, keys: list[Array], word: Array) -> Array:
    left, right = x >> word & _mask(word), x & _mask(word)
    for first, second in cancellation.checked(zip(keys[0::2], keys[1::2])):
        left = left ^ _mixed(right, word) ^ first
        right = right ^ _mixed(left, word) ^ second
    return left << word | right


def _mixed(x: Array, word: Array) -> Array:
    return _left(x, 1, word) & _left(x, 8, word) ^ _left(x, 2, word)
