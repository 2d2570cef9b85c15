"""Convolutions of quantised images. Fused steps that TensorFlow's oneDNN kernels do not run stand in a test beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tfg.graphfmt.errors import TfgError

from ...harness import f32, graph_case, rand, run_tfg, table_tests
from .rows import q, quantized_case, random_q

if TYPE_CHECKING:
    from tfg.kernels.builder.graph_builder import GraphBuilder, Tensor

X, SIGNED = random_q("quint8", 2, 6, 7, 3), random_q("qint8", 2, 6, 7, 3)
W = random_q("quint8", 3, 2, 3, 4, seed=1)
FILTER = random_q("qint8", 3, 2, 3, 4, seed=1, constant=True)
DEPTHWISE = random_q("qint8", 3, 2, 3, 1, seed=1, constant=True)
RANGES = [(f32(-1), f32(1), f32(-2), f32(3)), (f32(0), f32(6), f32(-0.3), f32(0.2))]
SYMMETRIC = (f32(0), f32(3), f32(-0.5), f32(0.5))
CHANNELS = (f32(0), f32(3), f32([-1, -2, -0.5, -1]), f32([1, 2, 0.5, 1]))
BIAS, INT_BIAS = f32([0.5, -1, 2, 0]), q("qint32", [1000, -2000, 3, 0])
OUTPUT = (f32(-4), f32(5))
ONES: dict[str, Any] = {"strides": [1, 1, 1, 1], "padding": "SAME"}
STRIDES: dict[str, Any] = {"strides": [1, 2, 2, 1], "padding": "VALID"}


def _network(g: GraphBuilder) -> list[Tensor]:
    """A network as TensorFlow's old tool quantize_graph wrote it, from QuantizeV2 to Dequantize.

    What is quantised is constant, because oneDNN's QuantizeV2 of other tensors rounds differently.
    """
    images, filters, bias, weights = (
        g.constant(rand(*s)) for s in ((2, 8, 10, 3), (3, 3, 3, 4), (4,), (16, 5))
    )

    def quantize(x: Tensor) -> list[Tensor]:
        flat = g.Reshape(x, [-1])
        return g.QuantizeV2(x, g.Min(flat, [0]), g.Max(flat, [0]), T="quint8", mode="MIN_FIRST")

    def requantize(x: Tensor, low: Tensor, high: Tensor) -> list[Tensor]:
        ends = g.RequantizationRange(x, low, high)
        return g.Requantize(x, low, high, *ends, out_type="quint8")

    x, x_ends = (values := quantize(images))[0], values[1:]
    w, w_ends = (values := quantize(filters))[0], values[1:]
    b, b_ends = (values := quantize(bias))[0], values[1:]
    sums = g.QuantizedConv2D(x, w, *x_ends, *w_ends, strides=[1, 2, 2, 1], padding="SAME", out_type="qint32")
    x, *x_ends = g.QuantizeDownAndShrinkRange(*sums, out_type="quint8")
    sums = g.QuantizedBiasAdd(x, b, *x_ends, *b_ends, out_type="qint32")
    x, *x_ends = g.QuantizedRelu(*requantize(*sums), out_type="quint8")
    x, *x_ends = g.QuantizedMaxPool(x, *x_ends, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID")
    x, *x_ends = g.QuantizedReshape(x, [2, -1], *x_ends)
    w, w_ends = (values := quantize(weights))[0], values[1:]
    sums = g.QuantizedMatMul(x, w, *x_ends, *w_ends, Toutput="qint32")
    return [g.Dequantize(*requantize(*sums), mode="MIN_FIRST")]


CASES = [
    graph_case("QuantizedNetwork", _network, tol=0),
    *[
        quantized_case("QuantizedConv2D", X, W, *ends, **window)
        for ends in RANGES
        for window in (ONES, STRIDES, {"strides": [1, 3, 3, 1], "padding": "SAME"})
    ],
    quantized_case(
        "QuantizedConv2D", random_q("quint8", 1, 9, 8, 2), random_q("quint8", 1, 1, 2, 3), *RANGES[0],
        strides=[1, 4, 4, 1], padding="VALID",
    ),
    quantized_case(
        "QuantizedConv2D", X, random_q("quint8", 3, 2, 2, 4), *RANGES[0], **ONES,
        error="INVALID_ARGUMENT: same depth",
    ),
    quantized_case("QuantizedConv2D", X, FILTER, *SYMMETRIC, **ONES),
    quantized_case("QuantizedConv2D", X, FILTER, *SYMMETRIC, **STRIDES),
    quantized_case("QuantizedConv2DAndRelu", X, FILTER, *SYMMETRIC, **ONES),
    quantized_case("QuantizedConv2DAndRequantize", X, FILTER, *SYMMETRIC, *OUTPUT, **ONES),
    quantized_case("QuantizedConv2DAndReluAndRequantize", X, FILTER, *SYMMETRIC, *OUTPUT, **STRIDES),
    *[
        quantized_case(op, x, FILTER, BIAS, *SYMMETRIC, **ONES)
        for op in ("QuantizedConv2DWithBias", "QuantizedConv2DWithBiasAndRelu")
        for x in (X, SIGNED)
    ],
    *[
        quantized_case(op, x, FILTER, bias, *ends, *OUTPUT, **ONES)
        for op in ("QuantizedConv2DWithBiasAndRequantize", "QuantizedConv2DWithBiasAndReluAndRequantize")
        for x in (X, SIGNED)
        for bias in (BIAS, INT_BIAS)
        for ends in (SYMMETRIC, CHANNELS)
    ],
    quantized_case("QuantizedDepthwiseConv2D", X, DEPTHWISE, *SYMMETRIC, **ONES),
    quantized_case("QuantizedDepthwiseConv2DWithBias", X, DEPTHWISE, BIAS[:3], *SYMMETRIC, **ONES),
    quantized_case("QuantizedDepthwiseConv2DWithBiasAndRelu", X, DEPTHWISE, BIAS[:3], *SYMMETRIC, **STRIDES),
    quantized_case(
        "QuantizedDepthwiseConv2DWithBiasAndReluAndRequantize", X, DEPTHWISE, BIAS[:3], *SYMMETRIC, *OUTPUT, **ONES
    ),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def _dequantized_convolution(x: Any, filters: Any, x_unit: float, units: Any) -> Any:
    """The convolution of floats with 3 x 2 windows, padded to the size of the input, in double."""
    padded = np.pad(x.array.astype(np.float64), ((0, 0), (1, 1), (0, 1), (0, 0)))
    height, width = x.array.shape[1:3]
    total = sum(
        padded[:, i : i + height, j : j + width] @ filters.array[i, j].astype(np.float64)
        for i in range(3)
        for j in range(2)
    )
    return total * x_unit * units


def test_a_convolution_per_channel_has_a_range_for_each() -> None:
    row = quantized_case("QuantizedConv2DPerChannel", X, FILTER, *CHANNELS, **ONES)
    sums, low, high = run_tfg(row)
    expected = _dequantized_convolution(X, FILTER, 3 / 255, np.array([1, 2, 0.5, 1]) / 127)
    np.testing.assert_allclose(sums * (high / 2**31), expected, rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(low.shape, [4])


@pytest.mark.parametrize("dtype", ["quint8", "qint8"])
@pytest.mark.parametrize("bias", [BIAS, INT_BIAS], ids=["float", "qint32"])
def test_a_sum_is_added_before_the_activation(dtype: str, bias: Any) -> None:
    sign = "Signed" if dtype == "qint8" else ""
    summand = random_q(dtype, 2, 6, 7, 4, seed=5)
    row = quantized_case(
        f"QuantizedConv2DWithBias{sign}SumAndReluAndRequantize", X, FILTER, bias, *CHANNELS, f32(0), f32(20), summand,
        f32(-6), f32(6), out_type="quint8", **ONES,
    )  # fmt: skip
    units = np.array([1, 2, 0.5, 1]) / 127
    floats = BIAS if bias is BIAS else INT_BIAS.array * (3 / 255 * units)
    expected = _dequantized_convolution(X, FILTER, 3 / 255, units) + floats
    expected += summand.array * (6 / (127 if sign else 255))
    found, low, high = run_tfg(row)
    np.testing.assert_allclose(found * (20 / 255), np.clip(expected, 0, 20), atol=20 / 510 + 1e-4)
    assert (low, high) == (0, 20)


def test_a_summand_of_floats_is_added_to_sums_of_32_bits() -> None:
    summand = rand(2, 6, 7, 4)
    row = quantized_case("QuantizedConv2DWithBiasSumAndRelu", X, FILTER, BIAS, *SYMMETRIC, summand, **ONES)
    unit = 3 / 255 * 0.5 / 127
    expected = _dequantized_convolution(X, FILTER, 3 / 255, 0.5 / 127) + BIAS + summand
    np.testing.assert_allclose(run_tfg(row)[0] * unit, np.maximum(expected, 0), atol=unit)


def test_a_padding_list_replaces_the_padding() -> None:
    padded = quantized_case(
        "QuantizedConv2DAndRelu", X, FILTER, *SYMMETRIC, strides=[1, 1, 1, 1], padding="VALID",
        padding_list=[0, 0, 1, 1, 0, 1, 0, 0],
    )  # fmt: skip
    same = quantized_case("QuantizedConv2DAndRelu", X, FILTER, *SYMMETRIC, **ONES)
    np.testing.assert_array_equal(run_tfg(padded)[0], run_tfg(same)[0])


def test_a_filter_larger_than_the_image_is_refused() -> None:
    row = quantized_case("QuantizedConv2D", X, random_q("quint8", 12, 2, 3, 4), *RANGES[0], **STRIDES)
    with pytest.raises(TfgError, match="does not fit"):
        run_tfg(row)
