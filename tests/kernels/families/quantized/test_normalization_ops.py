"""Normalisation of quantised images."""

from __future__ import annotations

from typing import Any

from ...harness import f32, table_tests
from .rows import quantized_case, random_q

X = random_q("quint8", 2, 3, 4, 3)
STATISTICS = [random_q("quint8", 3, seed=i) for i in range(4)]
RANGES = [f32(-10), f32(10), f32(-2), f32(3), f32(0.1), f32(4), f32(-1), f32(1), f32(0), f32(2)]


def batch_norm(x: Any, statistics: Any, error: str | None = None, **attrs: Any) -> Any:
    tensors = [x, *statistics]
    inputs = [v for i, t in enumerate(tensors) for v in (t, *RANGES[2 * i : 2 * i + 2])]
    return quantized_case(
        "QuantizedBatchNormWithGlobalNormalization", *inputs, out_type="qint32", error=error, **attrs
    )


CASES = [
    batch_norm(X, STATISTICS, variance_epsilon=0.001, scale_after_normalization=True),
    batch_norm(X, STATISTICS, variance_epsilon=0.5, scale_after_normalization=False),
    batch_norm(
        random_q("quint8", 4, 3), STATISTICS, variance_epsilon=0.5, scale_after_normalization=False,
        error="INVALID_ARGUMENT: rank 4",
    ),
    quantized_case("QuantizedInstanceNorm", X, f32(-1), f32(3)),
    quantized_case("QuantizedInstanceNorm", X, f32(0), f32(1), variance_epsilon=0.1),
    quantized_case(
        "QuantizedInstanceNorm", X, f32(0), f32(1), output_range_given=True, given_y_min=-1.0, given_y_max=1.5
    ),
    quantized_case("QuantizedInstanceNorm", random_q("quint8", 2, 1, 1, 3), f32(0), f32(1)),
    quantized_case("QuantizedInstanceNorm", X, f32(1), f32(1), error="INVALID_ARGUMENT: x_min must be less"),
    quantized_case(
        "QuantizedInstanceNorm", X, f32(0), f32(1), output_range_given=True, given_y_min=1.0, given_y_max=1.0,
        error="INVALID_ARGUMENT: given_y_min",
    ),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
