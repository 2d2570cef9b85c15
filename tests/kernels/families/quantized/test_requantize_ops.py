"""Ranges of quantised integers."""

from __future__ import annotations

import numpy as np

from ...harness import f32, table_tests
from .rows import q, quantized_case, random_q

X = random_q("qint32", 4, 50)
SMALL = q("qint32", np.random.RandomState(1).randint(-(2**20), 2**21, (3, 40)))
POSITIVE = q("qint32", np.random.RandomState(2).randint(5, 2**21, (3, 4)))
EMPTY = q("qint32", np.zeros((0, 3)))
IMAGE = random_q("qint32", 2, 3, 2, 3)
LOW, HIGH = f32([-1, -2.5, -3]), f32([1, 2, 3.5])

CASES = [
    *[
        quantized_case("QuantizeDownAndShrinkRange", x, f32(low), f32(high), out_type="quint8")
        for x in (X, SMALL, POSITIVE, q("qint32", 7), EMPTY)
        for low, high in ((-1, 1), (-300, 256.5), (0, 100))
    ],
    quantized_case("QuantizeDownAndShrinkRange", X, f32(1), f32(1), out_type="quint8"),
    quantized_case(
        "QuantizeDownAndShrinkRange", X, f32([-1]), f32(1), out_type="quint8",
        error="INVALID_ARGUMENT: must be a scalar",
    ),
    *[
        quantized_case("RequantizationRange", x, f32(low), f32(high))
        for x in (X, SMALL, POSITIVE, q("qint32", 7))
        for low, high in ((-1, 1), (-300, 256.5), (0, 100))
    ],
    *[
        quantized_case("Requantize", x, f32(low), f32(high), f32(to_low), f32(to_high), out_type=out_type)
        for x in (X, SMALL, EMPTY)
        for low, high in ((-1, 1), (-300, 256.5))
        for to_low, to_high in ((-0.7, 0.5), (0, 0.4), (-0.1, 0))
        for out_type in ("quint8", "qint8")
    ],
    quantized_case("Requantize", X, f32(-1), f32(1), f32(0), f32(0), out_type="quint8"),
    quantized_case(
        "Requantize", X, f32(-1), f32(1), f32(0.1), f32(1), out_type="quint8",
        error="INVALID_ARGUMENT: requested_output_min must be <= 0",
    ),
    quantized_case("Requantize", X, f32(-1), f32(1), f32(-1), f32(-0.1), out_type="quint8"),
    quantized_case("RequantizationRangePerChannel", IMAGE, LOW, HIGH, clip_value_max=6.0),
    quantized_case("RequantizationRangePerChannel", IMAGE, LOW, HIGH, clip_value_max=1.0),
    quantized_case(
        "RequantizationRangePerChannel", q("qint32", np.abs(IMAGE.array // 2)), LOW, HIGH, clip_value_max=1e30
    ),
    quantized_case(
        "RequantizationRangePerChannel", IMAGE, LOW[:2], HIGH[:2], clip_value_max=1.0,
        error="INVALID_ARGUMENT: as many channels",
    ),
    quantized_case(
        "RequantizationRangePerChannel", EMPTY, LOW, HIGH, clip_value_max=1.0,
        error="INVALID_ARGUMENT: not empty",
    ),
    quantized_case("RequantizePerChannel", IMAGE, LOW, HIGH, f32(-2), f32(2), out_type="qint8"),
    quantized_case("RequantizePerChannel", IMAGE, LOW, HIGH, f32(0), f32(2), out_type="quint8"),
    quantized_case(
        "RequantizePerChannel", IMAGE, LOW, HIGH, f32(0), f32(2), out_type="qint8",
        error="INVALID_ARGUMENT: must be negative",
    ),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
