"""Average pooling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ...harness import Case, case, i32, rand, run_tfg, table_tests

_PADDINGS = ("SAME", "VALID")


def _attrs(size: tuple[int, int], stride: tuple[int, int], padding: str = "SAME") -> dict[str, Any]:
    return {"ksize": [1, *size, 1], "strides": [1, *stride, 1], "padding": padding}


def _bad(op: str, *inputs: Any, **attrs: Any) -> Case:
    return case(op, *(inputs or (rand(1, 4, 4, 2),)), **{**_attrs((2, 2), (2, 2)), **attrs})


_WINDOWS = (
    ((2, 2), (2, 2)),
    ((3, 3), (2, 2)),
    ((3, 2), (1, 1)),
    ((1, 1), (2, 2)),
    ((2, 3), (3, 1)),
    ((5, 5), (5, 5)),
)


_ONES_3D = [1, 1, 1, 1, 1]

CASES = [
    *[
        case("AvgPool", rand(2, 6, 5, 3), **_attrs(size, stride, padding), tol=1e-5, grad=True)
        for size, stride in _WINDOWS
        for padding in _PADDINGS
    ],
    *[
        case("AvgPool", rand(1, 5, 5, 2, dtype=t), **_attrs((3, 2), (2, 1)), grad=True, tol=tol)
        for t, tol in (("double", 1e-12), ("half", 4e-3), ("bfloat16", 3e-2))
    ],
    case("AvgPool", rand(0, 4, 4, 2), **_attrs((2, 2), (2, 2))),
    case("AvgPool", rand(1, 3, 3, 2), **_attrs((9, 9), (1, 1)), grad=True, tol=1e-5),
    *[
        _bad("AvgPool", **attrs, error=error)
        for attrs, error in (
            ({"ksize": [1, 0, 2, 1]}, "INVALID_ARGUMENT: ksize must be positive"),
            ({"strides": [1, 0, 2, 1]}, "INVALID_ARGUMENT: strides must be positive"),
            ({"ksize": [2, 2, 2, 1]}, "UNIMPLEMENTED: is not implemented"),
            ({"ksize": [1, 2, 2]}, "INVALID_ARGUMENT: less than the minimum"),
            ({"ksize": [1, 5, 2, 1], "padding": "VALID"}, "INVALID_ARGUMENT: does not fit"),
        )
    ],
    _bad("AvgPool", rand(4, 4, 2), error="INVALID_ARGUMENT: 'value' must be of rank"),
    case("AvgPoolGrad", i32([2, 5, 5, 2]), rand(2, 3, 3, 2), **_attrs((2, 2), (2, 2)), grad=True, tol=1e-5),
    case(
        "AvgPoolGrad",
        i32([2, 5, 5, 2]),
        rand(2, 2, 2, 2),
        **_attrs((2, 3), (2, 2), "VALID"),
        grad=True,
        tol=1e-5,
    ),
    case("AvgPoolGrad", i32([0, 5, 5, 2]), rand(0, 3, 3, 2), **_attrs((2, 2), (2, 2))),
    case(
        "AvgPoolGrad",
        i32([2, 5, 5]),
        rand(2, 3, 3, 2),
        **_attrs((2, 2), (2, 2)),
        error="INVALID_ARGUMENT: orig_input_shape must have 4 elements",
    ),
    *[
        case(
            "AvgPool3D",
            rand(1, 4, 5, 6, 2),
            ksize=[1, *size, 1],
            strides=[1, *stride, 1],
            padding=padding,
            grad=True,
            tol=1e-5,
        )
        for size, stride in (((2, 2, 2), (2, 2, 2)), ((2, 3, 3), (1, 2, 1)))
        for padding in _PADDINGS
    ],
    *[
        case(
            "AvgPool3D",
            rand(1, 4, 5, 6, 2, dtype=t),
            ksize=[1, 2, 2, 2, 1],
            strides=_ONES_3D,
            padding="SAME",
            tol=tol,
        )
        for t, tol in (("bfloat16", 3e-2),)
    ],
    case(
        "AvgPool3DGrad",
        i32([1, 4, 4, 4, 2]),
        rand(1, 2, 2, 2, 2),
        ksize=[1, 3, 3, 3, 1],
        strides=[1, 2, 2, 2, 1],
        padding="SAME",
        grad=True,
        tol=1e-5,
    ),
    case(
        "AvgPool3D",
        rand(1, 4, 4, 4, 2),
        ksize=[1, 5, 2, 2, 1],
        strides=_ONES_3D,
        padding="VALID",
        error="INVALID_ARGUMENT: does not fit",
    ),
    case(
        "AvgPool3D",
        rand(4, 4, 4, 2),
        ksize=[1, 2, 2, 2, 1],
        strides=_ONES_3D,
        padding="VALID",
        error="INVALID_ARGUMENT: 'input' must be of rank",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


@pytest.mark.parametrize("padding", _PADDINGS)
def test_channels_first_is_the_transpose(padding: str) -> None:
    """TensorFlow's CPU has most poolings in channels-last order only."""
    x = rand(2, 5, 6, 3)
    last = run_tfg(case("AvgPool", x, ksize=[1, 3, 2, 1], strides=[1, 2, 1, 1], padding=padding))[0]
    attrs = {"ksize": [1, 1, 3, 2], "strides": [1, 1, 2, 1], "padding": padding, "data_format": "NCHW"}
    first = run_tfg(case("AvgPool", x.transpose(0, 3, 1, 2).copy(), **attrs))[0]
    np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), last)
