"""Products and convolutions of uniformly quantised tensors, and of floats with quantised filters (hybrid).

A hybrid operation quantises each row, or each image, of its floats by their own range.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, merge_dim, unknown_dims
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import convolution, integer_products
from ...numeric.uniform_quantization import Scales, check_positive, checked_scales, quantize_rows, rescale
from .convolution_numbers import ATTRS, ConvolutionSpec, fit_convolution
from .uniform_ops import quantization_attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_float = np.float32
_INT8 = (-128, 127)
_INPUTS = (
    "lhs: Tin, rhs: Tin, lhs_scales: float, lhs_zero_points: int32, rhs_scales: float, rhs_zero_points: int32, "
    "output_scales: float, output_zero_points: int32"
)
_TYPES = "Tin: type in {qint8}, Tout: type in {qint32}"
_THREE_SIDES = ", ".join(quantization_attrs(f"{side}_") for side in ("lhs", "rhs", "output"))
_HYBRID_INPUTS = "lhs: Tlhs, rhs: Trhs, rhs_scales: float, rhs_zero_points: int32"
_HYBRID_TYPES = "Tlhs: type in {float}, Trhs: type in {qint8}, Tout: type in {float}"


def _dot_shape(c: ShapeContext) -> Shape:
    lhs, rhs = c.with_rank("lhs", 2), c.with_rank("rhs", 2)
    merge_dim(lhs[1], rhs[0])
    return Shape((lhs[0], rhs[1]))


def _check_matrices(lhs: Any, rhs: Any) -> None:
    if lhs.ndim != 2 or rhs.ndim != 2 or lhs.shape[1] != rhs.shape[0]:
        raise invalid(f"matrices of shapes {Shape(lhs.shape)} and {Shape(rhs.shape)} cannot be multiplied")


def _check_axis(axis: int, allowed: int, name: str) -> None:
    if axis not in (-1, allowed):
        raise invalid(f"{name} must be -1 (per tensor) or {allowed} (per channel), but is {axis}")


def _rescale_output(sums: Any, lhs: Scales, rhs: Scales, output: Scales, ends: tuple[int, int]) -> Any:
    """Returns sums of products, with output features last, in the scales of the output."""
    if rhs.scales.ndim < output.scales.ndim:
        raise invalid("the output must be quantised per tensor where rhs is")
    return rescale(sums, lhs.scales.astype(np.float64) * rhs.scales / output.scales, output.zeros, ends)


dot = op(
    f"UniformQuantizedDot({_INPUTS}; {_TYPES}, {_THREE_SIDES}) -> (output: Tout)",
    shape=_dot_shape,
    allocates_output=True,
)


@dot.kernel
def _(
    xp: Any, lhs: Any, rhs: Any, lhs_scales: Any, lhs_zero_points: Any, rhs_scales: Any, rhs_zero_points: Any,
    output_scales: Any, output_zero_points: Any, *,
    Tout: DType, lhs_quantization_axis: int, rhs_quantization_axis: int, output_quantization_axis: int,
    output_quantization_min_val: int, output_quantization_max_val: int,
) -> Any:  # fmt: skip
    if lhs_quantization_axis != -1:
        raise invalid(f"lhs_quantization_axis must be -1 (per tensor), but is {lhs_quantization_axis}")
    _check_axis(rhs_quantization_axis, 1, "rhs_quantization_axis")
    _check_axis(output_quantization_axis, 1, "output_quantization_axis")
    check_positive(lhs_scales, rhs_scales, output_scales)
    _check_matrices(lhs, rhs)
    shape = (lhs.shape[0], rhs.shape[1])
    left = checked_scales(lhs.shape, lhs_scales, lhs_zero_points, -1, "lhs")
    right = checked_scales(rhs.shape, rhs_scales, rhs_zero_points, 1 if np.ndim(rhs_scales) else -1, "rhs")
    output = checked_scales(
        shape, output_scales, output_zero_points, 1 if np.ndim(output_scales) else -1, "output"
    )
    sums = integer_products.matmul(lhs, rhs, left.zeros, right.zeros)
    ends = output_quantization_min_val, output_quantization_max_val
    return _rescale_output(sums, left, right, output, ends).astype(Tout.numpy)


hybrid_dot = op(
    f"UniformQuantizedDotHybrid({_HYBRID_INPUTS}; {_HYBRID_TYPES}, {quantization_attrs('rhs_')}) -> (output: Tout)",
    shape=_dot_shape,
    allocates_output=True,
)


@hybrid_dot.kernel
def _(
    xp: Any, lhs: Any, rhs: Any, rhs_scales: Any, rhs_zero_points: Any, *, rhs_quantization_axis: int
) -> Any:
    _check_axis(rhs_quantization_axis, 1, "rhs_quantization_axis")
    _check_matrices(lhs, rhs)
    right = checked_scales(rhs.shape, rhs_scales, rhs_zero_points, 1 if np.ndim(rhs_scales) else -1, "rhs")
    check_positive(rhs_scales)
    quantized, scales, zeros = quantize_rows(lhs, _INT8)
    sums = integer_products.matmul(quantized.astype(np.int8), rhs, zeros[:, None], right.zeros)
    return sums.astype(_float) * scales[:, None] * right.scales


# Convolutions


def _conv_shape(c: ShapeContext) -> Shape:
    lhs, rhs = c.input("lhs"), c.input("rhs")
    if lhs.dims is None or rhs.dims is None or None in lhs.dims or None in rhs.dims:
        return Shape(None) if lhs.dims is None else Shape(unknown_dims(len(lhs.dims)))
    return Shape(fit_convolution(c.attrs, lhs.known(), rhs.known()).output_shape)


def _dilate(x: Any, spec: ConvolutionSpec) -> Any:
    """Returns inputs with zeros between their elements, as many as the dilation states less one."""
    if all(d == 1 for d in spec.lhs_dilation):
        return x
    spread = np.zeros((x.shape[0], *spec.window.inputs, x.shape[-1]), x.dtype)
    spread[(slice(None), *(slice(None, None, d) for d in spec.lhs_dilation))] = x
    return spread


def _convolve(spec: ConvolutionSpec, lhs: Any, rhs: Any, lhs_zero: Any, rhs_zero: Any) -> Any:
    """Returns the sums of products for every image, in channels-last order, as int32."""
    return integer_products.sum_products(
        lambda x, w: convolution.forward(np, _dilate(x, spec), w, spec.window), lhs, rhs, lhs_zero, rhs_zero
    )


def _place_output(spec: ConvolutionSpec, y: Any) -> Any:
    """Returns outputs in the order of the dimension numbers. Each group of the batch gives some of the features."""
    groups = spec.batch_groups
    if groups > 1:
        batch, width = y.shape[0] // groups, y.shape[-1] // groups
        parts = [y[g * batch : (g + 1) * batch, ..., g * width : (g + 1) * width] for g in range(groups)]
        y = np.concatenate(parts, axis=-1)
    return np.ascontiguousarray(y.transpose(spec.numbers.output_permutation()))


def _right_scales(spec: ConvolutionSpec, rhs: Any, scales: Any, zeros: Any, axis: int) -> Scales:
    _check_axis(axis, spec.numbers.rhs[0], "rhs_quantization_axis")
    return checked_scales(rhs.shape, scales, zeros, axis, "rhs")


conv = op(
    f"UniformQuantizedConvolution({_INPUTS}; {_TYPES}, {ATTRS}, {_THREE_SIDES}) -> (output: Tout)",
    shape=_conv_shape,
    allocates_output=True,
)


@conv.kernel
def _(
    xp: Any, lhs: Any, rhs: Any, lhs_scales: Any, lhs_zero_points: Any, rhs_scales: Any, rhs_zero_points: Any,
    output_scales: Any, output_zero_points: Any, *,
    Tout: DType, lhs_quantization_axis: int, rhs_quantization_axis: int, output_quantization_axis: int,
    output_quantization_min_val: int, output_quantization_max_val: int,
    window_strides: Any, padding: str, explicit_padding: Any, lhs_dilation: Any, rhs_dilation: Any,
    batch_group_count: int, feature_group_count: int, dimension_numbers: str,
) -> Any:  # fmt: skip
    attrs: Mapping[str, Any] = {
        "window_strides": window_strides, "padding": padding, "explicit_padding": explicit_padding,
        "lhs_dilation": lhs_dilation, "rhs_dilation": rhs_dilation, "batch_group_count": batch_group_count,
        "feature_group_count": feature_group_count, "dimension_numbers": dimension_numbers,
    }  # fmt: skip
    if lhs_quantization_axis != -1:
        raise invalid(f"lhs_quantization_axis must be -1 (per tensor), but is {lhs_quantization_axis}")
    check_positive(lhs_scales, rhs_scales, output_scales)
    spec = fit_convolution(attrs, lhs.shape, rhs.shape)
    left = checked_scales(lhs.shape, lhs_scales, lhs_zero_points, -1, "lhs")
    right = _right_scales(spec, rhs, rhs_scales, rhs_zero_points, rhs_quantization_axis)
    _check_axis(output_quantization_axis, spec.numbers.output[1], "output_quantization_axis")
    output = checked_scales(
        spec.output_shape, output_scales, output_zero_points, output_quantization_axis, "output"
    )
    images = lhs.transpose(spec.numbers.lhs_permutation())
    filters = rhs.transpose(spec.numbers.rhs_permutation())
    sums = _convolve(spec, images, filters, left.zeros, right.zeros)
    ends = output_quantization_min_val, output_quantization_max_val
    return _place_output(spec, _rescale_output(sums, left, right, output, ends)).astype(Tout.numpy)


hybrid_conv = op(
    f"UniformQuantizedConvolutionHybrid({_HYBRID_INPUTS}; {_HYBRID_TYPES}, {ATTRS}, {quantization_attrs('rhs_')}) -> "
    "(output: Tout)",
    shape=_conv_shape,
    allocates_output=True,
)


@hybrid_conv.kernel
def _(
    xp: Any, lhs: Any, rhs: Any, rhs_scales: Any, rhs_zero_points: Any, *, rhs_quantization_axis: int,
    window_strides: Any, padding: str, explicit_padding: Any, lhs_dilation: Any, rhs_dilation: Any,
    batch_group_count: int, feature_group_count: int, dimension_numbers: str,
) -> Any:  # fmt: skip
    attrs: Mapping[str, Any] = {
        "window_strides": window_strides, "padding": padding, "explicit_padding": explicit_padding,
        "lhs_dilation": lhs_dilation, "rhs_dilation": rhs_dilation, "batch_group_count": batch_group_count,
        "feature_group_count": feature_group_count, "dimension_numbers": dimension_numbers,
    }  # fmt: skip
    check_positive(rhs_scales)
    spec = fit_convolution(attrs, lhs.shape, rhs.shape)
    right = _right_scales(spec, rhs, rhs_scales, rhs_zero_points, rhs_quantization_axis)
    images = lhs.transpose(spec.numbers.lhs_permutation())
    filters = rhs.transpose(spec.numbers.rhs_permutation())
    quantized, scales, zeros = quantize_rows(images, _INT8)
    per_image = (-1, *(1,) * (lhs.ndim - 1))
    sums = _convolve(spec, quantized.astype(np.int8), filters, zeros.reshape(per_image), right.zeros)
    return _place_output(spec, sums.astype(_float) * scales.reshape(per_image) * right.scales)
