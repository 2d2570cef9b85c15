"""Concatenation, reshaping and resizing of quantised tensors."""

from __future__ import annotations

from ...harness import f32, i32, i64, table_tests
from .rows import quantized_case, random_q

A, B, C = random_q("quint8", 2, 3), random_q("quint8", 2, 4, seed=1), random_q("quint8", 2, 1, seed=2)
WIDE_A, WIDE_B = random_q("qint32", 2, 3), random_q("qint32", 2, 4)
LOWS = [f32(-1), f32(0), f32(-0.5)]
HIGHS = [f32(1), f32(3), f32(0.25)]
IMAGE = random_q("quint8", 2, 4, 5, 3)
WIDE_IMAGE = random_q("qint32", 2, 4, 5, 1)
ENDS = (f32(-1), f32(2))

CASES = [
    quantized_case("QuantizedConcat", i32(1), [A, B, C], LOWS, HIGHS),
    quantized_case("QuantizedConcat", i32(1), [WIDE_A, WIDE_B], LOWS[:2], HIGHS[:2]),
    quantized_case("QuantizedConcat", i32(0), [A, A], [f32(0), f32(0)], [f32(1), f32(1)]),
    quantized_case("QuantizedConcat", i32(0), [A, random_q("quint8", 0, 3)], LOWS[:2], HIGHS[:2]),
    quantized_case("QuantizedConcat", i32(0), [A, B], LOWS[:2], HIGHS[:2], error="INVALID_ARGUMENT: concatenated"),
    quantized_case("QuantizedConcat", i32(2), [A, A], LOWS[:2], HIGHS[:2], error="INVALID_ARGUMENT: must be in"),
    *[
        quantized_case("QuantizedConcatV2", values, i32(axis), lows, highs)
        for values in ([A, B, C], [random_q("qint8", 2, 3), random_q("qint8", 2, 4), random_q("qint8", 2, 1)])
        for axis in (1, -1)
        for lows, highs in ((LOWS, HIGHS), ([f32(-1)] * 3, [f32(2)] * 3))
    ],
    quantized_case("QuantizedReshape", A, i32([3, -1]), f32(-1), f32(2)),
    quantized_case("QuantizedReshape", WIDE_A, i64([6]), f32(-1), f32(2)),
    quantized_case("QuantizedReshape", A, i32([4]), f32(-1), f32(2), error="INVALID_ARGUMENT: cannot be reshaped"),
    quantized_case("QuantizedReshape", A, i32([6]), f32([1, 2]), f32(2), error="INVALID_ARGUMENT: input_min"),
    *[
        quantized_case("QuantizedResizeBilinear", image, i32(size), *ENDS, align_corners=a, half_pixel_centers=h)
        for image in (IMAGE, WIDE_IMAGE)
        for size in ([7, 9], [2, 3], [4, 5], [1, 1])
        for a, h in ((False, False), (True, False), (False, True))
    ],
    quantized_case("QuantizedResizeBilinear", IMAGE, i32([0, 2]), *ENDS, error="INVALID_ARGUMENT: must be positive"),
    quantized_case("QuantizedResizeBilinear", A, i32([1, 2]), *ENDS, error="INVALID_ARGUMENT: rank 4"),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
