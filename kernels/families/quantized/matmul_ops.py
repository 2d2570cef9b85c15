"""Products of quantised matrices, with biases, activations and requantisation fused to them.

``QuantizedMatMul`` takes both ranges as they are. The fused operations, which oneDNN has in TensorFlow, take weights
whose range is symmetric around 0, and activations of one of two modes: SCALED, where 0 stands for 0, and MIN_FIRST,
where 0 stands for the lower end of the range.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import SCALAR, Shape, merge_dim
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import integer_products
from ...numeric.quantization import (
    QUANTIZED,
    check_extent,
    level,
    limits,
    product_range,
    range_ends,
    zero_point,
)
from .requantize_ops import magnitudes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_float = np.float32
_qint32 = dtypes.BY_NAME["qint32"]
_INPUTS = "min_a: float, max_a: float, min_b: float, max_b: float"
_FACTORS = f"T1: type in {QUANTIZED}, T2: type in {QUANTIZED}"
_TRANSPOSE = "transpose_a: bool = false, transpose_b: bool = false"
_OUTPUTS = "(out: Toutput, min_out: float, max_out: float)"


def _matmul_shape(c: ShapeContext) -> list[Shape]:
    for name in ("min_a", "max_a", "min_b", "max_b"):
        c.with_rank(name, 0)
    return [shapes.matmul(c), SCALAR, SCALAR]


def _matrices(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> tuple[Any, Any]:
    """Returns the factors, transposed as stated. Raises INVALID_ARGUMENT unless they are matrices that fit."""
    if a.ndim != 2 or b.ndim != 2:
        raise invalid(f"factors must be matrices, but have shapes {Shape(a.shape)} and {Shape(b.shape)}")
    a, b = a.T if transpose_a else a, b.T if transpose_b else b
    if a.shape[1] != b.shape[0]:
        raise invalid(f"matrices of shapes {Shape(a.shape)} and {Shape(b.shape)} cannot be multiplied")
    return a, b


product = op(
    f"QuantizedMatMul(a: T1, b: T2, {_INPUTS}; {_FACTORS}, Toutput: type in {QUANTIZED} = qint32, {_TRANSPOSE}, "
    f"Tactivation: type in {QUANTIZED} = quint8) -> {_OUTPUTS}",
    shape=_matmul_shape,
    kernel_types={"T1": "quint8", "T2": "quint8", "Toutput": "qint32"},
    allocates_output=True,
)


@product.kernel
def _(
    xp: Any, a: Any, b: Any, min_a: Any, max_a: Any, min_b: Any, max_b: Any, *,
    T1: DType, T2: DType, transpose_a: bool, transpose_b: bool,
) -> Any:  # fmt: skip
    a_ends, b_ends = range_ends(min_a, max_a, "a"), range_ends(min_b, max_b, "b")
    check_extent(*a_ends, "a")
    check_extent(*b_ends, "b")
    a, b = _matrices(a, b, transpose_a, transpose_b)
    sums = integer_products.matmul(a, b, zero_point(*a_ends, T1), zero_point(*b_ends, T2))
    return sums, *product_range(level(*a_ends, T1), level(*b_ends, T2), _qint32)


# With a bias, and what comes after it


class _Factors(NamedTuple):
    """A product of activations and symmetric weights, and what the scales of its fused steps follow from."""

    sums: Any
    bias: Any
    column_sums: Any
    ends: Sequence[Any]
    mode: str

    @property
    def scale(self) -> Any:
        """The float that 1 of the sums stands for."""
        low, high, *weights = self.ends
        extent = high - low if self.mode == "MIN_FIRST" else magnitudes(low, high)
        return extent / _float(255) * (magnitudes(*weights) / _float(127))

    def biased(self) -> Any:
        """Returns the sums with the bias, in float, still in units of ``scale``.

        A bias of qint32 is in these units, and holds what MIN_FIRST needs. One of floats is the bias of the floats, to
        which the lower end of the range times the sums of weights is added.
        """
        low, high = self.ends[:2]
        if self.bias.dtype != np.float32:
            return self.sums.astype(_float) + self.bias.astype(_float)
        bias = self.bias / self.scale
        if self.mode == "MIN_FIRST":
            bias = bias + self.column_sums * (_float(255) * low / (high - low))
        return self.sums.astype(_float) + bias


def _multiply(
    a: Any, b: Any, bias: Any, ends: Sequence[Any], mode: str, transpose_a: bool, transpose_b: bool
) -> _Factors:
    a, b = _matrices(a, b, transpose_a, transpose_b)
    if bias.shape != (b.shape[1],):
        raise invalid(f"bias has shape {Shape(bias.shape)}, but the product has {b.shape[1]} columns")
    column_sums = b.sum(axis=0, dtype=np.int64).astype(_float)
    return _Factors(integer_products.matmul(a, b), bias, column_sums, ends, mode)


def _saturate(x: Any, dtype: DType, *, relu: bool) -> Any:
    """Returns floats rounded to the nearest integers of the dtype, negative ones raised to 0 if ``relu``."""
    first, last = limits(dtype)
    whole = np.rint(x.astype(np.float64))
    return np.clip(whole, 0 if relu else first, last).astype(dtype.numpy)


def _biased_shape(c: ShapeContext) -> list[Shape]:
    shape, *ends = _matmul_shape(c)
    merge_dim(c.with_rank("bias", 1)[0], shape[1])
    return [shape, *ends][: len(c.bound.output_types)]


def _declare(name: str, output: str, outputs: str, *, requested: bool, float_bias: bool = False) -> Any:
    """Declares a fused product; ``requested`` if it takes the range of its output."""
    bias, bias_type = ("float", "") if float_bias else ("Tbias", "Tbias: type in {float, qint32}, ")
    wanted = ", min_freezed_output: float, max_freezed_output: float" if requested else ""
    kernel_output = (
        "float" if output.startswith("type in {float") else "qint32" if not requested else "quint8 qint8"
    )
    return op(
        f"{name}(a: T1, b: T2, bias: {bias}, {_INPUTS}{wanted}; {_FACTORS}, {bias_type}Toutput: {output}, "
        f"{_TRANSPOSE}, input_quant_mode: string in {{'MIN_FIRST', 'SCALED'}} = \"MIN_FIRST\") -> {outputs}",
        shape=_biased_shape,
        kernel_types={"T1": "quint8", "T2": "qint8", "Toutput": kernel_output},
        allocates_output=True,
    )


def _declare_to_32_bits(name: str, *, relu: bool) -> None:
    declared = _declare(name, f"type in {QUANTIZED} = qint32", _OUTPUTS, requested=False, float_bias=relu)

    @declared.kernel
    def _(
        xp: Any, a: Any, b: Any, bias: Any, min_a: Any, max_a: Any, min_b: Any, max_b: Any, *,
        input_quant_mode: str, transpose_a: bool, transpose_b: bool, T1: DType, T2: DType,
    ) -> Any:  # fmt: skip
        ends = *range_ends(min_a, max_a, "a"), *range_ends(min_b, max_b, "b")
        found = _multiply(a, b, bias, ends, input_quant_mode, transpose_a, transpose_b)
        levels = level(*ends[:2], T1, symmetric=True), level(*ends[2:], T2, symmetric=True)
        return _saturate(found.biased(), _qint32, relu=relu), *product_range(*levels, _qint32)


_declare_to_32_bits("QuantizedMatMulWithBias", relu=False)
_declare_to_32_bits("QuantizedMatMulWithBiasAndRelu", relu=True)


def _declare_to_8_bits(name: str, *, relu: bool) -> None:
    declared = _declare(name, f"type in {QUANTIZED} = quint8", _OUTPUTS, requested=True)

    @declared.kernel
    def _(
        xp: Any, a: Any, b: Any, bias: Any, min_a: Any, max_a: Any, min_b: Any, max_b: Any, low: Any, high: Any, *,
        input_quant_mode: str, transpose_a: bool, transpose_b: bool, Toutput: DType,
    ) -> Any:  # fmt: skip
        ends = *range_ends(min_a, max_a, "a"), *range_ends(min_b, max_b, "b")
        wanted = range_ends(low, high, "freezed_output")
        found = _multiply(a, b, bias, ends, input_quant_mode, transpose_a, transpose_b)
        scale = magnitudes(*wanted) / _float(limits(Toutput)[1])
        return _saturate(found.biased() * found.scale / scale, Toutput, relu=relu), *wanted


_declare_to_8_bits("QuantizedMatMulWithBiasAndRequantize", relu=False)
_declare_to_8_bits("QuantizedMatMulWithBiasAndReluAndRequantize", relu=True)

dequantized = _declare(
    "QuantizedMatMulWithBiasAndDequantize", "type in {float}", "(out: Toutput)", requested=True
)


@dequantized.kernel
def _(
    xp: Any, a: Any, b: Any, bias: Any, min_a: Any, max_a: Any, min_b: Any, max_b: Any, low: Any, high: Any, *,
    input_quant_mode: str, transpose_a: bool, transpose_b: bool,
) -> Any:  # fmt: skip
    ends = *range_ends(min_a, max_a, "a"), *range_ends(min_b, max_b, "b")
    range_ends(low, high, "freezed_output")
    found = _multiply(a, b, bias, ends, input_quant_mode, transpose_a, transpose_b)
    return found.biased() * found.scale
