"""Convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tfg.graphfmt.errors import TfgError

from ...harness import Case, case, i32, i64, rand, run_tfg, table_tests

_ONES = [1, 1, 1, 1]
_FLOATS = ("float", "double", "half", "bfloat16")
_TOL = 1e-5


def _conv(
    x: Any,
    w: Any,
    stride: int = 1,
    dilation: int = 1,
    padding: str = "SAME",
    tol: float = _TOL,
    grad: bool = True,
    **attrs: Any,
) -> Case:
    return case(
        "Conv2D", x, w, strides=[1, stride, stride, 1], dilations=[1, dilation, dilation, 1],
        padding=padding, tol=tol, grad=grad and "error" not in attrs, **attrs,
    )  # fmt: skip


def _error(x: Any = None, w: Any = None, **attrs: Any) -> Case:
    x = rand(1, 4, 4, 2) if x is None else x
    w = rand(2, 2, 2, 3) if w is None else w
    return case("Conv2D", x, w, **{"strides": _ONES, "padding": "SAME", **attrs})


def _input(sizes: Any, w: Any, dy: Any, **attrs: Any) -> Case:
    grad = attrs.pop("grad", "error" not in attrs)
    attrs = {"strides": _ONES, "padding": "SAME", **attrs}
    return case("Conv2DBackpropInput", i32(sizes), w, dy, tol=_TOL, grad=grad, **attrs)


def _filter(x: Any, sizes: Any, dy: Any, **attrs: Any) -> Case:
    grad = attrs.pop("grad", "error" not in attrs)
    attrs = {"strides": _ONES, "padding": "SAME", **attrs}
    return case("Conv2DBackpropFilter", x, i32(sizes), dy, tol=_TOL, grad=grad, **attrs)


def _conv3(
    x: Any,
    w: Any,
    strides: Any = (1, 1, 1),
    dilations: Any = (1, 1, 1),
    padding: str = "SAME",
    grad: bool = True,
    error: str | None = None,
) -> Case:
    return case(
        "Conv3D",
        x,
        w,
        strides=[1, *strides, 1],
        dilations=[1, *dilations, 1],
        padding=padding,
        tol=_TOL,
        grad=grad and error is None,
        error=error,
    )


CASES = [
    *[
        _conv(rand(2, 6, 5, 3), rand(*k, 3, 4), stride, padding=padding)
        for k in ((1, 1), (2, 2), (3, 2), (3, 3), (5, 5))
        for stride in (1, 2, 3)
        for padding in ("SAME", "VALID")
    ],
    *[
        _conv(rand(1, 7, 8, 2), rand(3, 2, 2, 3), dilation=d, padding=p)
        for d in (2, 3)
        for p in ("SAME", "VALID")
    ],
    *[
        _conv(rand(1, 5, 5, 2, dtype=t), rand(2, 3, 2, 3, dtype=t), padding="SAME", tol=tol)
        for t, tol in (("double", 1e-12), ("half", 4e-3), ("bfloat16", 3e-2))
    ],
    _conv(np.arange(50, dtype=np.int32).reshape(1, 5, 5, 2), i32(np.ones((2, 2, 2, 3))), grad=False),
    *[
        _conv(rand(2, 5, 6, 2), rand(3, 3, 2, 4), stride, padding="EXPLICIT", explicit_paddings=pads)
        for stride in (1, 2)
        for pads in ([0, 0, 1, 2, 0, 3, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 4, 4, 5, 3, 0, 0])
    ],
    _conv(rand(2, 4, 4, 6), rand(3, 3, 2, 9), grad=False),
    _conv(rand(2, 4, 4, 4), rand(1, 1, 2, 6), grad=False),
    _conv(
        rand(1, 2, 2, 1),
        rand(3, 3, 1, 1),
        stride=2,
        padding="VALID",
        grad=False,
        error="INVALID_ARGUMENT: does not fit",
    ),
    _conv(rand(1, 1, 1, 1), rand(4, 4, 1, 1), padding="VALID", error="INVALID_ARGUMENT: does not fit"),
    _conv(rand(1, 1, 1, 1), rand(7, 7, 1, 1)),
    _conv(rand(1, 3, 3, 1), rand(3, 3, 1, 1), stride=5),
    _error(rand(1, 4, 4, 3), error="INVALID_ARGUMENT: must be a multiple of"),
    _error(rand(1, 4, 4, 0), error="INVALID_ARGUMENT: must be a multiple of"),
    *(
        _error(
            rand(1, 4, 4, 2),
            np.zeros(shape, np.float32),
            error="INVALID_ARGUMENT: must not have zero elements",
        )
        for shape in ((0, 2, 2, 3), (2, 0, 2, 3), (2, 2, 2, 0), (0, 0, 2, 3))
    ),
    case(
        "Conv2DBackpropFilter",
        rand(1, 5, 5, 2),
        i32([0, 3, 2, 4]),
        rand(1, 5, 5, 4),
        strides=[1] * 4,
        padding="SAME",
    ),
    case(
        "Conv2DBackpropInput",
        i32([1, 5, 5, 2]),
        rand(0, 3, 2, 4),
        rand(1, 5, 5, 4),
        strides=[1] * 4,
        padding="SAME",
    ),
    case(
        "Conv3D",
        rand(1, 3, 3, 3, 2),
        rand(1, 0, 1, 2, 4),
        strides=[1] * 5,
        padding="SAME",
        error="INVALID_ARGUMENT: must not have zero elements",
    ),
    _error(rand(1, 4, 4, 2), rand(2, 2, 0, 3), error="INVALID_ARGUMENT: depth must not be 0"),
    _error(rand(1, 4, 4, 4), rand(2, 2, 2, 3), error="INVALID_ARGUMENT: must be a multiple of"),
    _error(rand(4, 4, 2), error="INVALID_ARGUMENT: 'input' must be of rank"),
    _error(w=rand(2, 2, 6), error="INVALID_ARGUMENT: 'filter' must be of rank"),
    _error(rand(1, 1, 4, 4, 2), error="INVALID_ARGUMENT: 'input' must be of rank"),
    _error(strides=[1, 0, 1, 1], error="INVALID_ARGUMENT: strides must be positive"),
    _error(strides=[1, -1, 1, 1], error="INVALID_ARGUMENT: strides must be positive"),
    _error(strides=[2, 1, 1, 1], error="UNIMPLEMENTED: strides must be 1 for batch and channels"),
    _error(strides=[1, 1, 1, 2], error="UNIMPLEMENTED: strides must be 1 for batch and channels"),
    _error(strides=[1, 1, 1], error="INVALID_ARGUMENT: strides must have 4 elements"),
    _error(strides=[1, 1, 1, 1, 1], error="INVALID_ARGUMENT: strides must have 4 elements"),
    _error(dilations=[1, 0, 1, 1], error="INVALID_ARGUMENT: dilations must be positive"),
    _error(dilations=[2, 1, 1, 1], error="INVALID_ARGUMENT: dilations must be 1 for batch and channels"),
    _error(dilations=[1, 1, 1, 2], error="INVALID_ARGUMENT: dilations must be 1 for batch and channels"),
    _error(dilations=[1, 1, 1], error="INVALID_ARGUMENT: dilations must have 4 elements"),
    _error(explicit_paddings=[0, 0, 1, 1, 1, 1, 0, 0], error="INVALID_ARGUMENT: unless padding"),
    _error(padding="EXPLICIT", error="INVALID_ARGUMENT: explicit_paddings must have 8 elements"),
    _error(
        padding="EXPLICIT",
        explicit_paddings=[0, 0, 1, 1, 1, 1],
        error="INVALID_ARGUMENT: explicit_paddings must have 8 elements",
    ),
    _error(
        padding="EXPLICIT",
        explicit_paddings=[0, 0, -1, 1, 1, 1, 0, 0],
        error="INVALID_ARGUMENT: explicit_paddings must not be negative",
    ),
    _error(
        padding="EXPLICIT",
        explicit_paddings=[1, 0, 1, 1, 1, 1, 0, 0],
        error="INVALID_ARGUMENT: explicit_paddings must be",
    ),
    _error(
        padding="EXPLICIT",
        explicit_paddings=[0, 0, 1, 1, 1, 1, 0, 1],
        error="INVALID_ARGUMENT: explicit_paddings must be",
    ),
    _input([2, 5, 5, 3], rand(3, 3, 3, 4), rand(2, 5, 5, 4)),
    _input([5, 5], rand(3, 3, 3, 4), rand(2, 5, 5, 4), grad=False),
    _input([2, 5, 5, 3], rand(3, 3, 3, 4), rand(2, 3, 3, 4), padding="VALID"),
    _input([2, 5, 6, 3], rand(3, 3, 3, 4), rand(2, 3, 3, 4), strides=[1, 2, 2, 1]),
    _input([2, 7, 7, 3], rand(3, 3, 3, 4), rand(2, 3, 3, 4), dilations=[1, 2, 2, 1], padding="VALID"),
    _input(
        [2, 5, 5, 3],
        rand(3, 3, 3, 4),
        rand(2, 5, 5, 3),
        grad=False,
        error="INVALID_ARGUMENT: out_backprop has shape",
    ),
    _input(
        [2, 5, 5, 4],
        rand(3, 3, 3, 4),
        rand(2, 5, 5, 4),
        grad=False,
        error="INVALID_ARGUMENT: must be a multiple of",
    ),
    _input([2, 5, 5], rand(3, 3, 3, 4), rand(2, 5, 5, 4), grad=False, error="INVALID_ARGUMENT: input_sizes"),
    _filter(rand(2, 5, 5, 3), [3, 3, 3, 4], rand(2, 5, 5, 4)),
    _filter(rand(2, 5, 5, 3), [3, 3, 3, 4], rand(2, 3, 3, 4), padding="VALID"),
    _filter(rand(2, 5, 6, 3), [3, 3, 3, 4], rand(2, 3, 3, 4), strides=[1, 2, 2, 1]),
    _filter(
        rand(2, 5, 5, 3),
        [3, 3, 2, 4],
        rand(2, 5, 5, 4),
        grad=False,
        error="INVALID_ARGUMENT: must be a multiple of",
    ),
    _filter(
        rand(2, 5, 5, 3),
        [3, 3, 3],
        rand(2, 5, 5, 4),
        grad=False,
        error="INVALID_ARGUMENT: must be equal rank",
    ),
    _filter(
        rand(2, 5, 5, 3),
        [-3, 3, 3, 4],
        rand(2, 5, 5, 4),
        grad=False,
        error="INVALID_ARGUMENT: filter_sizes must be a vector",
    ),
    *[
        _conv3(rand(2, 4, 5, 6, 2), rand(2, 3, 2, 2, 3), strides, padding=padding)
        for strides in ((1, 1, 1), (2, 2, 2), (1, 2, 3))
        for padding in ("SAME", "VALID")
    ],
    _conv3(rand(2, 4, 5, 6, 2), rand(1, 1, 1, 2, 3)),
    _conv3(rand(1, 5, 5, 6, 2), rand(2, 2, 2, 2, 3), dilations=(2, 1, 2), padding="VALID", grad=False),
    *[_conv3(rand(1, 3, 3, 3, 2, dtype=t), rand(2, 2, 2, 2, 3, dtype=t)) for t in ("double",)],
    _conv3(rand(1, 4, 4, 4, 3), rand(2, 2, 2, 2, 3), error="INVALID_ARGUMENT: must be a multiple of"),
    _conv3(rand(1, 1, 1, 1, 2), rand(3, 3, 3, 2, 3), padding="VALID", error="INVALID_ARGUMENT: does not fit"),
    case(
        "Conv3D",
        rand(1, 2, 2, 2, 1),
        rand(1, 1, 1, 1, 1),
        strides=[1, 1, 1, 1, 2],
        padding="SAME",
        error="UNIMPLEMENTED: strides must be 1 for batch and channels",
    ),
    case(
        "Conv3D",
        rand(1, 2, 2, 2, 1),
        rand(1, 1, 1, 1, 1),
        strides=[1, 1, 1, 1],
        padding="SAME",
        error="INVALID_ARGUMENT: less than the minimum",
    ),
    *[
        case(
            "Conv3DBackpropInputV2",
            sizes,
            rand(2, 2, 2, 3, 4),
            rand(2, 2, 2, 2, 4),
            strides=[1, 2, 2, 2, 1],
            padding="SAME",
            tol=_TOL,
            grad=True,
        )
        for sizes in (i32([2, 4, 4, 3, 3]), i64([2, 4, 4, 4, 3]))
    ],
    case(
        "Conv3DBackpropFilterV2",
        rand(2, 4, 4, 3, 3),
        i32([2, 2, 2, 3, 4]),
        rand(2, 2, 2, 2, 4),
        strides=[1, 2, 2, 2, 1],
        padding="SAME",
        tol=_TOL,
        grad=True,
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_first_versions_take_a_tensor_of_the_shape() -> None:
    x, w, dy = rand(2, 4, 4, 3, 3), rand(2, 2, 2, 3, 4), rand(2, 2, 2, 2, 4)
    attrs = {"strides": [1, 2, 2, 2, 1], "padding": "SAME"}
    for name, like, first, second in (
        ("Conv3DBackpropInput", x, (x, w, dy), (i32(x.shape), w, dy)),
        ("Conv3DBackpropFilter", w, (x, w, dy), (x, i32(w.shape), dy)),
    ):
        old, new = run_tfg(case(name, *first, **attrs)), run_tfg(case(name + "V2", *second, **attrs))
        assert old[0].shape == like.shape
        np.testing.assert_array_equal(old[0], new[0])


@pytest.mark.parametrize(
    "row",
    [
        _input([2, 5, 5, 3], rand(3, 3, 3, 4), rand(1, 5, 5, 4)),
        _input([2, 5, 5, 3], rand(3, 3, 3, 4), rand(2, 4, 5, 4)),
        _input([2, -5, 5, 3], rand(3, 3, 3, 4), rand(2, 5, 5, 4)),
        _input([2, 1000000, 1000000, 3], rand(3, 3, 3, 4), rand(2, 5, 5, 4)),
        _filter(rand(2, 5, 5, 3), [3, 3, 3, 4], rand(1, 5, 5, 4)),
        _filter(rand(2, 5, 5, 3), [3, 3, 3, 4], rand(2, 5, 5, 5)),
    ],
    ids=str,
)
def test_sizes_must_fit_the_gradient(row: Case) -> None:
    """TensorFlow with oneDNN aborts the step or the process here."""
    with pytest.raises(TfgError) as caught:
        run_tfg(row)
    assert caught.value.status == "INVALID_ARGUMENT"


@pytest.mark.parametrize("layout", ["NCHW"])
def test_channels_first_is_the_transpose(layout: str) -> None:
    """TensorFlow's CPU computes some of these in channels-last order only."""
    x, w = rand(2, 5, 6, 3), rand(3, 2, 3, 4)
    for attrs in (
        {"padding": "SAME"},
        {"padding": "VALID"},
        {"padding": "EXPLICIT", "explicit_paddings": [0, 0, 1, 2, 0, 1, 0, 0]},
    ):
        last = run_tfg(case("Conv2D", x, w, strides=[1, 2, 1, 1], **attrs))[0]
        if "explicit_paddings" in attrs:
            attrs["explicit_paddings"] = [0, 0, 0, 0, 1, 2, 0, 1]
        first = run_tfg(
            case(
                "Conv2D", x.transpose(0, 3, 1, 2).copy(), w, strides=[1, 1, 2, 1], data_format=layout, **attrs
            )
        )[0]
        np.testing.assert_allclose(first.transpose(0, 2, 3, 1), last, rtol=1e-5)


