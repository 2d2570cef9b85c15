"""Dilation."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, rand, table_tests

_ONES = [1, 1, 1, 1]

CASES = [
    *[
        case(
            "Dilation2D",
            rand(2, 5, 6, 3),
            rand(*k, 3),
            strides=[1, *s, 1],
            rates=[1, *r, 1],
            padding=p,
            grad=True,
        )
        for k in ((2, 2), (3, 1), (3, 3))
        for s, r in (((1, 1), (1, 1)), ((2, 2), (1, 1)), ((1, 2), (2, 1)))
        for p in ("SAME", "VALID")
    ],
    case(
        "Dilation2D",
        np.zeros((1, 3, 3, 1), np.float32),
        np.zeros((2, 2, 1), np.float32),
        strides=_ONES,
        rates=_ONES,
        padding="SAME",
        grad=True,
    ),
    *[
        case(
            "Dilation2D",
            cast(t, np.arange(18).reshape(1, 3, 3, 2)),
            cast(t, np.ones((2, 2, 2))),
            strides=_ONES,
            rates=_ONES,
            padding="SAME",
        )
        for t in ("double", "half", "int32", "uint8", "int64")
    ],
    case(
        "Dilation2D",
        rand(1, 3, 3, 2),
        rand(2, 2, 3),
        strides=_ONES,
        rates=_ONES,
        padding="SAME",
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
    case(
        "Dilation2D",
        rand(3, 3, 2),
        rand(2, 2, 2),
        strides=_ONES,
        rates=_ONES,
        padding="SAME",
        error="INVALID_ARGUMENT: 'input' must be of rank",
    ),
    case("Dilation2D", rand(1, 3, 3, 2), rand(4, 4, 2), strides=_ONES, rates=_ONES, padding="VALID"),
    case(
        "Dilation2D",
        rand(1, 3, 3, 2),
        rand(2, 2, 2),
        strides=[2, 1, 1, 1],
        rates=_ONES,
        padding="SAME",
        error="UNIMPLEMENTED: strides must be 1 for batch and channels",
    ),
    case(
        "Dilation2D",
        rand(1, 3, 3, 2),
        rand(2, 2, 2),
        strides=[1, 0, 1, 1],
        rates=_ONES,
        padding="SAME",
        error="INVALID_ARGUMENT: strides must be positive",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
