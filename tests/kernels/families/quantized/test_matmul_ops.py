"""Products of quantised matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ...harness import f32, run_tfg, table_tests
from .rows import q, quantized_case, random_q

A, B = random_q("quint8", 3, 20), random_q("quint8", 20, 4, seed=1)
WEIGHTS = q("qint8", np.random.RandomState(3).randint(-127, 128, (20, 4)))
BIAS, INT_BIAS = f32([0.5, -1, 2, 0]), q("qint32", [1000, -2000, 3, 0])
RANGES = [
    (f32(-1), f32(1), f32(-2), f32(3)),
    (f32(0), f32(6), f32(-0.3), f32(0.2)),
    (f32(1), f32(2), f32(-9), f32(-1)),
]
SYMMETRIC = (f32(-1), f32(2), f32(-1.5), f32(1.5))
OUTPUT = (f32(-12), f32(10))
REQUANTIZED = ("QuantizedMatMulWithBiasAndRequantize", "QuantizedMatMulWithBiasAndReluAndRequantize")
FLOATS: dict[str, Any] = {"Toutput": "float"}
# Each with a number of rows of its own: TensorFlow keeps what it makes of scales for later products of equal shapes.
# Only modes that its kernels are given: graph rewriting leaves the mode of other operations at MIN_FIRST.
FUSED: list[tuple[str, Any, str, Any, dict[str, Any]]] = [
    ("QuantizedMatMulWithBias", INT_BIAS, "MIN_FIRST", (), {}),
    *[(op, INT_BIAS, "MIN_FIRST", OUTPUT, {"Toutput": "quint8"}) for op in REQUANTIZED],
    *[
        ("QuantizedMatMulWithBiasAndDequantize", bias, mode, OUTPUT, FLOATS)
        for bias, mode in ((INT_BIAS, "MIN_FIRST"), (INT_BIAS, "SCALED"), (BIAS, "SCALED"))
    ],
]

CASES = [
    *[quantized_case("QuantizedMatMul", A, B, *ends, Toutput="qint32") for ends in RANGES],
    quantized_case("QuantizedMatMul", random_q("quint8", 20, 3), B, *RANGES[0], transpose_a=True),
    quantized_case("QuantizedMatMul", A, random_q("quint8", 4, 20), *RANGES[0], transpose_b=True),
    quantized_case(
        "QuantizedMatMul", random_q("quint8", 20, 3), random_q("quint8", 4, 20), *RANGES[1], transpose_a=True,
        transpose_b=True,
    ),
    quantized_case("QuantizedMatMul", random_q("quint8", 2, 900), random_q("quint8", 900, 3), *RANGES[1]),
    quantized_case("QuantizedMatMul", A, B, f32(1000), f32(1000.01), f32(-1), f32(1)),
    quantized_case(
        "QuantizedMatMul", A, random_q("quint8", 19, 4), *RANGES[0], error="INVALID_ARGUMENT: cannot be multiplied"
    ),
    quantized_case(
        "QuantizedMatMul", A, random_q("quint8", 20), *RANGES[0], error="INVALID_ARGUMENT: must be matrices"
    ),
    quantized_case(
        "QuantizedMatMul", A, B, f32(1), f32(1), f32(0), f32(1), error="INVALID_ARGUMENT: must be larger"
    ),
    *[
        quantized_case(
            op, random_q("quint8", rows, 20), WEIGHTS, bias, *SYMMETRIC, *more, input_quant_mode=mode, **attrs
        )
        for rows, (op, bias, mode, more, attrs) in enumerate(FUSED, 2)
    ],
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


@pytest.mark.parametrize("mode", ["MIN_FIRST", "SCALED"])
@pytest.mark.parametrize("relu", ["", "AndRelu"])
def test_a_bias_of_floats_is_added_to_the_product_of_floats(mode: str, relu: str) -> None:
    low, high, _, weights_high = (end.item() for end in SYMMETRIC)
    x = A.array / 255 * (high - low) + low if mode == "MIN_FIRST" else A.array / 255 * max(-low, high)
    expected = x @ (WEIGHTS.array / 127 * weights_high) + BIAS
    expected = np.maximum(expected, 0) if relu else expected

    found = run_tfg(
        quantized_case(f"QuantizedMatMulWithBias{relu}", A, WEIGHTS, BIAS, *SYMMETRIC, input_quant_mode=mode)
    )
    unit = (high - low if mode == "MIN_FIRST" else max(-low, high)) / 255 * weights_high / 127
    np.testing.assert_allclose(found[0] * unit, expected, atol=unit)

    row = quantized_case(
        f"QuantizedMatMulWithBias{relu}AndRequantize", A, WEIGHTS, BIAS, *SYMMETRIC, *OUTPUT, input_quant_mode=mode,
        Toutput="qint8",
    )  # fmt: skip
    steps, low_out, high_out = run_tfg(row)
    assert steps.dtype == np.int8 and (low_out, high_out) == OUTPUT
    np.testing.assert_allclose(steps * (12 / 127), np.clip(expected, -12.1, 12), atol=12 / 254 + 1e-4)