def test_padding_costs_no_memory() -> None:
    """A window that is almost all padding is computed from the few elements there are."""
    huge = [0, 0, 500_000_000, 500_000_000, 500_000_000, 500_000_000, 0, 0]
    row = case(
        "Conv2D", rand(1, 3, 3, 2), rand(1, 1, 2, 3), strides=[1, 500_000_001, 500_000_001, 1],
        padding="EXPLICIT",
        explicit_paddings=huge,
    )  # fmt: skip
    (value,) = run_tfg(row)
    assert value.shape == (1, 2, 2, 3) or value.shape[0] == 1


def test_empty_batches() -> None:
    """TensorFlow with oneDNN gives these a wrong number of channels."""
    x, w = rand(0, 5, 4, 2), rand(3, 3, 2, 3)
    attrs = {"strides": _ONES, "padding": "SAME"}
    assert run_tfg(case("Conv2D", x, w, **attrs))[0].shape == (0, 5, 4, 3)
    assert run_tfg(case("Conv2D", rand(1, 0, 4, 2), w, **attrs))[0].shape == (1, 0, 4, 3)
    dy = rand(0, 5, 4, 3)
    assert run_tfg(case("Conv2DBackpropInput", i32(x.shape), w, dy, **attrs))[0].shape == x.shape
    dw = run_tfg(case("Conv2DBackpropFilter", x, i32(w.shape), dy, **attrs))[0]
    np.testing.assert_array_equal(dw, np.zeros(w.shape))
