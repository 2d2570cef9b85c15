"""QuantizeV2 and Dequantize: floats as small integers with a range, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import SCALAR, Shape, vector
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import quantization

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_MODES = "mode: string in {'MIN_COMBINED', 'MIN_FIRST', 'SCALED'} = \"MIN_COMBINED\""
_float = np.float32


def _range_shape(c: ShapeContext, axis: int) -> tuple[Shape, Shape]:
    """Returns the static shapes of the values and of both ends of their range: scalars, or vectors along the axis."""
    if axis < -1:
        raise invalid(f"axis must be -1 or count from the front, but is {axis}")
    shape = c.input(0) if axis < 0 else c.with_rank_at_least(0, axis + 1)
    limits = SCALAR if axis < 0 else vector(shape[axis])
    for key in (1, 2):
        c.input(key).merge(limits)
    return shape, limits


def _check_range(x: Any, low: Any, high: Any, axis: int) -> list[int]:
    """Returns the shape that broadcasts the range along its axis."""
    if axis >= x.ndim:
        raise invalid(f"axis {axis} is out of range for a tensor of shape {Shape(x.shape)}")
    wanted = () if axis < 0 else (x.shape[axis],)
    if low.size != high.size or (low.shape != wanted and not (axis < 0 and low.size == 1)):
        raise invalid(
            f"the range must be of shape {Shape(wanted)}, "
            f"but is of {Shape(low.shape)} and {Shape(high.shape)}"
        )
    return [-1 if i == axis else 1 for i in range(x.ndim)]


def _integer_range(dtype: DType, narrow: bool = False) -> tuple[int, int]:
    limits = np.iinfo(dtype.numpy)
    return int(limits.min) + int(narrow), int(limits.max)


def _cast(xp: Any, x: Any, dtype: DType) -> Any:
    first, last = _integer_range(dtype)
    # Clipped in double, because a float cannot represent the greatest int32.
    return xp.clip(x.astype(np.float64), first, last).astype(dtype.numpy)


# Quantize


def _quantize_shape(c: ShapeContext) -> list[Shape]:
    shape, limits = _range_shape(c, c.attr("axis"))
    return [shape, limits, limits]


quantize = op(
    "QuantizeV2(input: float, min_range: float, max_range: float; T: type in {qint8, quint8, qint32, qint16, "
    f"quint16}}, {_MODES}, round_mode: string in {{'HALF_AWAY_FROM_ZERO', 'HALF_TO_EVEN'}} = "
    '"HALF_AWAY_FROM_ZERO", narrow_range: bool = false, axis: int = -1, '
    "ensure_minimum_range: float = 0.01) -> (output: T, output_min: float, output_max: float)",
    shape=_quantize_shape,
    allocates_output=True,
)


@quantize.kernel
def _(
    xp: Any,
    x: Any,
    min_range: Any,
    max_range: Any,
    *,
    T: DType,
    mode: str,
    round_mode: str,
    narrow_range: bool,
    axis: int,
    ensure_minimum_range: float,
) -> Any:
    if round_mode == "HALF_TO_EVEN" and mode != "SCALED":
        raise invalid(f"round mode HALF_TO_EVEN goes with mode SCALED alone, not {mode}")
    along = _check_range(x, min_range, max_range, axis)
    if (min_range > max_range).any():
        raise invalid(f"the range's lower end {min_range} must not be above its upper end {max_range}")
    low = xp.minimum(_float(0), min_range)
    least = xp.maximum(_float(1), xp.maximum(xp.abs(min_range), xp.abs(max_range))) * _float(
        ensure_minimum_range
    )
    high = xp.maximum(_float(0), xp.maximum(max_range, low + least))
    if mode == "SCALED":
        low, high, scale = _scaled_range(xp, low, high, _integer_range(T, narrow_range))
        inside = xp.clip(x, low.reshape(along), high.reshape(along)) * scale.reshape(along)
        steps = xp.rint(inside) if round_mode == "HALF_TO_EVEN" else quantization.round_half_away(inside)
        return _cast(xp, steps, T), low, high
    if mode == "MIN_FIRST":
        _check_scalar_range(mode, axis)
        return quantization.from_float_fast(x, low.reshape(()), high.reshape(()), T), low, high
    first, last = _integer_range(T)
    scale = (_float(last - first) / (high - low)).reshape(along)
    inside = (xp.clip(x, low.reshape(along), high.reshape(along)) - low.reshape(along)) * scale
    half = _float((last - first + 1) / 2 if first < 0 else 0)
    return _cast(xp, quantization.round_half_away(inside - half), T), low, high


def _scaled_range(xp: Any, low: Any, high: Any, ends: tuple[int, int]) -> tuple[Any, Any, Any]:
    first, last = _float(ends[0]), _float(ends[1])
    most = np.finfo(_float).max
    from_low = xp.where(first * low > 0, first / low, most)
    from_high = xp.where(last * high > 0, last / high, most)
    scale = xp.minimum(from_low, from_high).astype(_float)
    return first / scale, last / scale, scale


def _check_scalar_range(mode: str, axis: int) -> None:
    if axis >= 0:
        raise TfgError(
            Status.UNIMPLEMENTED, f"mode {mode} takes one range for all, not one along axis {axis}"
        )


# Dequantize


dequantize = op(
    f"Dequantize(input: T, min_range: float, max_range: float; T: type in {{qint8, quint8, qint32, qint16, "
    f"quint16}}, {_MODES}, narrow_range: bool = false, axis: int = -1, dtype: type in {{bfloat16, float}} = "
    "float) -> (output: dtype)",
    shape=lambda c: _range_shape(c, c.attr("axis"))[0],
    allocates_output=True,
)


@dequantize.kernel
def _(
    xp: Any,
    x: Any,
    min_range: Any,
    max_range: Any,
    *,
    T: DType,
    mode: str,
    narrow_range: bool,
    axis: int,
    dtype: DType,
) -> Any:
    along = _check_range(x, min_range, max_range, axis)
    low, high = min_range.reshape(along), max_range.reshape(along)
    first, last = _integer_range(T, narrow_range and mode == "SCALED")
    if mode == "SCALED":
        by_low = low / _float(first) if first else _float(0)
        values = x.astype(_float) * xp.maximum(by_low, high / _float(last))
    elif mode == "MIN_FIRST":
        _check_scalar_range(mode, axis)
        values = quantization.to_float_fast(x, low.reshape(()), high.reshape(()), T)
    else:
        half = _float((last - first + 1) / 2 if first < 0 else 0)
        values = (x.astype(_float) + half) * ((high - low) / _float(last - first)) + low
    return values.reshape(x.shape).astype(dtype.numpy)
