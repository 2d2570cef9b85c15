"""Concatenation, reshaping and resizing of quantised tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import SCALAR, Shape
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...core.types import INDEX
from ...numeric.int_arguments import check_allocation, int_scalar, normalize_axis, static_axis
from ...numeric.quantization import range_end, range_ends, requantize
from ..array import concat_ops, shape_ops
from ..image import resampling, resize_ops
from .requantize_ops import magnitudes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE, host_inputs="concat_dim axis shape size")
op = family.op

_OUTPUTS = "(output: T, output_min: float, output_max: float)"
_LISTS = "input_mins: N*float, input_maxes: N*float; N: int >= 2, T: type"


def _concat_shape(c: ShapeContext, axis: str) -> list[Shape]:
    for shape in (*c.inputs("input_mins"), *c.inputs("input_maxes")):
        shape.merge(SCALAR)
    return [concat_ops.concat_shape(c.inputs("values"), static_axis(c, axis)), SCALAR, SCALAR]


def _common_range(lows: Sequence[Any], highs: Sequence[Any]) -> tuple[list[tuple[Any, Any]], tuple[Any, Any]]:
    """Returns the ranges of the values, and the least range that holds them all."""
    ranges = [
        (range_end(low, "input_mins"), range_end(high, "input_maxes")) for low, high in zip(lows, highs)
    ]
    return ranges, (min(low for low, _ in ranges), max(high for _, high in ranges))


concat = op(
    f"QuantizedConcat(concat_dim: int32, values: N*T, {_LISTS}) -> {_OUTPUTS}",
    shape=lambda c: _concat_shape(c, "concat_dim"),
    kernel_types={"T": "quint8 qint32"},
    allocates_output=True,
)


@concat.kernel
def _(
    xp: Any, concat_dim: Any, values: Sequence[Any], lows: Sequence[Any], highs: Sequence[Any], *, T: DType
) -> Any:
    axis = int_scalar(concat_dim, "the concatenation axis")
    if axis < 0 or axis >= values[0].ndim:
        raise invalid(f"the concatenation axis must be in [0, {values[0].ndim}), but is {axis}")
    ranges, whole = _common_range(lows, highs)
    return _join(xp, values, ranges, axis, _symmetric(whole) if T.name == "qint32" else whole, T)


def _symmetric(ends: tuple[Any, Any]) -> tuple[Any, Any]:
    most = magnitudes(*ends)
    return -most, most


def _join(
    xp: Any,
    values: Sequence[Any],
    ranges: Sequence[tuple[Any, Any]],
    axis: int,
    whole: tuple[Any, Any],
    dtype: DType,
) -> Any:
    """Returns the values joined along an axis in a common range, and its ends."""
    parts = [
        x if ends == whole else requantize(x, ends, dtype, whole, dtype) for x, ends in zip(values, ranges)
    ]
    return concat_ops.concatenate(xp, parts, axis), *whole


concat_v2 = op(
    f"QuantizedConcatV2(values: N*T, axis: Tidx, {_LISTS}, Tidx: type in {INDEX} = int32) -> {_OUTPUTS}",
    shape=lambda c: _concat_shape(c, "axis"),
    kernel_types={"T": "quint8 qint8"},
    allocates_output=True,
)


@concat_v2.kernel
def _(
    xp: Any, values: Sequence[Any], axis: Any, lows: Sequence[Any], highs: Sequence[Any], *, T: DType
) -> Any:
    at = normalize_axis(int_scalar(axis, "the concatenation axis"), values[0].ndim, "the concatenation axis")
    ranges, whole = _common_range(lows, highs)
    # The integer 0 of quint8 stands for 0, as oneDNN has it.
    whole = (np.float32(0), whole[1]) if T.name == "quint8" else _symmetric(whole)
    return _join(xp, values, ranges, at, whole, T)


def _reshape_shape(c: ShapeContext) -> list[Shape]:
    return [shape_ops.reshape_shape(c), SCALAR, SCALAR]


reshape = op(
    "QuantizedReshape(tensor: T, shape: Tshape, input_min: float, input_max: float; T: type, "
    f"Tshape: type in {INDEX} = int32) -> {_OUTPUTS}",
    shape=_reshape_shape,
    kernel_types={"T": "quint8 qint32"},
)


@reshape.kernel
def _(xp: Any, x: Any, shape: Any, low: Any, high: Any) -> Any:
    kernel = shape_ops.reshape.kernel_function
    assert kernel is not None
    return kernel(xp, x, shape), _only(low, "input_min"), _only(high, "input_max")


def _only(value: Any, name: str) -> Any:
    """Returns one end of a range, which may be a vector of one element here."""
    return range_end(value.reshape(()) if value.shape == (1,) else value, name)


# Resizing: the fractions of the way from one pixel to the next are integers of 7 bits for quint8, of 30 for qint32.

_FRACTION_BITS = {1: 7, 4: 30}


def _resize_shape(c: ShapeContext) -> list[Shape]:
    for name in ("min", "max"):
        c.with_rank(name, 0)
    return [resize_ops.resized_shape(c), SCALAR, SCALAR]


resize = op(
    "QuantizedResizeBilinear(images: T, size: int32, min: float, max: float; T: type in {quint8, qint32, float}, "
    "align_corners: bool = false, half_pixel_centers: bool = false) -> "
    "(resized_images: T, out_min: float, out_max: float)",
    shape=_resize_shape,
    kernel_types={"T": "quint8 qint32"},
    allocates_output=True,
)


@resize.kernel
def _(
    xp: Any, images: Any, size: Any, low: Any, high: Any, *, align_corners: bool, half_pixel_centers: bool
) -> Any:
    ends = range_ends(low, high, "")
    height, width = resize_ops.requested_sizes(images, size)
    batch, rows, columns, channels = images.shape
    check_allocation((batch, height, width, channels), 8, "output")
    if (rows, columns) == (height, width):
        return images, *ends
    bits = _FRACTION_BITS[images.dtype.itemsize]
    down = _places(rows, height, align_corners, half_pixel_centers, bits)
    across = _places(columns, width, align_corners, half_pixel_centers, bits)
    # By way of floats, as in TensorFlow, which have 24 bits.
    values = images.astype(np.float32).astype(np.int64)
    return _interpolate(values, down, across, bits).astype(images.dtype), *ends


def _places(size: int, wanted: int, align_corners: bool, half_pixel: bool, bits: int) -> tuple[Any, Any, Any]:
    lower, upper, part = resampling.linear(size, wanted, align_corners, half_pixel)
    return lower, upper, (part * np.float32(1 << bits)).astype(np.int64)


def _interpolate(images: Any, down: tuple[Any, Any, Any], across: tuple[Any, Any, Any], bits: int) -> Any:
    """Interpolates first along rows, in units of 2**-bits, then along columns."""
    left, right, x_part = across
    upper, lower, y_part = down
    first = images[:, :, left]
    mixed = (first << bits) + (images[:, :, right] - first) * x_part[:, None]
    top = mixed[:, upper]
    result = top + _divide(mixed[:, lower] - top, bits) * y_part[:, None, None]
    return _divide(result + (1 << (bits - 1)), bits)


def _divide(x: Any, bits: int) -> Any:
    """Divides by 2**bits, rounding towards zero."""
    return np.sign(x) * (np.abs(x) >> bits)
