"""Convolutions of any rank, and those of resized or padded images."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import Case, case, i32, rand, run_tfg, table_tests


def _padded(x: Any, paddings: Any, w: Any, **attrs: Any) -> Case:
    attrs = {"mode": "REFLECT", "strides": [1, 1, 1, 1], "padding": "VALID", "tol": 1e-5, **attrs}
    return case("FusedPadConv2D", x, i32(paddings), w, **attrs)


_X, _W = rand(1, 4, 5, 2), rand(3, 2, 2, 3)
_AROUND = [[0, 0], [1, 2], [2, 1], [0, 0]]

CASES = [
    _padded(_X, _AROUND, _W),
    _padded(_X, _AROUND, _W, mode="SYMMETRIC", strides=[1, 2, 2, 1], padding="SAME"),
    _padded(_X, [[0, 0], [5, 0], [0, 0], [0, 0]], _W, error="INVALID_ARGUMENT: mirrored paddings"),
    _padded(_X, [[0, 0], [0, 0], [0, 0]], _W, error="INVALID_ARGUMENT: Dimensions must be equal"),
    *[
        case(
            "FusedResizeAndPadConv2D",
            _X,
            i32([6, 7]),
            i32(_AROUND),
            _W,
            resize_align_corners=corners,
            mode="REFLECT",
            strides=[1, 1, 1, 1],
            padding="VALID",
            tol=1e-5,
        )
        for corners in (True, False)
    ],
    case("Conv", rand(2, 5, 6, 2), rand(3, 2, 2, 3), strides=[1, 2, 1, 1], padding="SAME", tol=1e-5),
    case("Conv", rand(2, 5, 6, 2), rand(3, 2, 2, 3), strides=[1, 1, 1, 1], padding="VALID", tol=1e-5),
    case("Conv", rand(2, 5, 4, 6, 2), rand(3, 2, 2, 2, 3), strides=[1, 1, 1, 1, 1], padding="SAME", tol=1e-5),
    case(
        "Conv",
        rand(2, 5, 6, 3),
        rand(3, 2, 2, 3),
        strides=[1, 1, 1, 1],
        padding="VALID",
        error="INVALID_ARGUMENT: must be a multiple of",
    ),
    case(
        "Conv",
        rand(2, 5, 6, 2),
        rand(3, 2, 2, 3),
        strides=[1, 1, 1],
        padding="VALID",
        error="INVALID_ARGUMENT: strides must have 4 elements",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_several_batch_dimensions() -> None:
    x, w = rand(2, 3, 5, 6, 2), rand(3, 2, 2, 3)
    attrs = {"strides": [1, 1, 1, 1], "padding": "SAME"}
    (y,) = run_tfg(case("Conv", x, w, batch_dims=2, **attrs))
    (flat,) = run_tfg(case("Conv2D", x.reshape(6, 5, 6, 2), w, **attrs))
    np.testing.assert_array_equal(y, flat.reshape(2, 3, 5, 6, 3))
