"""Uniformly quantised tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import f32, i32, rand, table_tests
from .rows import q, quantized_case, random_q

X = rand(2, 3, 4, low=-9, high=9)
BYTES, SIGNED, WIDE = random_q("quint8", 2, 3, 4), random_q("qint8", 2, 3, 4), random_q("qint32", 2, 3, 4)
SMALL = q("qint32", np.random.RandomState(1).randint(-9999, 9999, (2, 3, 4)))
SCALES, ZEROS = f32([0.1, 2, 0.03]), i32([-3, 5, 0])
ONE = (f32(0.25), i32(-20))


def ends(prefix: str = "", least: int = -128, most: int = 127, axis: int = -1) -> dict[str, Any]:
    return {
        f"{prefix}quantization_min_val": least,
        f"{prefix}quantization_max_val": most,
        f"{prefix}quantization_axis": axis,
    }


INT32 = {"least": -(2**31), "most": 2**31 - 1}


def add(*inputs: Any, axes: tuple[int, int, int] = (-1, -1, -1), error: str | None = None) -> Any:
    attrs: dict[str, Any] = {}
    for prefix, axis in zip(("lhs_", "rhs_", "output_"), axes):
        attrs |= ends(prefix, **INT32, axis=axis)
    return quantized_case("UniformQuantizedAdd", *inputs, error=error, **attrs)


CASES = [
    quantized_case("UniformQuantize", X, *ONE, Tout="qint8", **ends()),
    quantized_case("UniformQuantize", X, *ONE, Tout="qint8", **ends(least=-127, most=20)),
    quantized_case("UniformQuantize", X, f32(0.01), i32(3), Tout="quint8", **ends(least=0, most=255)),
    quantized_case("UniformQuantize", X, f32(0.01), i32(3), Tout="qint32", **ends(**INT32)),
    quantized_case("UniformQuantize", X, SCALES, ZEROS, Tout="qint8", **ends(axis=1)),
    quantized_case("UniformQuantize", f32(0.3), *ONE, Tout="qint8", **ends()),
    quantized_case("UniformQuantize", X, SCALES, ZEROS, Tout="qint8", **ends(axis=0), error="INVALID_ARGUMENT: shape"),
    quantized_case("UniformQuantize", X, SCALES, ZEROS, Tout="qint8", **ends(), error="INVALID_ARGUMENT: shape"),
    quantized_case("UniformQuantize", X, *ONE, Tout="qint8", **ends(axis=3), error="INVALID_ARGUMENT: axis"),
    *[quantized_case("UniformDequantize", x, *ONE, Tout="float", **ends()) for x in (BYTES, SIGNED, WIDE)],
    quantized_case("UniformDequantize", SIGNED, SCALES, ZEROS, Tout="float", **ends(axis=1)),
    quantized_case("UniformDequantize", SIGNED, SCALES, ZEROS, Tout="float", **ends(), error="INVALID_ARGUMENT: shape"),
    *[
        quantized_case(
            "UniformRequantize", x, *old, *new, Tout="qint8", **ends("input_", axis=a), **ends("output_", axis=b)
        )
        for x in (SIGNED, WIDE, SMALL)
        for old, a in ((ONE, -1), ((SCALES, ZEROS), 1))
        for new, b in (((f32(2), i32(7)), -1), ((f32([0.3, 70, 1e-9]), i32([1, 2, 3])), 1))
    ],
    quantized_case(
        "UniformRequantize", SIGNED, f32(0), i32(0), *ONE, Tout="qint8", **ends("input_"), **ends("output_"),
        error="INVALID_ARGUMENT: positive",
    ),
    add(SMALL, SMALL, *ONE, *ONE, f32(0.5), i32(4)),
    add(SMALL, WIDE, *ONE, f32(0.001), i32(-20), f32(0.5), i32(4)),
    add(WIDE, WIDE, f32(0.1), i32(3), f32(0.03), i32(-20), f32(0.5), i32(4)),
    quantized_case("UniformDequantize", WIDE, f32(0.1), i32(12345678), Tout="float", **ends()),
    add(SMALL, q("qint32", [7, 1, -4, 100000]), *ONE, f32(2), i32(3), f32(0.5), i32(4)),
    add(SMALL, q("qint32", 7), *ONE, f32(2), i32(3), f32(0.5), i32(4)),
    add(SMALL, SMALL, SCALES, ZEROS, SCALES, ZEROS, f32([1, 2, 3]), i32([1, 2, 3]), axes=(1, 1, 1)),
    add(
        SMALL, q("qint32", [[7], [-100], [5000]]), SCALES, ZEROS, SCALES, ZEROS, f32([1, 2, 3]), i32([1, 2, 3]),
        axes=(1, 0, 1),
    ),
    add(SMALL, SMALL, *ONE, *ONE, f32(-1), i32(0), error="INVALID_ARGUMENT: positive"),
    add(SMALL, random_q("qint32", 5), *ONE, *ONE, *ONE, error="INVALID_ARGUMENT: broadcast"),
    add(
        SMALL, SMALL, f32([1, 2]), i32([1, 2]), SCALES, ZEROS, SCALES, ZEROS, axes=(0, 1, 1),
        error="INVALID_ARGUMENT: same axis",
    ),
    quantized_case(
        "UniformQuantizedClipByValue", SMALL, q("qint32", -100), q("qint32", 5000), *ONE, **ends(**INT32)
    ),
    quantized_case(
        "UniformQuantizedClipByValue", SMALL, q("qint32", [-9, 0, 7]), q("qint32", [9, 4000, 5]), SCALES, ZEROS,
        **ends(**INT32, axis=1),
    ),
    quantized_case(
        "UniformQuantizedClipByValue", SMALL, q("qint32", [-9, 0]), q("qint32", [9, 4]), SCALES, ZEROS,
        **ends(**INT32, axis=1), error="INVALID_ARGUMENT: min and max",
    ),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
