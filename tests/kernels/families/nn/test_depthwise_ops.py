"""Depthwise convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tfg.graphfmt.errors import TfgError

from ...harness import Case, case, i32, rand, run_tfg, table_tests

_NAME = "DepthwiseConv2dNative"


def _conv(x: Any, w: Any, stride: int = 1, dilation: int = 1, padding: str = "SAME", **attrs: Any) -> Case:
    tol, grad = attrs.pop("tol", 1e-5), attrs.pop("grad", True)
    return case(
        _NAME, x, w, strides=[1, stride, stride, 1], dilations=[1, dilation, dilation, 1], padding=padding,
        tol=tol, grad=grad, **attrs,
    )  # fmt: skip


def _bad(op: str, *inputs: Any, **attrs: Any) -> Case:
    return case(op, *inputs, **{"strides": [1, 1, 1, 1], "padding": "SAME", **attrs})


_X, _W = rand(2, 5, 6, 3), rand(3, 2, 3, 2)

CASES = [
    *[
        _conv(_X, rand(*k, 3, m), stride, padding=padding)
        for k in ((1, 1), (3, 3), (2, 3))
        for m in (1, 2)
        for stride in (1, 2)
        for padding in ("SAME", "VALID")
    ],
    *[
        _conv(rand(1, 7, 7, 2), rand(2, 2, 2, 1), dilation=2, padding=p, grad=False)
        for p in ("SAME", "VALID")
    ],
    _conv(_X, _W, padding="EXPLICIT", explicit_paddings=[0, 0, 1, 2, 0, 1, 0, 0]),
    _conv(rand(1, 4, 4, 2, dtype="double"), rand(2, 2, 2, 2, dtype="double"), tol=1e-12),
    _conv(rand(1, 4, 4, 2, dtype="half"), rand(2, 2, 2, 2, dtype="half"), tol=5e-3, grad=False),
    _conv(rand(1, 4, 4, 2, dtype="bfloat16"), rand(2, 2, 2, 2, dtype="bfloat16"), tol=3e-2, grad=False),
    _bad(_NAME, rand(1, 4, 4, 2), rand(0, 2, 2, 1), error="INVALID_ARGUMENT: must not have zero elements"),
    _bad(_NAME, rand(1, 4, 4, 2), rand(2, 2, 2, 0), error="INVALID_ARGUMENT: must not have zero elements"),
    _bad(_NAME, rand(1, 4, 4, 2), rand(2, 2, 3, 1), error="INVALID_ARGUMENT: Dimensions must be equal"),
    _bad(_NAME, rand(4, 4, 2), rand(2, 2, 2, 1), error="INVALID_ARGUMENT: 'input' must be of rank"),
    _bad(_NAME, rand(1, 4, 4, 2), rand(2, 2, 2), error="INVALID_ARGUMENT: 'filter' must be of rank"),
    _bad(_NAME, rand(1, 2, 2, 2), rand(3, 3, 2, 1), padding="VALID", error="INVALID_ARGUMENT: does not fit"),
    _bad(_NAME, _X, _W, strides=[1, 0, 0, 1], error="INVALID_ARGUMENT: strides must be positive"),
    _bad(
        _NAME, _X, _W, strides=[2, 1, 1, 1], error="UNIMPLEMENTED: strides must be 1 for batch and channels"
    ),
    _bad(_NAME, _X, _W, strides=[1, 1, 1], error="INVALID_ARGUMENT: strides must have 4 elements"),
    _bad(_NAME, _X, _W, dilations=[1, 0, 1, 1], error="INVALID_ARGUMENT: dilations must be positive"),
    _bad(
        _NAME,
        _X,
        _W,
        dilations=[2, 1, 1, 1],
        error="INVALID_ARGUMENT: dilations must be 1 for batch and channels",
    ),
    _bad(_NAME, _X, _W, padding="EXPLICIT", error="INVALID_ARGUMENT: explicit_paddings must have 8 elements"),
    _bad(
        _NAME + "BackpropInput",
        i32([2, 5, 6]),
        _W,
        rand(2, 5, 6, 6),
        error="INVALID_ARGUMENT: sizes must have 4 elements",
    ),
    _bad(
        _NAME + "BackpropFilter",
        _X,
        i32([3, 2, 3]),
        rand(2, 5, 6, 6),
        error="INVALID_ARGUMENT: sizes must have 4 elements",
    ),
    case(
        _NAME + "BackpropInput",
        i32([2, 5, 6, 3]),
        _W,
        rand(2, 5, 6, 6),
        strides=[1, 1, 1, 1],
        padding="SAME",
        tol=1e-5,
        grad=True,
    ),
    case(
        _NAME + "BackpropFilter",
        _X,
        i32([3, 2, 3, 2]),
        rand(2, 5, 6, 6),
        strides=[1, 1, 1, 1],
        padding="SAME",
        tol=1e-5,
        grad=True,
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_channels_first_is_the_transpose() -> None:
    attrs = {"strides": [1, 1, 1, 1], "padding": "SAME"}
    last = run_tfg(case(_NAME, _X, _W, **attrs))[0]
    first = run_tfg(case(_NAME, _X.transpose(0, 3, 1, 2).copy(), _W, data_format="NCHW", **attrs))[0]
    np.testing.assert_allclose(first.transpose(0, 2, 3, 1), last, rtol=1e-6)


def test_sizes_must_fit_the_gradient() -> None:
    """TensorFlow with oneDNN aborts the step here."""
    attrs = {"strides": [1, 1, 1, 1], "padding": "SAME"}
    for row in (
        case(_NAME + "BackpropInput", i32([2, 5, 6, 3]), _W, rand(2, 5, 5, 6), **attrs),
        case(_NAME + "BackpropFilter", _X, i32([3, 2, 3, 2]), rand(2, 5, 6, 5), **attrs),
    ):
        with pytest.raises(TfgError) as caught:
            run_tfg(row)
        assert caught.value.status == "INVALID_ARGUMENT"


def test_empty_batch() -> None:
    (y,) = run_tfg(case(_NAME, rand(0, 5, 6, 3), _W, strides=[1, 1, 1, 1], padding="SAME"))
    assert y.shape == (0, 5, 6, 6)
