"""Uniformly quantised tensors: UniformQuantize, UniformDequantize, UniformRequantize, sums and clipping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, broadcast
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.quantization import limits
from ...numeric.uniform_quantization import (
    Scales,
    as_integers,
    check_positive,
    checked_scales,
    dequantize,
    quantize,
    requantize,
)

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def quantization_attrs(prefix: str = "") -> str:
    """The attributes that state along which axis, and between which integers, a tensor is quantised."""
    return f"{prefix}quantization_axis: int = -1, {prefix}quantization_min_val: int, {prefix}quantization_max_val: int"


quantize_op = op(
    "UniformQuantize(input: Tin, scales: float, zero_points: int32; Tin: type in {float}, "
    f"Tout: type in {{qint8, quint8, qint32}}, {quantization_attrs()}) -> (output: Tout)",
    shape=shapes.like_input,
    allocates_output=True,
)


@quantize_op.kernel
def _(
    xp: Any, x: Any, scales: Any, zero_points: Any, *,
    Tout: DType, quantization_axis: int, quantization_min_val: int, quantization_max_val: int,
) -> Any:  # fmt: skip
    found = checked_scales(x.shape, scales, zero_points, quantization_axis, "input").along(x.ndim)
    ends = quantization_min_val, quantization_max_val
    return quantize(x, found.scales, found.zeros, ends).astype(Tout.numpy)


dequantize_op = op(
    "UniformDequantize(input: Tin, scales: float, zero_points: int32; Tin: type in {qint8, quint8, qint32}, "
    f"Tout: type in {{float}}, {quantization_attrs()}) -> (output: Tout)",
    shape=shapes.like_input,
    allocates_output=True,
)


@dequantize_op.kernel
def _(xp: Any, x: Any, scales: Any, zero_points: Any, *, quantization_axis: int) -> Any:
    found = checked_scales(x.shape, scales, zero_points, quantization_axis, "input").along(x.ndim)
    return dequantize(x, found.scales, found.zeros)


requantize_op = op(
    "UniformRequantize(input: Tin, input_scales: float, input_zero_points: int32, output_scales: float, "
    "output_zero_points: int32; Tin: type in {qint8, qint32}, Tout: type in {qint8, qint32}, "
    f"{quantization_attrs('input_')}, {quantization_attrs('output_')}) -> (output: Tout)",
    shape=shapes.like_input,
    kernel_types={"Tout": "qint8"},
    allocates_output=True,
)


@requantize_op.kernel
def _(
    xp: Any, x: Any, input_scales: Any, input_zero_points: Any, output_scales: Any, output_zero_points: Any, *,
    Tout: DType, input_quantization_axis: int, output_quantization_axis: int, output_quantization_min_val: int,
    output_quantization_max_val: int,
) -> Any:  # fmt: skip
    if min(input_quantization_axis, output_quantization_axis) >= 0:
        _check_same_axis("input", input_quantization_axis, output_quantization_axis)
    old = checked_scales(x.shape, input_scales, input_zero_points, input_quantization_axis, "input")
    new = checked_scales(x.shape, output_scales, output_zero_points, output_quantization_axis, "output")
    check_positive(input_scales, output_scales)
    ends = output_quantization_min_val, output_quantization_max_val
    return requantize(x, old, new, ends).astype(Tout.numpy)


def _check_same_axis(what: str, axis: int, output_axis: int) -> None:
    if axis != output_axis:
        raise invalid(
            f"{what} and output must be quantised along the same axis, not {axis} and {output_axis}"
        )


add = op(
    "UniformQuantizedAdd(lhs: T, rhs: T, lhs_scales: float, lhs_zero_points: int32, rhs_scales: float, "
    "rhs_zero_points: int32, output_scales: float, output_zero_points: int32; "
    f"{quantization_attrs('lhs_')}, {quantization_attrs('rhs_')}, {quantization_attrs('output_')}, "
    "T: type in {qint32}) -> (output: T)",
    shape=lambda c: broadcast(c.input(0), c.input(1)),
    allocates_output=True,
)


@add.kernel
def _(
    xp: Any, lhs: Any, rhs: Any, lhs_scales: Any, lhs_zero_points: Any, rhs_scales: Any, rhs_zero_points: Any,
    output_scales: Any, output_zero_points: Any, *,
    T: DType, lhs_quantization_axis: int, rhs_quantization_axis: int, output_quantization_axis: int,
    output_quantization_min_val: int, output_quantization_max_val: int,
) -> Any:  # fmt: skip
    try:
        shape = np.broadcast_shapes(lhs.shape, rhs.shape)
    except ValueError:
        raise invalid(f"shapes {Shape(lhs.shape)} and {Shape(rhs.shape)} do not broadcast") from None
    output = checked_scales(shape, output_scales, output_zero_points, output_quantization_axis, "output")
    left = checked_scales(lhs.shape, lhs_scales, lhs_zero_points, lhs_quantization_axis, "lhs")
    right = checked_scales(rhs.shape, rhs_scales, rhs_zero_points, rhs_quantization_axis, "rhs")
    check_positive(lhs_scales, rhs_scales, output_scales)
    total = _rescaled("lhs", lhs, left, output, len(shape), T) + _rescaled(
        "rhs", rhs, right, output, len(shape), T
    )
    total = (total + output.along(len(shape)).zeros).astype(np.int32)
    least, most = output_quantization_min_val, output_quantization_max_val
    return np.maximum(np.minimum(total, most), least).astype(T.numpy)


def _rescaled(what: str, x: Any, old: Scales, output: Scales, rank: int, dtype: DType) -> Any:
    """Returns an operand in the scales of the output, with zero points 0."""
    axis = output.axis
    if axis >= 0:
        axis -= rank - x.ndim
        if old.axis >= 0:
            _check_same_axis(what, old.axis, axis)
        if axis < 0 or x.shape[axis] != output.scales.size:
            raise invalid(
                f"{what} of shape {Shape(x.shape)} has no axis for the {output.scales.size} output scales"
            )
    moved = requantize(x, old, Scales(output.scales, np.zeros_like(output.zeros), axis), limits(dtype))
    return as_integers(moved.astype(dtype.numpy))


clip = op(
    "UniformQuantizedClipByValue(operand: T, min: T, max: T, scales: float, zero_points: int32; T: type in {qint32}, "
    f"{quantization_attrs()}) -> (output: T)",
    shape=shapes.like_input,
    allocates_output=True,
)


@clip.kernel
def _(
    xp: Any, x: Any, least: Any, most: Any, scales: Any, zero_points: Any, *, quantization_axis: int
) -> Any:
    checked_scales(x.shape, scales, zero_points, quantization_axis, "operand")
    ends = checked_scales(x.shape, least, most, quantization_axis, "min and max").along(x.ndim)
    return np.minimum(np.maximum(x, ends.scales), ends.zeros)
