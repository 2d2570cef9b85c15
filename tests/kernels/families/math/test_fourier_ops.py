"""Fourier transforms over the last one, two or three dimensions."""

from __future__ import annotations

from typing import Any

from ...harness import Case, case, cast, i32, rand, table_tests


def waves(*shape: int, dtype: str = "complex64") -> Any:
    return cast(dtype, rand(*shape, dtype="double") + 1j * rand(*shape, seed=9, dtype="double"))


COMPLEX: list[Case] = []
for _suffix, _rank in (("", 1), ("2D", 2), ("3D", 3)):
    for _name in (f"FFT{_suffix}", f"IFFT{_suffix}"):
        COMPLEX += [
            case(_name, waves(2, 3, 4, 5), grad=True, tol=1e-5),
            case(_name, waves(*(3, 4, 5)[:_rank], dtype="complex128"), grad=True, tol=1e-11),
            case(_name, waves(*(1,) * _rank), tol=1e-5),
            case(_name, waves(2, 0, 3, 4)),
            case(_name, waves(2, 3, 4, 0)),
            case(_name, waves(*(7,) * (_rank - 1)), error="INVALID_ARGUMENT: 'input' must be of rank"),
        ]

REAL: list[Case] = []
for _suffix, _rank in (("", 1), ("2D", 2), ("3D", 3)):
    _forward, _back = f"RFFT{_suffix}", f"IRFFT{_suffix}"
    # The gradients of the three-dimensional ones are not TensorFlow's to give.
    _grad = _rank < 3
    REAL += [
        case(_forward, rand(2, 3, 4, 6), i32([3, 4, 6][-_rank:]), grad=_grad, tol=2e-5),
        case(_forward, rand(2, 3, 4, 5), i32([3, 4, 5][-_rank:]), grad=_grad, tol=2e-5),
        case(_forward, rand(2, 3, 4, 6), i32([2, 3, 4][-_rank:]), tol=1e-5),
        case(
            _forward, rand(3, 4, 6, dtype="double"), i32([3, 4, 6][-_rank:]), Tcomplex="complex128", tol=1e-11
        ),
        case(
            _forward, rand(2, 3, 4, 6), i32([3, 4, 7][-_rank:]), error="INVALID_ARGUMENT: more for fft_length"
        ),
        case(
            _forward,
            rand(2, 3, 4, 6),
            i32([-1] * _rank),
            error="INVALID_ARGUMENT: fft_length must not be negative",
        ),
        case(
            _forward,
            rand(2, 3, 4, 6),
            i32([1] * (_rank + 1)),
            error="INVALID_ARGUMENT: Dimensions must be equal",
        ),
        case(_forward, rand(0, 3, 4, 6), i32([3, 4, 6][-_rank:])),
        case(
            _forward,
            rand(*(7,) * (_rank - 1)),
            i32([1] * _rank),
            error="INVALID_ARGUMENT: 'input' must be of rank",
        ),
        case(_back, waves(2, 3, 4, 4), i32([3, 4, 6][-_rank:]), grad=_grad, tol=2e-5),
        case(_back, waves(2, 3, 4, 3), i32([3, 4, 5][-_rank:]), grad=_grad, tol=2e-5),
        case(_back, waves(2, 3, 4, 4), i32([2, 3, 4][-_rank:]), tol=1e-5),
        case(_back, waves(3, 4, 4, dtype="complex128"), i32([3, 4, 6][-_rank:]), Treal="double", tol=1e-11),
        case(
            _back, waves(2, 3, 4, 4), i32([3, 4, 8][-_rank:]), error="INVALID_ARGUMENT: more for fft_length"
        ),
        case(_back, waves(0, 3, 4, 4), i32([3, 4, 6][-_rank:])),
        case(
            _back,
            waves(2, 3, 4, 4),
            i32([-2] * _rank),
            error="INVALID_ARGUMENT: fft_length must not be negative",
        ),
    ]

CASES = COMPLEX + REAL

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
