"""Encodings of tensors in HDF5.

Numbers are stored as they are, in 16 bits, or as the bit patterns of a type that HDF5 lacks; strings with a fixed size
("room"), or packed: their count and lengths, then their bytes.
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

# Strings get rooms of the size of the longest where that wastes no more than this many times their bytes.
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
        """The bytes of the tensor as it is kept, before any compression."""
        return prod(self.stored_shape) * self.stored_type.itemsize

    @property
    def encoding(self) -> str:
        """A description of the stored elements for readers of the file; empty for plain ones."""
        if self.packed:
            return "strings: their count and lengths as int64, then their bytes"
        if self.kept is not self.dtype:
            return f"{self.kept.name} bits" if self.kept is dtypes.bfloat16 else self.kept.name
        return f"{self.dtype.name} bits" if self.dtype.numpy_name.startswith("ml:") else ""


def encoding_of(array: Array, as_dtype: DType | None = None, dtype: DType | None = None) -> Encoding:
    """The form for an array, of the type it has or of another that numpy does not tell from it; floats of 32 and
    64 bits are kept ``as_dtype``."""
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


def encode(array: Array, form: Encoding) -> Array:
    """A part of a tensor (of packed strings: the whole) as it is stored, contiguous.

    Raises INVALID_ARGUMENT for a number that is not finite any more in 16 bits.
    """
    if form.dtype is dtypes.string:
        texts = _texts(array)
        if form.packed:
            lengths = np.array([len(texts), *map(len, texts)], "<i8")
            return np.frombuffer(lengths.tobytes() + b"".join(texts), np.uint8)
        return np.array(texts, form.stored_type).reshape(array.shape)
    if form.kept is not form.dtype:
        array = _rounded(array, form.kept)
    return np.asarray(array, form.kept.numpy, order="C").view(form.stored_type)


def decode(stored: Array, form: Encoding) -> Array:
    """The tensor, or a part of it, from what is stored. Raises ValueError for packed strings that are not."""
    if form.packed:
        return _unpacked(stored)
    if form.room:
        texts = np.empty(stored.shape, object)
        texts[...] = stored.astype(object)
        return texts
    if form.dtype is dtypes.bool_:
        # Any other byte than 0 and 1 is no bool that numpy could be trusted with.
        return stored.view(np.uint8) != 0
    array = stored.view(form.kept.numpy)
    return array if form.kept is form.dtype else array.astype(form.dtype.numpy)


def _texts(array: Array) -> list[Any]:
    return [text.encode() if isinstance(text, str) else text for text in array.reshape(-1).tolist()]


def _lengths(array: Array) -> tuple[list[int], bool]:
    """The strings' lengths, and whether one ends in a zero, which a room could not tell from padding."""
    texts = _texts(array)
    if not all(isinstance(text, bytes) for text in texts):
        raise invalid("a string tensor holds what is no string")
    return [len(text) for text in texts], any(text.endswith(b"\0") for text in texts)


def _unpacked(stored: Array) -> Array:
    raw = stored.tobytes()
    count = int.from_bytes(raw[:8], "little", signed=True)
    if not 0 <= count <= len(raw) // 8 - 1:
        raise ValueError(f"{count} strings do not fit into {len(raw)} bytes")
    lengths = np.frombuffer(raw, "<i8", count, 8)
    begin = 8 * (count + 1)
    if (lengths < 0).any() or (lengths > len(raw)).any() or begin + int(lengths.sum()) != len(raw):
        raise ValueError("strings whose lengths do not add up")
    ends = begin + np.cumsum(lengths)
    texts = np.empty(count, object)
    texts[:] = [raw[start:end] for start, end in zip([begin, *ends[:-1].tolist()], ends.tolist())]
    return texts


def _rounded(array: Array, kept: DType) -> Array:
    """To the nearest, ties to even, in one rounding."""
    source = array
    if array.dtype == np.float64 and kept is dtypes.bfloat16:
        array = _to_odd(array)
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = array.astype(kept.numpy)
    lost = np.isinf(rounded) & np.isfinite(source)
    if lost.any():
        value = source[lost].reshape(-1)[0]
        raise invalid(
            f"{value} is too large for {kept.name}",
            hint="use --as bfloat16" if kept is dtypes.float16 else None,
        )
    return rounded


def _to_odd(array: Array) -> Array:
    """float64 as float32 such that another rounding gives what one rounding would: toward zero, the last bit set
    where anything was lost."""
    with np.errstate(over="ignore", invalid="ignore"):
        near = np.ascontiguousarray(array.astype(np.float32))
    bits = near.view(np.uint32)
    wide = near.astype(np.float64)
    bits = bits - (np.abs(wide) > np.abs(array)).astype(np.uint32)
    bits |= ((wide != array) & ~np.isnan(array)).astype(np.uint32)
    return bits.view(np.float32)
