"""Convolutions of quantised images, with biases, sums, activations and requantisation fused to them.

The filter's dtype tells two families of graphs apart. With filters of quint8, both ranges map to integers as they are
(TensorFlow's reference kernel). With filters of qint8, as oneDNN has them, both ranges are symmetric around 0, which is
the integer 0; a filter may have a range for each output channel.

The names of the fused operations state their steps: ``WithBias``, ``Sum`` or ``SignedSum``, ``Relu``, ``Requantize``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import SCALAR, Shape, merge_dim
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import convolution, integer_products
from ...numeric.int_arguments import check_allocation
from ...numeric.quantization import (
    QUANTIZED,
    level,
    limits,
    product_range,
    range_ends,
    zero_point,
)
from ...numeric.windows import Window, WindowSpec, conv_spec, fit_window, output_dims
from ..nn import depthwise_ops
from .requantize_ops import magnitudes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_float = np.float32
_qint32 = dtypes.BY_NAME["qint32"]
_FACTORS = f"Tinput: type in {QUANTIZED}, Tfilter: type in {QUANTIZED}"
_WINDOW = "strides: list(int), padding: string in {'SAME', 'VALID'}, dilations: list(int) = [1, 1, 1, 1]"
_OUTPUTS = "(output: out_type, min_output: float, max_output: float)"
_RANGES = ("min_input", "max_input", "min_filter", "max_filter")


def _spec(attrs: Mapping[str, Any]) -> WindowSpec:
    """Returns the window that the attributes state; a ``padding_list`` that is not empty replaces the padding."""
    explicit = attrs.get("padding_list", ())
    padding = "EXPLICIT" if explicit else attrs["padding"]
    return conv_spec(4, "NHWC", attrs["strides"], attrs["dilations"], padding, explicit)


def _fit(spec: WindowSpec, x: Any, w: Any) -> Window:
    if x.ndim != 4 or w.ndim != 4:
        raise invalid(
            f"input and filter must be of rank 4, but have shapes {Shape(x.shape)} and {Shape(w.shape)}"
        )
    if x.shape[3] != w.shape[2]:
        raise invalid(f"input and filter must have the same depth, but have {x.shape[3]} and {w.shape[2]}")
    win = fit_window(spec, x.shape[1:3], w.shape[:2])
    check_allocation((x.shape[0], *win.outputs, w.shape[3]), 8, "output")
    return win


def _convolve(spec: WindowSpec, x: Any, w: Any, x_zero: int = 0, w_zero: int = 0) -> Any:
    """Returns the convolution of integers less their zero points as int32; the padding is 0."""
    win = _fit(spec, x, w)
    return integer_products.sum_products(
        lambda a, b: convolution.forward(np, a, b, win), x, w, x_zero, w_zero
    )


def _convolve_depthwise(spec: WindowSpec, x: Any, w: Any) -> Any:
    return integer_products.sum_products(lambda a, b: depthwise_ops.convolve(np, spec, a, b), x, w)


# Without fused steps


def _shape(c: ShapeContext) -> Shape:
    spec = _spec(c.attrs)
    x, w = c.with_rank(0, 4), c.with_rank(1, 4)
    assert x.dims is not None and w.dims is not None
    merge_dim(x[3], w[2])
    return Shape((x[0], *output_dims(spec, x.dims[1:3], w.dims[:2]), w[3]))


def _plain_shape(c: ShapeContext) -> list[Shape]:
    for name in _RANGES:
        c.with_rank(name, 0)
    return [_shape(c), SCALAR, SCALAR]


plain = op(
    "QuantizedConv2D(input: Tinput, filter: Tfilter, min_input: float, max_input: float, min_filter: float, "
    f"max_filter: float; {_FACTORS}, out_type: type in {QUANTIZED} = qint32, {_WINDOW}) -> {_OUTPUTS}",
    shape=_plain_shape,
    kernel_types={"Tinput": "quint8 qint8", "Tfilter": "quint8 qint8", "out_type": "qint32"},
    allocates_output=True,
)


@plain.kernel
def _(
    xp: Any, x: Any, w: Any, min_input: Any, max_input: Any, min_filter: Any, max_filter: Any, *,
    Tinput: DType, Tfilter: DType, strides: Any, padding: str, dilations: Any,
) -> Any:  # fmt: skip
    spec = _spec({"strides": strides, "padding": padding, "dilations": dilations})
    ends, filter_ends = (
        range_ends(min_input, max_input, "input"),
        range_ends(min_filter, max_filter, "filter"),
    )
    symmetric = Tfilter.name == "qint8"
    levels = (level(*ends, Tinput, symmetric=symmetric), level(*filter_ends, Tfilter, symmetric=symmetric))
    if symmetric:
        return _convolve(spec, x, w), *product_range(*levels, _qint32)
    zeros = zero_point(*ends, Tinput), zero_point(*filter_ends, Tfilter)
    return _convolve(spec, _centre(spec, x, w), w, *zeros), *product_range(*levels, _qint32)


def _centre(spec: WindowSpec, x: Any, w: Any) -> Any:
    """Returns the input without its first rows and columns, if windows leave two or more of them at the end.

    TensorFlow's reference kernel starts in the middle of what windows do not reach.
    """
    win = _fit(spec, x, w)
    reach = [(n - 1) * s + k for n, s, k in zip(win.outputs, win.strides, win.size)]
    down, across = (max(0, size - used) // 2 for size, used in zip(win.inputs, reach))
    return x[:, down:, across:] if down or across else x


# With fused steps


class _Steps(NamedTuple):
    """The steps that the name of a fused operation states."""

    name: str

    @property
    def depthwise(self) -> bool:
        return "Depthwise" in self.name

    @property
    def bias(self) -> bool:
        return "WithBias" in self.name

    @property
    def summand(self) -> bool:
        return "Sum" in self.name

    @property
    def relu(self) -> bool:
        return "Relu" in self.name

    @property
    def requantizes(self) -> bool:
        return "Requantize" in self.name

    def arguments(self) -> list[str]:
        """The inputs, with their types."""
        ends = [*_RANGES]
        names = ["input: Tinput", "filter: Tfilter"]
        if self.bias:
            names.append("bias: Tbias" if self.requantizes else "bias: float")
        if self.requantizes:
            ends += ["min_freezed_output", "max_freezed_output"]
        names += [f"{name}: float" for name in ends]
        if self.summand and self.requantizes:
            names += ["summand: Tsummand", "min_summand: float", "max_summand: float"]
        elif self.summand:
            names.append("summand: float")
        return names

    def types(self) -> str:
        """The type attributes."""
        text = _FACTORS
        if self.bias and self.requantizes:
            text += ", Tbias: type in {float, qint32}"
        if self.summand and self.requantizes:
            text += f", Tsummand: type in {QUANTIZED}"
        default = "qint32" if not self.requantizes else "quint8" if self.relu else "qint8"
        return f"{text}, out_type: type in {QUANTIZED} = {default}"

    def kernel_types(self) -> dict[str, str]:
        """The dtypes that the kernel knows."""
        known = {"Tinput": "quint8 qint8", "Tfilter": "qint8"}
        known["out_type"] = "quint8 qint8" if self.requantizes else "qint32"
        if self.summand and self.requantizes:
            known["Tsummand"] = "quint8 qint8"
        return known


def _fused_shape(c: ShapeContext) -> list[Shape]:
    steps = _Steps(c.op.name)
    shape = depthwise_ops.convolution_shape(c, _spec(c.attrs)) if steps.depthwise else _shape(c)
    if steps.bias:
        merge_dim(c.with_rank("bias", 1)[0], shape[3])
    for name in ("min_input", "max_input"):
        c.with_rank(name, 0)
    if steps.requantizes:
        for name in ("min_freezed_output", "max_freezed_output"):
            c.with_rank(name, 0)
        return [shape, SCALAR, SCALAR]
    return [shape, c.input("min_filter"), c.input("max_filter")]


class _Sums(NamedTuple):
    """Sums of products, and the ranges of their factors."""

    sums: Any
    ends: tuple[Any, Any]
    filter_ends: tuple[Any, Any]
    types: tuple[DType, DType]

    def scale(self) -> Any:
        """The float that 1 of the sums stands for; one for each channel, or one for all."""
        unit, filter_unit = (_float(limits(dtype)[1]) for dtype in self.types)
        return magnitudes(*self.ends) / unit * (magnitudes(*self.filter_ends) / filter_unit)

    def output_range(self) -> tuple[Any, Any]:
        """The range of the sums as qint32."""
        levels = [
            level(*ends, dtype, symmetric=True)
            for ends, dtype in zip((self.ends, self.filter_ends), self.types)
        ]
        return product_range(levels[0], levels[1], _qint32)

    def biased(self, bias: Any) -> Any:
        """Returns the sums with a bias of floats, or of integers in units of the sums, in float."""
        wide = self.sums.astype(_float)
        if bias is None:
            return wide
        return wide + (bias / self.scale() if bias.dtype == np.float32 else bias.astype(_float))


def _filter_ends(low: Any, high: Any, channels: int) -> tuple[Any, Any]:
    """Returns the range of the filter, or of each of its output channels. Raises INVALID_ARGUMENT for other sizes."""
    if low.size == 1 and high.size == 1 and channels != 1:
        return range_ends(low, high, "filter")
    if low.shape != high.shape or low.size not in (1, channels) or low.ndim > 1:
        raise invalid(
            f"min_filter and max_filter must have 1 or {channels} elements, but have shapes "
            f"{Shape(tuple(low.shape))} and {Shape(tuple(high.shape))}"
        )
    return low, high


def _round(x: Any, dtype: DType, *, relu: bool) -> Any:
    """Returns floats rounded to the nearest integers of the dtype, negative ones raised to 0 if ``relu``."""
    first, last = limits(dtype)
    return np.clip(np.rint(x.astype(np.float64)), 0 if relu else first, last).astype(dtype.numpy)


def _check_like_output(x: Any, shape: Sequence[int], name: str) -> None:
    if x is not None and x.shape != tuple(shape):
        raise invalid(f"{name} has shape {Shape(x.shape)}, but must have shape {Shape(tuple(shape))}")


def _finish(steps: _Steps, found: _Sums, given: Mapping[str, Any], out_type: DType) -> Any:
    """Adds bias and summand, applies the activation, and requantises."""
    bias, summand = given.get("bias"), given.get("summand")
    _check_like_output(bias, found.sums.shape[-1:], "bias")
    _check_like_output(summand, found.sums.shape, "summand")
    values = found.biased(bias)
    if not steps.requantizes:
        if summand is not None:
            values = values + summand / found.scale()
        return _round(values, out_type, relu=steps.relu), *found.output_range()
    wanted = range_ends(given["min_freezed_output"], given["max_freezed_output"], "freezed_output")
    unit = magnitudes(*wanted) / _float(limits(out_type)[1])
    values = values * found.scale() * (_float(1) / unit)
    if summand is not None:
        ends = range_ends(given["min_summand"], given["max_summand"], "summand")
        summand_unit = magnitudes(*ends) / _float(np.iinfo(summand.dtype).max)
        values = values + summand.astype(_float) * (summand_unit / unit)
    return _round(values, out_type, relu=steps.relu), *wanted


def _declare(name: str, *, has_padding_list: bool = True) -> None:
    steps = _Steps(name)
    arguments = steps.arguments()
    window = f"{_WINDOW}, padding_list: list(int) = []" if has_padding_list else _WINDOW
    declared = op(
        f"{name}({', '.join(arguments)}; {steps.types()}, {window}) -> {_OUTPUTS}",
        shape=_fused_shape,
        kernel_types=steps.kernel_types(),
        allocates_output=True,
    )
    names = [argument.partition(":")[0] for argument in arguments]

    def compute(inputs: Sequence[Any], attrs: Mapping[str, Any]) -> Any:
        given = dict(zip(names, inputs))
        x, w = given["input"], given["filter"]
        convolve = _convolve_depthwise if steps.depthwise else _convolve
        sums = convolve(_spec(attrs), x, w)
        ends = range_ends(given["min_input"], given["max_input"], "input")
        filter_ends = _filter_ends(given["min_filter"], given["max_filter"], sums.shape[-1])
        found = _Sums(sums, ends, filter_ends, (attrs["Tinput"], attrs["Tfilter"]))
        return _finish(steps, found, given, attrs["out_type"])

    if has_padding_list:

        @declared.kernel
        def _(
            xp: Any, *inputs: Any, Tinput: DType, Tfilter: DType, out_type: DType,
            strides: Any, padding: str, dilations: Any, padding_list: Any,
        ) -> Any:  # fmt: skip
            attrs = {
                "strides": strides,
                "padding": padding,
                "dilations": dilations,
                "padding_list": padding_list,
            }
            return compute(inputs, {**attrs, "Tinput": Tinput, "Tfilter": Tfilter, "out_type": out_type})

    else:

        @declared.kernel
        def _(
            xp: Any, *inputs: Any, Tinput: DType, Tfilter: DType, out_type: DType,
            strides: Any, padding: str, dilations: Any,
        ) -> Any:  # fmt: skip
            attrs = {"strides": strides, "padding": padding, "dilations": dilations}
            return compute(inputs, {**attrs, "Tinput": Tinput, "Tfilter": Tfilter, "out_type": out_type})


_declare("QuantizedConv2DPerChannel", has_padding_list=False)
_declare("QuantizedConv2DAndRelu")
_declare("QuantizedConv2DAndRequantize")
_declare("QuantizedConv2DAndReluAndRequantize")
_declare("QuantizedConv2DWithBias")
_declare("QuantizedConv2DWithBiasAndRelu")
_declare("QuantizedConv2DWithBiasAndRequantize")
_declare("QuantizedConv2DWithBiasAndReluAndRequantize")
_declare("QuantizedConv2DWithBiasSumAndRelu")
_declare("QuantizedConv2DWithBiasSumAndReluAndRequantize")
_declare("QuantizedConv2DWithBiasSignedSumAndReluAndRequantize")
_declare("QuantizedDepthwiseConv2D", has_padding_list=False)
_declare("QuantizedDepthwiseConv2DWithBias", has_padding_list=False)
_declare("QuantizedDepthwiseConv2DWithBiasAndRelu")
_declare("QuantizedDepthwiseConv2DWithBiasAndReluAndRequantize")
