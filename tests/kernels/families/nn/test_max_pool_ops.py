"""Max pooling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ...harness import Case, case, cast, f32, i32, i64, rand, run_tfg, table_tests

_PADDINGS = ("SAME", "VALID")


def _attrs(size: tuple[int, int], stride: tuple[int, int], padding: str = "SAME") -> dict[str, Any]:
    return {"ksize": [1, *size, 1], "strides": [1, *stride, 1], "padding": padding}


def _bad(op: str = "MaxPool", *inputs: Any, **attrs: Any) -> Case:
    return case(op, *(inputs or (rand(1, 4, 4, 2),)), **{**_attrs((2, 2), (2, 2)), **attrs})


def _max_grad(
    x: Any, size: tuple[int, int], stride: tuple[int, int], padding: str, op: str = "MaxPoolGrad"
) -> Case:
    attrs = _attrs(size, stride, padding)
    y = run_tfg(case("MaxPool", x, **attrs))[0]
    third = rand(*(x.shape if op == "MaxPoolGradGrad" else y.shape), seed=3).astype(x.dtype)
    # Where shapes are equal, TensorFlow's second gradient overwrites what it still has to read.
    return case(op, x, y, third, grad=x.dtype == np.float32 and x.shape != y.shape, **attrs)


_WINDOWS = (
    ((2, 2), (2, 2)),
    ((3, 3), (2, 2)),
    ((3, 2), (1, 1)),
    ((1, 1), (2, 2)),
    ((2, 3), (3, 1)),
    ((5, 5), (5, 5)),
)


_TIES = np.random.RandomState(0).randint(0, 3, (2, 6, 5, 2)).astype(np.float32)


_RAMP = f32(np.arange(32).reshape(1, 4, 4, 2))


_RAMP_3D = f32(np.arange(64).reshape(1, 4, 4, 4, 1))


# Values of which many are equal.
_TIES_3D = f32(np.arange(54).reshape(1, 3, 3, 3, 2) % 5 < 3)
_ONES_3D = [1, 1, 1, 1, 1]

CASES = [
    *[
        case("MaxPool", rand(2, 6, 5, 3), **_attrs(size, stride, padding), tol=1e-5, grad=True)
        for size, stride in _WINDOWS
        for padding in _PADDINGS
    ],
    *[
        case("MaxPool", cast(t, np.arange(50).reshape(1, 5, 5, 2) % 7), **_attrs((3, 2), (2, 1)))
        for t in ("double", "half", "bfloat16", "int32", "int64", "uint8", "int16", "int8", "uint16")
    ],
    case("MaxPool", _TIES, **_attrs((3, 3), (1, 1)), grad=True),
    case("MaxPool", rand(0, 4, 4, 2), **_attrs((2, 2), (2, 2))),
    case("MaxPool", rand(1, 4, 4, 0), **_attrs((2, 2), (2, 2))),
    case("MaxPool", rand(1, 3, 3, 2), **_attrs((9, 9), (1, 1)), grad=True),
    case("MaxPool", rand(1, 2, 2, 6), ksize=[1, 1, 1, 3], strides=[1, 1, 1, 3], padding="SAME"),
    case(
        "MaxPool",
        rand(1, 2, 2, 6),
        ksize=[1, 1, 1, 4],
        strides=[1, 1, 1, 4],
        padding="SAME",
        error="UNIMPLEMENTED: window over",
    ),
    case(
        "MaxPool",
        rand(1, 2, 2, 6),
        ksize=[1, 1, 1, 3],
        strides=[1, 1, 1, 2],
        padding="SAME",
        error="UNIMPLEMENTED: window over",
    ),
    case(
        "MaxPool",
        rand(1, 2, 2, 6),
        ksize=[1, 2, 1, 3],
        strides=[1, 1, 1, 3],
        padding="SAME",
        error="UNIMPLEMENTED: is not implemented",
    ),
    *[
        case(
            "MaxPool",
            rand(1, 5, 5, 2),
            ksize=[1, 3, 3, 1],
            strides=[1, 2, 2, 1],
            padding="EXPLICIT",
            explicit_paddings=pads,
            grad=True,
        )
        for pads in ([0, 0, 1, 2, 2, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0])
    ],
    _bad(ksize=[1, 0, 2, 1], error="INVALID_ARGUMENT: ksize must be positive"),
    *(
        _bad(padding="EXPLICIT", explicit_paddings=pads, error="INVALID_ARGUMENT: smaller than the window")
        for pads in ([0, 0, 2, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 3, 0, 0])
    ),
    _bad(ksize=[1, -2, 2, 1], error="INVALID_ARGUMENT: ksize must be positive"),
    _bad(strides=[1, 0, 2, 1], error="INVALID_ARGUMENT: strides must be positive"),
    _bad(strides=[1, -1, 2, 1], error="INVALID_ARGUMENT: strides must be positive"),
    _bad(ksize=[2, 2, 2, 1], error="UNIMPLEMENTED: is not implemented"),
    _bad(strides=[2, 2, 2, 1], error="UNIMPLEMENTED: is not implemented"),
    _bad(ksize=[1, 2, 2], error="INVALID_ARGUMENT: less than the minimum"),
    _bad(strides=[1, 2, 2], error="INVALID_ARGUMENT: less than the minimum"),
    _bad(ksize=[1, 2, 2, 1, 1], error="INVALID_ARGUMENT: ksize must have 4 elements"),
    _bad(ksize=[1, 5, 2, 1], padding="VALID", error="INVALID_ARGUMENT: does not fit"),
    _bad("MaxPool", rand(4, 4, 2), error="INVALID_ARGUMENT: 'input' must be of rank"),
    _bad("MaxPool", rand(1, 1, 4, 4, 2), error="INVALID_ARGUMENT: 'input' must be of rank"),
    _bad(padding="EXPLICIT", error="INVALID_ARGUMENT: explicit_paddings must have 8 elements"),
    _bad(explicit_paddings=[0, 0, 1, 1, 1, 1, 0, 0], error="INVALID_ARGUMENT: unless padding"),
    _bad(
        padding="EXPLICIT",
        explicit_paddings=[0, 0, -1, 1, 1, 1, 0, 0],
        error="INVALID_ARGUMENT: explicit_paddings must not be negative",
    ),
    _bad(
        padding="EXPLICIT",
        explicit_paddings=[0, 0, 1, 1, 1, 1, 0, 1],
        error="INVALID_ARGUMENT: batch and channels",
    ),
    *[
        _max_grad(rand(2, 6, 5, 3), size, stride, padding, op)
        for op in ("MaxPoolGrad", "MaxPoolGradGrad")
        for size, stride in _WINDOWS[:4]
        for padding in _PADDINGS
    ],
    _max_grad(_TIES, (3, 3), (1, 1), "SAME"),
    _max_grad(_TIES.astype(np.int32), (3, 3), (2, 2), "SAME"),
    _max_grad(_TIES, (2, 2), (1, 1), "VALID", "MaxPoolGradGrad"),
    _bad(
        "MaxPoolGrad",
        rand(1, 4, 4, 2),
        rand(1, 2, 2, 2),
        rand(1, 2, 3, 2),
        error="INVALID_ARGUMENT: grad has shape",
    ),
    _bad(
        "MaxPoolGrad",
        rand(1, 4, 4, 2),
        rand(1, 3, 2, 2),
        rand(1, 2, 2, 2),
        error="INVALID_ARGUMENT: orig_output has shape",
    ),
    _bad(
        "MaxPoolGrad",
        rand(4, 4, 2),
        rand(1, 3, 2, 2),
        rand(1, 2, 2, 2),
        error="INVALID_ARGUMENT: 'orig_input' must be of rank",
    ),
    case("MaxPoolV2", rand(1, 5, 5, 2), i32([1, 3, 3, 1]), i32([1, 2, 2, 1]), padding="SAME", grad=True),
    case("MaxPoolV2", rand(1, 5, 5, 2), i32([1, 3, 3, 1]), i32([1, 2, 2, 1]), padding="VALID", grad=True),
    case(
        "MaxPoolV2",
        rand(1, 5, 5, 2),
        i32([1, 3, 3]),
        i32([1, 2, 2, 1]),
        padding="VALID",
        error="INVALID_ARGUMENT: strides must have 4 elements",
    ),
    case(
        "MaxPoolV2",
        rand(1, 5, 5, 2),
        i32([1, 0, 3, 1]),
        i32([1, 2, 2, 1]),
        padding="VALID",
        error="INVALID_ARGUMENT: ksize must be positive",
    ),
    case(
        "MaxPoolGradV2",
        _RAMP,
        _RAMP[:, 1::2, 1::2],
        rand(1, 2, 2, 2),
        i32([1, 2, 2, 1]),
        i32([1, 2, 2, 1]),
        padding="SAME",
    ),
    case(
        "MaxPoolGradGradV2",
        _RAMP,
        _RAMP[:, 1::2, 1::2],
        rand(1, 4, 4, 2),
        i32([1, 2, 2, 1]),
        i32([1, 2, 2, 1]),
        padding="SAME",
    ),
    *[
        case(
            "MaxPoolWithArgmax",
            x,
            **_attrs(size, stride, padding),
            include_batch_in_index=batch,
            Targmax=t,
            grad=t == "int64",
        )
        for x in (rand(2, 6, 5, 3), _TIES)
        for size, stride in _WINDOWS[:3]
        for padding in _PADDINGS
        for batch, t in ((True, "int64"), (False, "int32"))
    ],
    case(
        "MaxPoolWithArgmax",
        rand(0, 4, 4, 2),
        **_attrs((2, 2), (2, 2)),
        error="INVALID_ARGUMENT: not be empty",
    ),
    case(
        "MaxPoolGradWithArgmax",
        rand(1, 4, 4, 1),
        rand(1, 2, 2, 1),
        i64([[[[0], [2]], [[8], [8]]]]),
        **_attrs((2, 2), (2, 2)),
    ),
    *[
        case(
            "MaxPool3D",
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
            "MaxPool3D",
            rand(1, 4, 5, 6, 2, dtype=t),
            ksize=[1, 2, 2, 2, 1],
            strides=_ONES_3D,
            padding="SAME",
            tol=tol,
        )
        for t, tol in (("bfloat16", 3e-2),)
    ],
    case(
        "MaxPool3DGrad",
        _RAMP_3D,
        _RAMP_3D[:, 1::2, 1::2, 1::2],
        rand(1, 2, 2, 2, 1),
        ksize=[1, 2, 2, 2, 1],
        strides=[1, 2, 2, 2, 1],
        padding="SAME",
        grad=True,
    ),
    # Of several equal maxima, each has the gradient of the window; in two dimensions the first alone. (TensorFlow
    # with oneDNN gives it to the first here too, where MaxPool3D and its gradient are in one graph.)
    *[
        case(
            "MaxPool3DGrad",
            _TIES_3D,
            f32(np.ones((1, 3, 3, 3, 2)) if padding == "SAME" else np.ones((1, 2, 2, 2, 2))),
            f32(
                np.arange(54).reshape(1, 3, 3, 3, 2)
                if padding == "SAME"
                else np.arange(16).reshape(1, 2, 2, 2, 2)
            ),
            ksize=[1, 2, 2, 2, 1],
            strides=_ONES_3D,
            padding=padding,
        )
        for padding in _PADDINGS
    ],
    case(
        "MaxPool3DGrad",
        f32(np.array([np.nan, 1, 1, 0]).reshape(1, 1, 1, 4, 1)),
        f32(np.array([np.nan, 1, 1]).reshape(1, 1, 1, 3, 1)),
        f32(np.array([1, 2, 4]).reshape(1, 1, 1, 3, 1)),
        ksize=[1, 1, 1, 2, 1],
        strides=_ONES_3D,
        padding="VALID",
    ),
    case(
        "MaxPool3DGradGrad",
        _RAMP_3D,
        _RAMP_3D[:, 1::2, 1::2, 1::2],
        rand(1, 4, 4, 4, 1),
        ksize=[1, 2, 2, 2, 1],
        strides=[1, 2, 2, 2, 1],
        padding="SAME",
        grad=True,
    ),
    case(
        "MaxPool3D",
        rand(1, 4, 4, 4, 2),
        ksize=[1, 2, 2, 2, 2],
        strides=_ONES_3D,
        padding="SAME",
        error="UNIMPLEMENTED: is not implemented",
    ),
    case(
        "MaxPool3D",
        rand(1, 4, 4, 4, 2),
        ksize=[1, 0, 2, 2, 1],
        strides=_ONES_3D,
        padding="SAME",
        error="INVALID_ARGUMENT: ksize must be positive",
    ),
    case(
        "MaxPool3D",
        rand(1, 4, 4, 4, 2),
        ksize=[2, 2, 2, 2, 1],
        strides=_ONES_3D,
        padding="SAME",
        error="UNIMPLEMENTED: is not implemented",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


@pytest.mark.parametrize("padding", _PADDINGS)
def test_channels_first_is_the_transpose(padding: str) -> None:
    """TensorFlow's CPU has most poolings in channels-last order only."""
    x = rand(2, 5, 6, 3)
    last = run_tfg(case("MaxPool", x, ksize=[1, 3, 2, 1], strides=[1, 2, 1, 1], padding=padding))[0]
    attrs = {"ksize": [1, 1, 3, 2], "strides": [1, 1, 2, 1], "padding": padding, "data_format": "NCHW"}
    first = run_tfg(case("MaxPool", x.transpose(0, 3, 1, 2).copy(), **attrs))[0]
    np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), last)


def test_gradient_of_windows_with_nan() -> None:
    """A window that begins with NaN gives its gradient to that element; NaN later on is passed over."""
    x = f32([[np.nan, 1, 2, 3], [1, 5, np.nan, 4]]).reshape(1, 2, 4, 1)
    y, dy = f32([[9, 9]]).reshape(1, 1, 2, 1), f32([[1, np.inf]]).reshape(1, 1, 2, 1)
    (dx,) = run_tfg(case("MaxPoolGrad", x, y, dy, **_attrs((2, 2), (2, 2))))
    np.testing.assert_array_equal(dx[0, :, :, 0], [[1, 0, 0, 0], [0, 0, 0, np.inf]])
