"""Quantised integers: tensors that stand for floats between the ends of a range (TensorFlow's quantization_utils.h).

A range [low, high] maps linearly to the integers of a dtype. TensorFlow does this in two ways that differ in the last
place: in double precision (``to_float``, ``from_float``), and in float (``to_float_fast``, ``from_float_fast``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.errors import invalid
from ...graphfmt.shapes import Shape

if TYPE_CHECKING:
    from ...graphfmt.dtypes import DType

_float = np.float32
_double = np.float64
# The greatest float below 2**31.
_MOST_FLOAT_INT32 = 2147483520.0

QUANTIZED = "{qint8, quint8, qint32, qint16, quint16}"


def limits(dtype: DType) -> tuple[int, int]:
    """Returns the least and the greatest integer of a dtype."""
    info = np.iinfo(dtype.numpy)
    return int(info.min), int(info.max)


def range_end(value: Any, name: str) -> Any:
    """Returns one end of a range, a float. Raises INVALID_ARGUMENT unless the tensor is of rank 0."""
    if value.ndim:
        raise invalid(f"{name} must be a scalar, but has shape {Shape(tuple(value.shape))}")
    return _float(value.item())


def range_ends(low: Any, high: Any, name: str) -> tuple[Any, Any]:
    """Returns both ends of the range ``min_name`` and ``max_name``. Raises INVALID_ARGUMENT unless they are scalars."""
    return range_end(low, f"min_{name}"), range_end(high, f"max_{name}")


def check_extent(low: Any, high: Any, name: str) -> None:
    """Raises INVALID_ARGUMENT for a range without extent."""
    if not high > low:
        raise invalid(f"max_{name} must be larger than min_{name}, but they are {high} and {low}")


def round_half_away(x: Any) -> Any:
    """Rounds to the nearest integer, halves away from zero."""
    # The number before 0.5, so that 0.49999997 is not rounded up by the addition.
    half = np.nextafter(x.dtype.type(0.5), x.dtype.type(0))
    return np.trunc(x + np.copysign(half, x))


def to_int64(x: Any) -> int:
    """Converts a double as a processor does: what does not fit becomes the least integer."""
    return int(x) if np.isfinite(x) and abs(x) < 2.0**63 else -(2**63)


def _wrap_int64(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63


def wrap_int32(value: int) -> int:
    """Returns the lower 32 bits as a signed integer."""
    return (value + 2**31) % 2**32 - 2**31


def _steps_per_unit(low: Any, high: Any, dtype: DType) -> tuple[float, Any]:
    first, last = limits(dtype)
    steps = float(last - first + 1)
    return steps, _double(high - low) * (steps / (steps - 1.0))


def to_float(x: Any, low: Any, high: Any, dtype: DType) -> Any:
    """Returns the floats that integers stand for (QuantizedToFloat)."""
    if low == high:
        return np.full(np.shape(x), low, _float)
    steps, extent = _steps_per_unit(low, high, dtype)
    scale = extent / steps
    with np.errstate(all="ignore"):
        start = _double(round_half_away(low / _float(scale)) * _float(scale))
        return (start + (np.asarray(x, _double) - limits(dtype)[0]) * scale).astype(_float)


def from_float(x: Any, low: Any, high: Any, dtype: DType) -> Any:
    """Returns the integers that stand for floats, as int64 within the limits of the dtype (FloatToQuantized)."""
    first, last = limits(dtype)
    if low == high:
        return np.full(np.shape(x), first, np.int64)
    steps, extent = _steps_per_unit(low, high, dtype)
    with np.errstate(all="ignore"):
        scale = steps / extent
        number = (
            round_half_away(np.asarray(x, _double) * scale) - round_half_away(_double(low) * scale) + first
        )
        # What is not a number becomes the least integer, as in a conversion by the processor.
        return np.clip(np.where(np.isnan(number), first, number), first, last).astype(np.int64)


def zero_point(low: Any, high: Any, dtype: DType) -> int:
    """Returns the integer, of 32 bits, that stands for 0. Outside of the limits if 0 is outside of the range."""
    first = limits(dtype)[0]
    if low == high:
        return first
    steps, extent = _steps_per_unit(low, high, dtype)
    with np.errstate(all="ignore"):
        return wrap_int32(to_int64(-round_half_away(_double(low) * (steps / extent))) + first)


def level(low: Any, high: Any, dtype: DType, *, symmetric: bool = False) -> Any:
    """Returns the difference between the floats of two adjacent integers; -128 does not count if ``symmetric``."""
    first, last = limits(dtype)
    if symmetric and first < -last:
        first += 1
    return (high - low) / _float(last - first)


def product_range(a_level: Any, b_level: Any, dtype: DType) -> tuple[Any, Any]:
    """Returns the range of products, given the levels of the factors (QuantizationRangeForMultiplication)."""
    first, last = limits(dtype)
    step = a_level * b_level
    return (step * _float(first)).astype(_float), (step * _float(last)).astype(_float)


def to_float_fast(x: Any, low: Any, high: Any, dtype: DType) -> Any:
    """Returns the floats that integers stand for, computed in float (DEQUANTIZE_WITH_EIGEN)."""
    first, last = limits(dtype)
    scale = _float(_double(high - low) / _double(last - first))
    start = low if low == high else round_half_away(low / scale) * scale
    return (start - _float(first) * scale) + x.astype(_float) * scale


def from_float_fast(x: Any, low: Any, high: Any, dtype: DType) -> Any:
    """Returns the integers that stand for floats, in the dtype, computed in float (QUANTIZE_WITH_EIGEN)."""
    first, last = limits(dtype)
    scale = _float(0) if low == high else _float(_double(last - first) / _double(high - low))
    number = round_half_away(x * scale) - (round_half_away(low * scale) - _float(first))
    return np.clip(number, _float(first), _float(min(last, _MOST_FLOAT_INT32))).astype(dtype.numpy)


def requantize(
    x: Any, ends: tuple[Any, Any], dtype: DType, new_ends: tuple[Any, Any], new_dtype: DType
) -> Any:
    """Returns integers of one range and dtype in another (RequantizeManyInNewRangeUsingEigen)."""
    if dtype.name == "qint32" and new_dtype.name == "quint8":
        return _requantize_to_quint8(x, ends, new_ends)
    return from_float_fast(to_float_fast(x, *ends, dtype), *new_ends, new_dtype)


def _requantize_to_quint8(x: Any, ends: tuple[Any, Any], new_ends: tuple[Any, Any]) -> Any:
    """Requantises 32 bits to 8 in fixed-point arithmetic, with 16 bits after the point."""
    (low, high), (new_low, new_high) = ends, new_ends
    extent, new_extent = _double(high - low), _double(new_high - new_low)
    if new_extent == 0:
        scale = offset = 0
    else:
        middle = _float(_double(low + high) / 2.0) * _float(255.0 / new_extent) * _float(65536)
        scale = to_int64(255.0 * 65536.0 * extent / new_extent)
        offset = to_int64(middle) - to_int64(65536.0 * (_double(new_low) * 255.0) / new_extent)
    with np.errstate(over="ignore"):
        number = (x.astype(np.int64) * np.int64(scale)) >> 32
        # Wraps where it overflows, as TensorFlow's sum does.
        number = (number + np.int64(_wrap_int64(offset + 32768))) >> 16
    return np.clip(number, 0, 255).astype(np.uint8)
