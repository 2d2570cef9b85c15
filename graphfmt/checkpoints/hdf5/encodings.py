"""Encodings of tensors in HDF5.

Numbers are stored in their own type, rounded to 16 bits, or as the bits of a type that HDF5 lacks. Strings are stored
with a fixed size each ("room"), or packed: their count and lengths, then their bytes.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ... import dtypes
from ...errors import invalid

if TYPE_CHECKING:
    from ...dtypes import DType
    from ...tensors import Array

# Strings get a fixed size, that of the longest, if this takes no more than so many times their bytes.
_WASTE, _HARMLESS_WASTE = 4, 1 << 16

# HDF5's limit; numpy's is 64.
_MOST_DIMENSIONS = 32


class Encoding(NamedTuple):
    """The encoding of a tensor. ``kept`` is the dtype of the stored elements, which differs for floats in 16 bits.

    Strings have ``room`` bytes each, or, if that is 0, are packed into ``packed`` bytes.
    """

    dtype: DType
    shape: tuple[int, ...]
    kept: DType
    room: int = 0
    packed: int = 0

    @property
    def stored_type(self) -> np.dtype[Any]:
        if self.dtype is dtypes.string:
            return np.dtype(f"S{self.room}" if self.room else "u1")
        numpy = self.kept.numpy
        return np.dtype(f"u{numpy.itemsize}") if self.kept.numpy_name.startswith("ml:") else numpy

    @property
    def stored_shape(self) -> tuple[int, ...]:
        if self.packed:
            return (self.packed,)
        return self.shape if len(self.shape) <= _MOST_DIMENSIONS else (prod(self.shape),)

    @property
    def stored_bytes(self) -> int:
        """The bytes of the stored tensor before compression."""
        return prod(self.stored_shape) * self.stored_type.itemsize

    @property
    def description(self) -> str:
        """A description of the stored elements for readers of the file; empty for plain ones."""
        if self.packed:
            return "strings: their count and lengths as int64, then their bytes"
        if self.kept is not self.dtype:
            return f"{self.kept.name} bits" if self.kept is dtypes.bfloat16 else self.kept.name
        return f"{self.dtype.name} bits" if self.dtype.numpy_name.startswith("ml:") else ""


def encoding_of(array: Array, as_dtype: DType | None = None, dtype: DType | None = None) -> Encoding:
    """Returns the encoding for an array. float32 and float64 are stored ``as_dtype``, if given.

    ``dtype`` is needed where one numpy type stands for several dtypes (int8 and qint8).
    """
    dtype = dtype or dtypes.of_numpy(array.dtype)
    shape = tuple(array.shape)
    if dtype is dtypes.string:
        lengths, zero_ended = _lengths(array)
        total, longest = sum(lengths), max(lengths, default=0)
        if not zero_ended and longest * len(lengths) <= max(_WASTE * total, _HARMLESS_WASTE):
            return Encoding(dtype, shape, dtype, room=max(longest, 1))
        return Encoding(dtype, shape, dtype, packed=8 * (len(lengths) + 1) + total)
    if as_dtype is not None and dtype in (dtypes.float32, dtypes.float64):
        return Encoding(dtype, shape, as_dtype)
    return Encoding(dtype, shape, dtype)


def encode(array: Array, encoding: Encoding) -> Array:
    """Returns the stored, contiguous form of a part of a tensor; of packed strings only of the whole.

    Raises INVALID_ARGUMENT for a finite number that 16 bits cannot represent.
    """
    if encoding.dtype is dtypes.string:
        texts = _texts(array)
        if encoding.packed:
            lengths = np.array([len(texts), *map(len, texts)], "<i8")
            return np.frombuffer(lengths.tobytes() + b"".join(texts), np.uint8)
        return np.array(texts, encoding.stored_type).reshape(array.shape)
    if encoding.kept is not encoding.dtype:
        array = _rounded(array, encoding.kept)
    return np.asarray(array, encoding.kept.numpy, order="C").view(encoding.stored_type)


def decode(stored: Array, encoding: Encoding) -> Array:
    """Returns the tensor, or a part of it, from its stored form. Raises ValueError for malformed packed strings."""
    if encoding.packed:
        return _unpacked(stored)
    if encoding.room:
        texts = np.empty(stored.shape, object)
        texts[...] = stored.astype(object)
        return texts
    if encoding.dtype is dtypes.bool_:
        # numpy's behaviour for bool bytes other than 0 and 1 is undefined.
        return stored.view(np.uint8) != 0
    array = stored.view(encoding.kept.numpy)
    return array if encoding.kept is encoding.dtype else array.astype(encoding.dtype.numpy)


def _texts(array: Array) -> list[Any]:
    return [text.encode() if isinstance(text, str) else text for text in array.reshape(-1).tolist()]


def _lengths(array: Array) -> tuple[list[int], bool]:
    """Returns the lengths of the strings, and True if one ends in a zero byte, which looks like padding in a fixed
    size."""
    texts = _texts(array)
    if not all(isinstance(text, bytes) for text in texts):
        raise invalid("a string tensor holds an object that is not a string")
    return [len(text) for text in texts], any(text.endswith(b"\0") for text in texts)


def _unpacked(stored: Array) -> Array:
    raw = stored.tobytes()
    count = int.from_bytes(raw[:8], "little", signed=True)
    if not 0 <= count <= len(raw) // 8 - 1:
        raise ValueError(f"{count} strings do not fit into {len(raw)} bytes")
    lengths = np.frombuffer(raw, "<i8", count, 8)
    begin = 8 * (count + 1)
    if (lengths < 0).any() or (lengths > len(raw)).any() or begin + int(lengths.sum()) != len(raw):
        raise ValueError("the lengths of the strings do not add up to their bytes")
    ends = begin + np.cumsum(lengths)
    texts = np.empty(count, object)
    texts[:] = [raw[start:end] for start, end in zip([begin, *ends[:-1].tolist()], ends.tolist())]
    return texts


def _rounded(array: Array, kept: DType) -> Array:
    """Rounds to the nearest, ties to even, once also from float64 to bfloat16."""
    source = array
    if array.dtype == np.float64 and kept is dtypes.bfloat16:
        array = _to_odd(array)
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = array.astype(kept.numpy)
    overflowed = np.isinf(rounded) & np.isfinite(source)
    if overflowed.any():
        value = source[overflowed].reshape(-1)[0]
        raise invalid(
            f"{value} is too large for {kept.name}",
            hint="use --as bfloat16" if kept is dtypes.float16 else None,
        )
    return rounded


def _to_odd(array: Array) -> Array:
    """Rounds float64 to float32 by "round to odd" (toward zero, with the last bit set if inexact), so that a second
    rounding gives the result of a single one."""
    with np.errstate(over="ignore", invalid="ignore"):
        near = np.ascontiguousarray(array.astype(np.float32))
    bits = near.view(np.uint32)
    wide = near.astype(np.float64)
    bits = bits - (np.abs(wide) > np.abs(array)).astype(np.uint32)
    bits |= ((wide != array) & ~np.isnan(array)).astype(np.uint32)
    return bits.view(np.float32)
