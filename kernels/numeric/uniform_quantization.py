"""Uniform quantisation: integers q that stand for (q - zero_point) * scale, per tensor or per slice along an axis.

Changes of scale are products with a fixed-point number of 31 bits and a shift, as in TensorFlow's
uniform_quant_ops/math_utils.h.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...graphfmt.errors import invalid
from ...graphfmt.shapes import Shape

_float = np.float32
_BITS = 31
_LEAST_SHIFT, _MOST_SHIFT = -31, 30
_INT32 = (-(2**31), 2**31 - 1)


class Scales(NamedTuple):
    """The scales and zero points of a tensor: scalars, or vectors along ``axis``; -1 stands for scalars."""

    scales: Any
    zeros: Any
    axis: int

    def along(self, rank: int) -> Scales:
        """The same, in a shape that broadcasts to tensors of that rank."""
        if self.axis < 0:
            return self
        shape = [-1 if i == self.axis else 1 for i in range(rank)]
        return Scales(self.scales.reshape(shape), self.zeros.reshape(shape), self.axis)


def checked_scales(shape: tuple[int, ...], scales: Any, zeros: Any, axis: int, what: str) -> Scales:
    """Returns the scales of a tensor of that shape. Raises INVALID_ARGUMENT where they do not fit it."""
    scales, zeros = np.asarray(scales), np.asarray(zeros)
    if axis < -1 or axis >= len(shape):
        raise invalid(f"quantization_axis of {what} must be -1 or in [0, {len(shape)}), but is {axis}")
    wanted = () if axis < 0 else (shape[axis],)
    if scales.shape != wanted or zeros.shape != wanted:
        raise invalid(
            f"scales and zero points of {what}, of shape {Shape(shape)}, must have shape {Shape(wanted)} along axis "
            f"{axis}, but have shapes {Shape(scales.shape)} and {Shape(zeros.shape)}"
        )
    return Scales(scales, zeros, axis)


def check_positive(*scales: Any) -> None:
    """Raises INVALID_ARGUMENT unless all scales are positive."""
    for found in scales:
        if not np.all(np.asarray(found) > 0):
            raise invalid(f"scales must be all positive, but are {np.asarray(found).tolist()}")


def as_integers(x: Any) -> Any:
    """Returns quantised integers as int64. Those of 32 bits go by way of floats, as in TensorFlow, and lose their last
    bits."""
    return x.astype(_float).astype(np.int64) if x.dtype == np.int32 else x.astype(np.int64)


def quantize(x: Any, scales: Any, zeros: Any, ends: tuple[int, int]) -> Any:
    """Returns the integers that stand for floats, within both ends, as int64."""
    with np.errstate(all="ignore"):
        return _quantize(x, _float(1) / scales, zeros, ends)


def _quantize(x: Any, inverse: Any, zeros: Any, ends: tuple[int, int]) -> Any:
    steps = np.floor(x * inverse + _float(0.5)).astype(np.float64)
    whole = np.clip(np.where(np.isnan(steps), _INT32[0], steps), *_INT32).astype(np.int64)
    return np.maximum(np.minimum(whole + zeros, ends[1]), ends[0])


def dequantize(x: Any, scales: Any, zeros: Any) -> Any:
    """Returns the floats that integers stand for."""
    return (as_integers(x) - zeros).astype(np.int32).astype(_float) * scales


def quantize_rows(x: Any, ends: tuple[int, int]) -> tuple[Any, Any, Any]:
    """Quantises each slice along the first axis by its own least and greatest element (AsymmetricQuantize).

    Returns the integers, as int64, and the scales and zero points, of rank 1.
    """
    rows = x.reshape(x.shape[0], -1)
    low = np.minimum(rows.min(axis=1, initial=0), 0).astype(np.float64)
    high = np.maximum(rows.max(axis=1, initial=0), 0).astype(np.float64)
    first, last = (float(end) for end in ends)
    with np.errstate(all="ignore"):
        scales = ((high - low) / (last - first)).astype(_float)
        inverse = np.where(high > low, (last - first) / (high - low), 0).astype(_float)
        from_low, from_high = first - low / scales, last - high / scales
        by_low = abs(first) + np.abs(low / scales) < abs(last) + np.abs(high / scales)
    is_flat = (scales == 0) | ~np.isfinite(inverse)
    zeros = np.where(is_flat, 0, np.where(by_low, from_low, from_high))
    zeros = np.clip(np.trunc(zeros + np.copysign(0.5, zeros)), first, last).astype(np.int64)
    found = _quantize(rows, inverse[:, None], zeros[:, None], ends)
    return np.where(is_flat[:, None], 0, found).reshape(x.shape), np.where(is_flat, _float(1), scales), zeros


def fixed_point(factor: Any) -> tuple[Any, Any]:
    """Returns positive factors as integers of 31 bits and shifts: factor = integer * 2^(shift - 31).

    Raises INVALID_ARGUMENT for factors that are not positive and finite.
    """
    if not np.all(np.isfinite(factor) & (factor > 0)):
        raise invalid(
            f"the quotient of scales must be positive and finite, but is {np.asarray(factor).tolist()}"
        )
    fraction, shift = np.frexp(np.asarray(factor, np.float64))
    integer = np.floor(fraction * 2.0**_BITS + 0.5).astype(np.int64)
    is_one = integer == 2**_BITS
    integer, shift = np.where(is_one, integer // 2, integer), shift + is_one
    integer = np.where(shift < _LEAST_SHIFT, 0, np.where(shift > _MOST_SHIFT, 2**_BITS - 1, integer))
    shift = np.where(shift < _LEAST_SHIFT, 0, np.minimum(shift, _MOST_SHIFT))
    return integer, shift


def rescale(x: Any, factor: Any, zeros: Any, ends: tuple[int, int]) -> Any:
    """Returns integers times factors, rounded, plus zero points, within both ends, as int64."""
    integer, shift = fixed_point(factor)
    down = _BITS - shift
    scaled = (x.astype(np.int64) * integer + (np.int64(1) << (down - 1))) >> down
    moved = (np.clip(scaled, *_INT32) + zeros).astype(np.int32).astype(np.int64)
    return np.maximum(np.minimum(moved, ends[1]), ends[0])


def requantize(x: Any, old: Scales, new: Scales, ends: tuple[int, int]) -> Any:
    """Returns integers of other scales and zero points, within both ends, as int64."""
    old, new = old.along(x.ndim), new.along(x.ndim)
    centred = (as_integers(x) - old.zeros).astype(np.int32)
    return rescale(centred, old.scales.astype(np.float64) / new.scales, new.zeros, ends)
