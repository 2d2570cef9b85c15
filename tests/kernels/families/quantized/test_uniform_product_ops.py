"""Products and convolutions of uniformly quantised tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import f32, i32, rand, table_tests
from .rows import quantized_case, random_q
from .test_uniform_ops import INT32, ends

A, B = random_q("qint8", 3, 20), random_q("qint8", 20, 4, seed=1)
LEFT, RIGHT, OUTPUT = (f32(0.5), i32(-3)), (f32(0.25), i32(9)), (f32(0.01), i32(100))
CHANNELS = (f32([0.5, 0.25, 2, 0.1]), i32([1, 2, -3, 0]))
OUTPUTS = (f32([0.01, 0.02, 3, 0.001]), i32([0, 5, -7, 1000]))
IMAGES, FILTER = random_q("qint8", 2, 4, 6, 5), random_q("qint8", 4, 4, 3, 2, seed=1)
FLOATS = rand(2, 4, 6, 5)


def both(op: str, lhs: Any, rhs: Any, *more: Any, axes: tuple[int, int] = (-1, -1), **attrs: Any) -> Any:
    """A row for quantised operands; the axes are those of rhs and of the output."""
    error = attrs.pop("error", None)
    attrs |= {**ends("lhs_"), **ends("rhs_", axis=axes[0]), **ends("output_", **INT32, axis=axes[1])}
    return quantized_case(op, lhs, rhs, *more, Tout="qint32", error=error, **attrs)


def hybrid(op: str, lhs: Any, rhs: Any, *more: Any, axis: int = -1, **attrs: Any) -> Any:
    error = attrs.pop("error", None)
    return quantized_case(op, lhs, rhs, *more, Tout="float", error=error, **attrs, **ends("rhs_", axis=axis))


def conv(lhs: Any = IMAGES, rhs: Any = FILTER, axes: tuple[int, int] = (-1, -1), **attrs: Any) -> Any:
    right, output = CHANNELS if axes[0] >= 0 else RIGHT, OUTPUTS if axes[1] >= 0 else OUTPUT
    return both("UniformQuantizedConvolution", lhs, rhs, *LEFT, *right, *output, axes=axes, **attrs)


def hybrid_conv(lhs: Any = FLOATS, rhs: Any = FILTER, axis: int = -1, **attrs: Any) -> Any:
    right = CHANNELS if axis >= 0 else RIGHT
    return hybrid("UniformQuantizedConvolutionHybrid", lhs, rhs, *right, axis=axis, **attrs)


def numbers(lhs: list[int], rhs: list[int], output: list[int]) -> str:
    """Dimension numbers as a message: batch and features (input and output features of rhs), then spatial axes."""
    message = b""
    for first, (one, two, *spatial) in zip((1, 4, 7), (lhs, rhs, output)):
        message += bytes(
            [first << 3, one, (first + 1) << 3, two, (first + 2) << 3 | 2, len(spatial), *spatial]
        )
    return message.decode()


WINDOWS: list[dict[str, Any]] = [
    {"padding": "VALID"},
    {"padding": "SAME", "window_strides": [2, 1]},
    {"padding": "EXPLICIT", "explicit_padding": [0, 2, 1, 3]},
    {"padding": "SAME", "rhs_dilation": [2, 3]},
    {"padding": "SAME", "lhs_dilation": [3, 2], "window_strides": [2, 3]},
]
CHANNELS_LAST = numbers([0, 3, 1, 2], [2, 3, 0, 1], [0, 3, 1, 2])
TURNED = numbers([3, 1, 2, 0], [2, 0, 3, 1], [1, 0, 3, 2])
FLAT: Any = np.array([[0, 0, 0], [1, 2, 3]], np.float32)

CASES = [
    both("UniformQuantizedDot", A, B, *LEFT, *RIGHT, *OUTPUT),
    both("UniformQuantizedDot", A, B, *LEFT, *CHANNELS, *OUTPUT, axes=(1, -1)),
    both("UniformQuantizedDot", A, B, *LEFT, *CHANNELS, *OUTPUTS, axes=(1, 1)),
    both("UniformQuantizedDot", A, A, *LEFT, *RIGHT, *OUTPUT, error="INVALID_ARGUMENT: cannot be multiplied"),
    both(
        "UniformQuantizedDot",
        A,
        B,
        *LEFT,
        *RIGHT,
        *OUTPUTS,
        axes=(-1, 1),
        error="INVALID_ARGUMENT: per tensor",
    ),
    both("UniformQuantizedDot", A, B, f32(0), i32(0), *RIGHT, *OUTPUT, error="INVALID_ARGUMENT: positive"),
    both(
        "UniformQuantizedDot",
        A,
        B,
        *LEFT,
        *RIGHT,
        *OUTPUT,
        axes=(0, -1),
        error="INVALID_ARGUMENT: per channel",
    ),
    hybrid("UniformQuantizedDotHybrid", rand(3, 20), B, *RIGHT),
    hybrid("UniformQuantizedDotHybrid", rand(3, 20), B, *CHANNELS, axis=1),
    hybrid("UniformQuantizedDotHybrid", FLAT, random_q("qint8", 3, 4), *RIGHT),
    hybrid("UniformQuantizedDotHybrid", rand(3, 20, low=1, high=2), B, *RIGHT),
    hybrid(
        "UniformQuantizedDotHybrid", rand(3, 19), B, *RIGHT, error="INVALID_ARGUMENT: cannot be multiplied"
    ),
    *[conv(**window) for window in WINDOWS],
    *[hybrid_conv(**window) for window in WINDOWS],
    conv(axes=(0, -1), padding="SAME"),
    conv(axes=(0, 1), padding="SAME"),
    hybrid_conv(axis=0, padding="SAME"),
    conv(rhs=random_q("qint8", 4, 2, 3, 2), feature_group_count=2, padding="SAME"),
    conv(random_q("qint8", 4, 4, 6, 5), batch_group_count=2, padding="SAME"),
    hybrid_conv(rand(4, 4, 6, 5), batch_group_count=2, padding="VALID", axis=0),
    conv(
        random_q("qint8", 2, 6, 5, 3),
        random_q("qint8", 3, 2, 3, 4),
        padding="SAME",
        dimension_numbers=CHANNELS_LAST,
    ),
    hybrid_conv(
        rand(2, 6, 5, 3),
        random_q("qint8", 3, 2, 3, 4),
        axis=3,
        padding="VALID",
        dimension_numbers=CHANNELS_LAST,
    ),
    conv(
        random_q("qint8", 6, 3, 5, 2), random_q("qint8", 4, 2, 3, 3), padding="SAME", dimension_numbers=TURNED
    ),
    conv(random_q("qint8", 2, 4, 9), random_q("qint8", 4, 4, 3), padding="SAME"),
    conv(padding="FULL", error="INVALID_ARGUMENT: padding must be"),
    conv(padding="SAME", window_strides=[1], error="INVALID_ARGUMENT: window_strides"),
    conv(padding="EXPLICIT", explicit_padding=[1, 1], error="INVALID_ARGUMENT: explicit_padding"),
    conv(padding="SAME", feature_group_count=2, error="INVALID_ARGUMENT: groups"),
    conv(rhs=random_q("qint8", 4, 4, 9, 2), padding="VALID", error="INVALID_ARGUMENT: does not fit"),
    conv(rhs=random_q("qint8", 4, 4, 3), padding="SAME", error="INVALID_ARGUMENT: same rank"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
