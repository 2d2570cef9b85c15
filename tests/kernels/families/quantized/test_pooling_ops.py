"""Pooling of quantised images."""

from __future__ import annotations

from typing import Any

from ...harness import f32, table_tests
from .rows import quantized_case, random_q

UNSIGNED, SIGNED = random_q("quint8", 2, 7, 6, 3), random_q("qint8", 2, 7, 6, 3)
ENDS = (f32(-1.5), f32(3))
SQUARE: dict[str, Any] = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1]}
WIDE: dict[str, Any] = {"ksize": [1, 3, 2, 1], "strides": [1, 1, 2, 1]}

CASES = [
    *[
        quantized_case(op, x, *ENDS, padding=padding, **window)
        for op in ("QuantizedMaxPool", "QuantizedAvgPool")
        for x in (UNSIGNED, SIGNED)
        for window in (SQUARE, WIDE)
        for padding in ("SAME", "VALID")
    ],
    *[
        quantized_case(
            op, random_q("quint8", 2, 7, 6), *ENDS, padding="SAME", **SQUARE, error="INVALID_ARGUMENT: rank 4"
        )
        for op in ("QuantizedMaxPool", "QuantizedAvgPool")
    ],
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
