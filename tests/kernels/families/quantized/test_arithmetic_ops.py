"""Sums, products, biases and activations of quantised tensors."""

from __future__ import annotations

from ...harness import f32, table_tests
from .rows import q, quantized_case, random_q

X, Y = random_q("quint8", 3, 5), random_q("quint8", 3, 5, seed=1)
ROW, ONE, EMPTY = random_q("quint8", 5, seed=2), q("quint8", 200), random_q("quint8", 0, 5)
SIGNED, SIGNED_ROW = random_q("qint8", 3, 5), random_q("qint8", 5)
WIDE = random_q("qint32", 3, 5)
RANGES = [
    (f32(-1), f32(1), f32(-2), f32(3)),
    (f32(0), f32(6), f32(-0.3), f32(0.2)),
    (f32(1), f32(2), f32(-9), f32(-1)),
]

CASES = [
    *[
        quantized_case(op, x, y, *ends, Toutput="qint32")
        for op in ("QuantizedAdd", "QuantizedMul")
        for x, y in ((X, Y), (X, ROW), (ROW, Y), (X, ONE), (ONE, Y), (ONE, q("quint8", [[7]])), (EMPTY, EMPTY))
        for ends in RANGES
    ],
    *[
        quantized_case(op, X, Y, *ends, Toutput="qint32", error="INVALID_ARGUMENT: must be larger")
        for op in ("QuantizedAdd", "QuantizedMul")
        for ends in ((f32(1), f32(1), f32(0), f32(1)), (f32(0), f32(1), f32(3), f32(2)))
    ],
    *[
        quantized_case(op, X, random_q("quint8", 4), *RANGES[0], Toutput="qint32", error="INVALID_ARGUMENT: broadcast")
        for op in ("QuantizedAdd", "QuantizedMul")
    ],
    *[quantized_case("QuantizedBiasAdd", X, ROW, *ends, out_type="qint32") for ends in RANGES],
    *[quantized_case("QuantizedBiasAdd", SIGNED, SIGNED_ROW, *ends, out_type="qint32") for ends in RANGES],
    quantized_case("QuantizedBiasAdd", random_q("quint8", 2, 3, 2, 5), ROW, *RANGES[0], out_type="qint32"),
    quantized_case(
        "QuantizedBiasAdd", ROW, ROW, *RANGES[0], out_type="qint32", error="INVALID_ARGUMENT: does not fit"
    ),
    quantized_case(
        "QuantizedBiasAdd", X, random_q("quint8", 4), *RANGES[0], out_type="qint32",
        error="INVALID_ARGUMENT: does not fit",
    ),
    *[
        quantized_case(op, x, f32(low), f32(high), out_type=dtype)
        for op in ("QuantizedRelu", "QuantizedRelu6")
        for dtype, x in (("quint8", X), ("qint32", WIDE))
        for low, high in ((-10, 10), (0, 5), (-5, -1), (2, 20), (1, 1))
    ],
    quantized_case("QuantizedRelu", EMPTY, f32(-1), f32(1), out_type="quint8"),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
