"""Conversion of 32-bit random words to numbers, bit for bit as TensorFlow does (random_distributions.h).

Uniform floats are random mantissas: a float in [1, 2) less one, so that the lowest 23, 52, 10 or 7 bits of a word
count. Normal floats come in pairs by the transform of Box and Muller; half and bfloat16 are rounded from float.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt import dtypes
from ...graphfmt.errors import Status, TfgError, invalid
from .philox import BLOCK, Philox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...graphfmt.dtypes import DType
    from ...graphfmt.tensors import Array

# Uniform numbers below this are raised to it, so that their logarithm is finite.
_SMALLEST = 1e-7
_MAX_ELEMENTS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution of numbers: ``convert`` makes ``per_group`` elements of each group of four words."""

    dtype: Any
    per_group: int
    convert: Callable[[Array], Array]

    def fill(self, generator: Philox, shape: Sequence[int]) -> Array:
        """Returns an array of this shape, filled from the next groups of the generator."""
        out = allocate(shape, self.dtype)
        flat = out.reshape(-1)
        for start, words in generator.blocks(-(-flat.size // self.per_group)):
            part = flat[start * self.per_group :]
            converted = self.convert(words)
            part[: converted.size] = converted[: part.size]
        return out


def allocate(shape: Sequence[int], dtype: Any) -> Array:
    """Returns an uninitialized array. Raises RESOURCE_EXHAUSTED where memory does not suffice."""
    try:
        return np.empty(shape, dtype)
    except (MemoryError, ValueError):
        raise TfgError(
            Status.RESOURCE_EXHAUSTED,
            f"no memory for a tensor of shape {list(shape)} and dtype {np.dtype(dtype)}",
        ) from None


# Uniform numbers in [0, 1).


def uniform_float(words: Array) -> Array:
    """Makes floats in [0, 1) of the low 23 bits of each word."""
    bits = words & np.uint32(0x7FFFFF)
    bits |= np.uint32(127 << 23)
    out = bits.view(np.float32)
    out -= np.float32(1)
    return out


def uniform_double(words: Array) -> Array:
    """Makes doubles in [0, 1): the low 20 bits of the first word are the upper mantissa bits."""
    pairs = words.view(np.uint64)
    bits = (pairs & np.uint64(0xFFFFF)) << np.uint64(32)
    bits |= pairs >> np.uint64(32)
    bits |= np.uint64(1023 << 52)
    out = bits.view(np.float64)
    out -= 1.0
    return out


def _uniform_half(words: Array) -> Array:
    return ((words & np.uint32(0x3FF)).astype(np.float32) / np.float32(1024)).astype(np.float16)


def _uniform_bfloat16(words: Array) -> Array:
    small = (words & np.uint32(0x7F)).astype(np.float32) / np.float32(128)
    return small.astype(dtypes.bfloat16.numpy)


_UNIFORMS = {
    "half": (_uniform_half, 4),
    "bfloat16": (_uniform_bfloat16, 4),
    "float": (uniform_float, 4),
    "double": (uniform_double, 2),
}


def uniforms(dtype: DType, generator: Philox, shape: Sequence[int]) -> Array:
    """Returns floats, uniform in [0, 1)."""
    convert, per_group = _UNIFORMS[dtype.name]
    return Distribution(dtype.numpy, per_group, convert).fill(generator, shape)


# Standard normal numbers.


def normal_float(words: Array) -> Array:
    """Makes pairs of standard normal floats.

    Angles and logarithms are rounded from double, which is as exact as the float functions of the C library.
    """
    numbers = uniform_float(words)
    radius = np.maximum(numbers[0::2], np.float32(_SMALLEST)).astype(np.float64)
    radius = np.sqrt(np.float32(-2) * np.log(radius, out=radius).astype(np.float32))
    angle = (2 * math.pi * numbers[1::2].astype(np.float64)).astype(np.float32).astype(np.float64)
    out = np.empty_like(numbers)
    np.multiply(np.sin(angle).astype(np.float32), radius, out=out[0::2])
    np.multiply(np.cos(angle, out=angle).astype(np.float32), radius, out=out[1::2])
    return out


def normal_double(words: Array) -> Array:
    """Makes pairs of standard normal doubles, of two uniform doubles each."""
    numbers = uniform_double(words)
    radius = np.sqrt(-2.0 * np.log(np.maximum(numbers[0::2], _SMALLEST)))
    angle = 2 * math.pi * numbers[1::2]
    out = np.empty_like(numbers)
    np.multiply(np.sin(angle), radius, out=out[0::2])
    np.multiply(np.cos(angle), radius, out=out[1::2])
    return out


def normals(dtype: DType, generator: Philox, shape: Sequence[int]) -> Array:
    """Returns standard normal floats."""
    if dtype.name == "double":
        return Distribution(np.float64, 2, normal_double).fill(generator, shape)
    # Assigning to a narrower array rounds.
    return Distribution(dtype.numpy, 4, normal_float).fill(generator, shape)


# Integers.


def full_ints(dtype: DType, generator: Philox, shape: Sequence[int]) -> Array:
    """Returns integers, uniform over the whole range of their dtype."""
    target = dtype.numpy
    return Distribution(target, 16 // target.itemsize, lambda words: words.view(target)).fill(
        generator, shape
    )


def uniform_int(dtype: DType, low: Any, high: Any) -> Distribution:
    """Returns the distribution of integers in [low, high), with the slight bias of TensorFlow's remainders.

    Raises INVALID_ARGUMENT where low and high are not scalars or low is not less than high.
    """
    for name, bound in (("minval", low), ("maxval", high)):
        if bound.ndim != 0:
            raise invalid(f"{name} must be a scalar, but has shape {list(bound.shape)}")
    low, high = int(low), int(high)
    if low >= high:
        raise invalid(f"Need minval < maxval, got {low} >= {high}")
    target = dtype.numpy
    unsigned = np.dtype(f"u{target.itemsize}").type
    span, offset = unsigned(high - low), unsigned(low % 2 ** (8 * target.itemsize))

    def convert(words: Array) -> Array:
        offsets = words.view(unsigned) % span
        offsets += offset
        return offsets.view(target)

    return Distribution(target, 16 // target.itemsize, convert)


# Normal numbers within two standard deviations.


def truncated_normals(dtype: DType, generator: Philox, shape: Sequence[int]) -> Array:
    """Returns standard normal floats within two standard deviations.

    Every group of outputs has a part of the stream to itself, 256 words for each element, and takes from it the
    first numbers within the bounds.
    """
    out = allocate(shape, dtype.numpy)
    double = dtype.name == "double"
    width = 2 if double else 4
    draw = normal_double if double else normal_float
    flat = out.reshape(-1)
    groups = -(-flat.size // width)
    for start in range(0, groups, BLOCK):
        offsets = np.arange(start, min(groups, start + BLOCK), dtype=np.uint64) * np.uint64(64 * width)
        numbers = _first_within(generator, offsets, width, draw).reshape(-1)
        part = flat[start * width :]
        part[: numbers.size] = numbers[: part.size]
    return out


def _first_within(generator: Philox, offsets: Array, width: int, draw: Callable[[Array], Array]) -> Array:
    """Returns, for each position in the stream, the first ``width`` normal numbers after it whose magnitude is
    below 2.
    """
    out = draw(generator.words_at(offsets).reshape(-1)).reshape(-1, width)
    rows = np.flatnonzero(~(np.abs(out) < 2).all(axis=1))
    numbers = out[rows]
    counts = np.zeros(rows.size, np.intp)
    step = 0
    while rows.size:
        within = np.abs(numbers) < 2
        places = counts[:, None] + np.cumsum(within, axis=1) - 1
        row, column = np.nonzero(within & (places < width))
        out[rows[row], places[row, column]] = numbers[row, column]
        counts += np.count_nonzero(within, axis=1)
        short = counts < width
        rows, counts = rows[short], counts[short]
        step += 1
        words = generator.words_at(offsets[rows] + np.uint64(step))
        numbers = draw(words.reshape(-1)).reshape(-1, width)
    return out
