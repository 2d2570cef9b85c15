"""Sums and products of quantised tensors, biases and activations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, broadcast, merge_dim
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.quantization import (
    QUANTIZED,
    check_extent,
    from_float,
    from_float_fast,
    level,
    limits,
    product_range,
    range_ends,
    to_float,
    to_float_fast,
    zero_point,
)
from .ranges import like_first, with_scalar_range

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_float = np.float32
_PAIR = f"T1: type in {QUANTIZED}, T2: type in {QUANTIZED}"
_QUINT8_PAIR = {"T1": "quint8", "T2": "quint8", "Toutput": "qint32"}
_quint8, _qint32 = dtypes.BY_NAME["quint8"], dtypes.BY_NAME["qint32"]


def _binary_shape(c: ShapeContext) -> list[Shape]:
    shape = broadcast(c.input(0), c.input(1))
    return with_scalar_range(c, shape, "min_x", "max_x", "min_y", "max_y")


def _binary(name: str) -> Any:
    return op(
        f"{name}(x: T1, y: T2, min_x: float, max_x: float, min_y: float, max_y: float; {_PAIR}, "
        f"Toutput: type in {QUANTIZED} = qint32) -> (z: Toutput, min_z: float, max_z: float)",
        shape=_binary_shape,
        kernel_types=_QUINT8_PAIR,
        allocates_output=True,
    )


def _check_broadcast(x: Any, y: Any) -> None:
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        raise invalid(f"shapes {Shape(x.shape)} and {Shape(y.shape)} do not broadcast") from None


add = _binary("QuantizedAdd")


@add.kernel
def _(xp: Any, x: Any, y: Any, min_x: Any, max_x: Any, min_y: Any, max_y: Any) -> Any:
    x_ends, y_ends = range_ends(min_x, max_x, "x"), range_ends(min_y, max_y, "y")
    _check_broadcast(x, y)
    check_extent(*x_ends, "x")
    check_extent(*y_ends, "y")
    # 14 bits more than the inputs, so that sums have room.
    most = max(abs(min(x_ends[0], y_ends[0])), abs(max(x_ends[1], y_ends[1]))) * _float(1 << 14)
    # TensorFlow's kernel converts what is broadcast as a scalar exactly, all other values by a linear function.
    x_is_scalar = x.size == 1
    y_is_scalar = y.size == 1 and not x_is_scalar
    total = _in_range(x, x_ends, most, exact=x_is_scalar) + _in_range(y, y_ends, most, exact=y_is_scalar)
    return total.astype(np.int32), -most, most


def _in_range(x: Any, ends: tuple[Any, Any], most: Any, *, exact: bool) -> Any:
    """Returns quint8 values as qint32 values of the range [-most, most]: exactly, or by a linear function through what
    0 and 1 are there."""
    if exact:
        return from_float(to_float(x, *ends, _quint8), -most, most, _qint32)
    zero, one = from_float(to_float(np.array([0, 1]), *ends, _quint8), -most, most, _qint32)
    return np.clip(zero + x.astype(np.int64) * (one - zero), *limits(_qint32))


multiply = _binary("QuantizedMul")


@multiply.kernel
def _(
    xp: Any, x: Any, y: Any, min_x: Any, max_x: Any, min_y: Any, max_y: Any, *, T1: DType, T2: DType
) -> Any:
    x_ends, y_ends = range_ends(min_x, max_x, "x"), range_ends(min_y, max_y, "y")
    _check_broadcast(x, y)
    check_extent(*x_ends, "x")
    check_extent(*y_ends, "y")
    product = (x.astype(np.int64) - zero_point(*x_ends, T1)) * (y.astype(np.int64) - zero_point(*y_ends, T2))
    return product.astype(np.int32), *product_range(level(*x_ends, T1), level(*y_ends, T2), _qint32)


# Biases


def _bias_shape(c: ShapeContext) -> list[Shape]:
    shape, bias = c.with_rank_at_least(0, 2), c.with_rank(1, 1)
    if shape.dims is not None:
        shape = Shape((*shape.dims[:-1], merge_dim(shape.dims[-1], bias[0])))
    return with_scalar_range(c, shape, "min_input", "max_input", "min_bias", "max_bias")


bias_add = op(
    "QuantizedBiasAdd(input: T1, bias: T2, min_input: float, max_input: float, min_bias: float, "
    f"max_bias: float; {_PAIR}, out_type: type in {QUANTIZED}) -> "
    "(output: out_type, min_out: float, max_out: float)",
    shape=_bias_shape,
    kernel_types={"T1": "quint8 qint8", "T2": "quint8 qint8", "out_type": "qint32"},
    allocates_output=True,
)


@bias_add.kernel
def _(
    xp: Any, x: Any, bias: Any, min_input: Any, max_input: Any, min_bias: Any, max_bias: Any, *,
    T1: DType, T2: DType, out_type: DType,
) -> Any:  # fmt: skip
    if x.ndim < 2 or bias.shape != x.shape[-1:]:
        raise invalid(
            f"a bias of shape {Shape(bias.shape)} does not fit the last axis of an input of shape {Shape(x.shape)}"
        )
    x_ends = range_ends(min_input, max_input, "input")
    bias_ends = range_ends(min_bias, max_bias, "bias")
    # 17 bits more than the inputs, so that sums have room, and symmetric, so that 0 stays 0.
    most = max(x_ends[1], -x_ends[0], bias_ends[1], -bias_ends[0]) * _float(1 << 17)
    total = from_float_fast(to_float_fast(x, *x_ends, T1), -most, most, out_type).astype(np.int64)
    total += from_float_fast(to_float_fast(bias, *bias_ends, T2), -most, most, out_type)
    total += from_float(_float(0), -most, most, out_type)
    return total.astype(out_type.numpy), -most, most


# Activations

_ACTIVATIONS = "(activations: out_type, min_activations: float, max_activations: float)"
_FEATURES = f"min_features: float, max_features: float; Tinput: type in {QUANTIZED}"
_QUINT8_OR_QINT32 = {"Tinput": "quint8 qint32", "out_type": "quint8 qint32"}


def _clamp(x: Any, ends: tuple[Any, Any], dtype: DType, most: Any = None) -> Any:
    """Returns values raised to 0, and lowered to ``most``, and their range, which stays as it is."""
    clamped = np.maximum(x, from_float(_float(0), *ends, dtype).astype(x.dtype))
    if most is not None:
        clamped = np.minimum(clamped, from_float(most, *ends, dtype).astype(x.dtype))
    return clamped, *ends


def _declare_activation(name: str, most: float | None) -> None:
    declared = op(
        f"{name}(features: Tinput, {_FEATURES}, out_type: type in {QUANTIZED} = quint8) -> {_ACTIVATIONS}",
        shape=like_first("min_features", "max_features"),
        kernel_types=_QUINT8_OR_QINT32,
        allocates_output=True,
    )

    @declared.kernel
    def _(xp: Any, x: Any, low: Any, high: Any, *, Tinput: DType) -> Any:
        top = None if most is None else _float(most)
        return _clamp(x, range_ends(low, high, "features"), Tinput, top)


_declare_activation("QuantizedRelu", None)
_declare_activation("QuantizedRelu6", 6.0)

relu_x = op(
    f"QuantizedReluX(features: Tinput, max_value: float, {_FEATURES}, out_type: type in {QUANTIZED} = quint8) "
    f"-> {_ACTIVATIONS}",
    shape=like_first("min_features", "max_features"),
    kernel_types=_QUINT8_OR_QINT32,
    allocates_output=True,
)


@relu_x.kernel
def _(xp: Any, x: Any, max_value: Any, low: Any, high: Any, *, Tinput: DType) -> Any:
    if max_value.size != 1:
        raise invalid(f"max_value must be a scalar, but has shape {Shape(tuple(max_value.shape))}")
    return _clamp(x, range_ends(low, high, "features"), Tinput, _float(max_value.item()))
