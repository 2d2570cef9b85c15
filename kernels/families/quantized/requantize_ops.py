"""Requantisation: integers of one range in another, usually 32 bits in 8, and the ranges that values take up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import SCALAR, Shape, merge_dim
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.quantization import QUANTIZED, limits, range_end, requantize, to_float
from .ranges import like_first

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_float = np.float32
_TYPES = f"Tinput: type in {QUANTIZED}, out_type: type in {QUANTIZED}"
_RANGE = "input_min: float, input_max: float"
_OUTPUTS = "(output: out_type, output_min: float, output_max: float)"


def _input_range(low: Any, high: Any) -> tuple[Any, Any]:
    return range_end(low, "input_min"), range_end(high, "input_max")


def _used_range(x: Any, low: Any, high: Any, dtype: DType) -> tuple[Any, Any]:
    """Returns the range that values take up, with 0 in it."""
    first, last = limits(dtype)
    used = to_float(np.array([x.min(initial=last), x.max(initial=first)]), low, high, dtype)
    return np.minimum(_float(0), used[0]), used[1]


shrink_range = op(
    f"QuantizeDownAndShrinkRange(input: Tinput, {_RANGE}; {_TYPES}) -> {_OUTPUTS}",
    shape=like_first("input_min", "input_max"),
    kernel_types={"Tinput": "qint32", "out_type": "quint8"},
    allocates_output=True,
)


@shrink_range.kernel
def _(xp: Any, x: Any, low: Any, high: Any, *, Tinput: DType, out_type: DType) -> Any:
    ends = _input_range(low, high)
    used = _used_range(x, *ends, Tinput)
    return requantize(x, ends, Tinput, used, out_type), *used


def _range_shape(c: ShapeContext) -> list[Shape]:
    c.with_rank("input_min", 0)
    c.with_rank("input_max", 0)
    return [SCALAR, SCALAR]


requantization_range = op(
    f"RequantizationRange(input: Tinput, {_RANGE}; Tinput: type in {QUANTIZED}) -> "
    "(output_min: float, output_max: float)",
    shape=_range_shape,
    kernel_types={"Tinput": "qint32"},
    allocates_output=True,
)


@requantization_range.kernel
def _(xp: Any, x: Any, low: Any, high: Any, *, Tinput: DType) -> Any:
    return _used_range(x, *_input_range(low, high), Tinput)


requantize_op = op(
    f"Requantize(input: Tinput, {_RANGE}, requested_output_min: float, requested_output_max: float; {_TYPES}) "
    f"-> {_OUTPUTS}",
    shape=like_first("input_min", "input_max", "requested_output_min", "requested_output_max"),
    kernel_types={"Tinput": "qint32", "out_type": "quint8 qint8"},
    allocates_output=True,
)


@requantize_op.kernel
def _(
    xp: Any, x: Any, low: Any, high: Any, wanted_low: Any, wanted_high: Any, *, Tinput: DType, out_type: DType
) -> Any:
    wanted = range_end(wanted_low, "requested_output_min"), range_end(wanted_high, "requested_output_max")
    if wanted[0] > 0:
        raise invalid(f"requested_output_min must be <= 0, but is {wanted[0]}")
    return requantize(x, _input_range(low, high), Tinput, wanted, out_type), *wanted


# A range for each channel, symmetric around 0.


def magnitudes(low: Any, high: Any) -> Any:
    """Returns the greatest magnitude within each range."""
    return np.maximum(np.abs(low), np.abs(high))


def _check_channels(x: Any, low: Any, high: Any) -> None:
    if low.ndim != 1 or low.shape != high.shape or not x.ndim or x.shape[-1] != low.size:
        raise invalid(
            f"input of shape {Shape(x.shape)} must have as many channels as its ranges, "
            f"which have shapes {Shape(low.shape)} and {Shape(high.shape)}"
        )


def _channels_shape(c: ShapeContext) -> list[Shape]:
    merge_dim(c.with_rank("input_min", 1)[0], c.with_rank("input_max", 1)[0])
    return [SCALAR, SCALAR]


range_per_channel = op(
    f"RequantizationRangePerChannel(input: T, {_RANGE}; T: type in {QUANTIZED} = qint32, clip_value_max: float) "
    "-> (output_min: float, output_max: float)",
    shape=_channels_shape,
    kernel_types={"T": "qint32"},
    allocates_output=True,
)


@range_per_channel.kernel
def _(xp: Any, x: Any, low: Any, high: Any, *, clip_value_max: float) -> Any:
    _check_channels(x, low, high)
    if not x.size or x.ndim != 4:
        raise invalid(f"input must be of rank 4 and not empty, but has shape {Shape(x.shape)}")
    rows = x.reshape(-1, x.shape[-1]).astype(np.int64)
    most = np.abs(rows).max(axis=0).astype(_float)
    widest = (magnitudes(low, high) * most / _float(2**31)).max(initial=np.finfo(_float).tiny)
    widest = np.minimum(widest, _float(clip_value_max))
    return (_float(0) if rows.min() >= 0 else -widest), widest


per_channel = op(
    f"RequantizePerChannel(input: T, {_RANGE}, requested_output_min: float, requested_output_max: float; "
    f"T: type in {QUANTIZED} = qint32, out_type: type in {QUANTIZED} = quint8) -> {_OUTPUTS}",
    shape=lambda c: [c.input(0), *_channels_shape(c)],
    kernel_types={"T": "qint32", "out_type": "quint8 qint8"},
    allocates_output=True,
)


@per_channel.kernel
def _(xp: Any, x: Any, low: Any, high: Any, wanted_low: Any, wanted_high: Any, *, out_type: DType) -> Any:
    _check_channels(x, low, high)
    wanted = range_end(wanted_low, "requested_output_min"), range_end(wanted_high, "requested_output_max")
    if out_type is dtypes.BY_NAME["qint8"] and not wanted[0] < 0:
        raise invalid(f"requested_output_min must be negative for qint8, but is {wanted[0]}")
    first, last = limits(out_type)
    scales = _float(last) * (magnitudes(low, high) / magnitudes(*wanted) / _float(2**31))
    steps = np.rint(x.astype(_float) * scales)
    return np.clip(steps, first, last).astype(out_type.numpy), *wanted
