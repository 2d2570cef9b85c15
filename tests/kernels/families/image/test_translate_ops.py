"""Resampling with kernels of several widths."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import case, f32, i32, rand, table_tests

NAME, GRADIENT = "ScaleAndTranslate", "ScaleAndTranslateGrad"
IMAGES = rand(2, 7, 9, 3)
KERNELS = ("lanczos1", "lanczos3", "lanczos5", "gaussian", "box", "triangle", "keyscubic", "mitchellcubic")


def row(
    images: Any = IMAGES, size: Any = (5, 4), scale: Any = (0.7, 0.4), shift: Any = (0.5, -1), **more: Any
) -> Any:
    return case(NAME, images, i32(size), f32(scale), f32(shift), tol=2e-5, **more)


CASES = [
    *(
        row(scale=scale, kernel_type=kernel, antialias=antialias, size=size, grad=True)
        for kernel in KERNELS
        for antialias in (True, False)
        for scale, size in (((0.7, 0.4), (5, 4)), ((2.3, 1.0), (16, 9)))
    ),
    *(
        row((20 * IMAGES).astype(kind))
        for kind in (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float64, np.float16)
    ),
    row(rand(1, 6, 5, 1, dtype="bfloat16")),
    row(shift=(100, -3)),
    row(scale=(1e-3, 1e3)),
    row(IMAGES[:0]),
    *(
        case(GRADIENT, rand(2, 5, 4, 3), IMAGES, f32([0.7, 0.4]), f32([1, 2]), kernel_type=kernel, tol=2e-5)
        for kernel in KERNELS
    ),
    row(kernel_type="lanczos2", error="INVALID_ARGUMENT: Unrecognized kernel type"),
    row(scale=(0, 1), error="INVALID_ARGUMENT: greater than zero"),
    row(size=(0, 4), error="INVALID_ARGUMENT: positive"),
    row(size=(4,), error="INVALID_ARGUMENT: equal"),
    row(IMAGES[0], error="INVALID_ARGUMENT: rank 4"),
    row(IMAGES[:, :0], error="INVALID_ARGUMENT: pixels"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
