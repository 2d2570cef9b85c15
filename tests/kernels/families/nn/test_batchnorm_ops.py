"""Fused batch normalization."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import Case, case, f32, rand, run_tfg, table_tests

_NAMES = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")


_SCALE, _OFFSET, _MEAN, _VARIANCE = (rand(3, seed=i, low=0.5) for i in range(4))


_NONE = f32([])


def _norm(name: str, x: Any, *stats: Any, tol: float = 1e-5, **attrs: Any) -> Case:
    # Reserves mean something in training alone, and the third nothing on a CPU.
    unset = (5,) if attrs.get("is_training", True) else (3, 4, 5)
    return case(name, x, _SCALE, _OFFSET, *(stats or (_MEAN, _VARIANCE)), tol=tol, unset=unset, **attrs)


def _grad(name: str, x: Any, *, tol: float = 1e-5, grad: bool = True, **attrs: Any) -> Case:
    third = (f32(0),) if name.endswith("V3") else ()
    mean = x.astype(np.float32).mean(axis=(0, 1, 2))
    variance = x.astype(np.float32).var(axis=(0, 1, 2))
    dy = rand(*x.shape, seed=5).astype(x.dtype)
    return case(name, dy, x, _SCALE, mean, variance, *third, tol=tol, grad=grad, unset=(3, 4), **attrs)


CASES = [
    *[
        _norm(
            name,
            rand(3, 2, 2, 3),
            is_training=training,
            exponential_avg_factor=factor,
            epsilon=0.01,
            grad=True,
        )
        for name in _NAMES
        for training in (True, False)
        for factor in (1.0, 0.25)
    ],
    *[_norm(name, rand(2, 2, 2, 3), _NONE, _NONE) for name in _NAMES],
    _norm("FusedBatchNormV3", rand(1, 1, 1, 3), _NONE, _NONE),
    *[
        _norm("FusedBatchNormV3", rand(2, 2, 2, 3, dtype=t), tol=tol, is_training=training)
        for t, tol in (("half", 5e-3), ("bfloat16", 4e-2))
        for training in (True, False)
    ],
    _norm("FusedBatchNormV3", rand(2, 2, 2, 2, 3), data_format="NDHWC"),
    _norm(
        "FusedBatchNorm", rand(1, 1, 1, 4), _NONE, _NONE, error="INVALID_ARGUMENT: Dimensions must be equal"
    ),
    _norm("FusedBatchNorm", rand(4, 3), _NONE, _NONE, error="INVALID_ARGUMENT: 'x' must be of rank"),
    _norm(
        "FusedBatchNormV3",
        rand(2, 3, 4, 3),
        rand(2),
        _VARIANCE,
        is_training=False,
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
    *[
        case(name, *([rand(2, 2, 3, 3)] + [rand(2)] * 4), error="INVALID_ARGUMENT: Dimensions must be equal")
        for name in _NAMES
    ],
    *[
        _grad(name + v, rand(3, 2, 2, 3), is_training=training)
        for name in ("FusedBatchNormGrad",)
        for v in ("", "V2", "V3")
        for training in (True, False)
    ],
    _grad("FusedBatchNormGradV3", rand(3, 2, 2, 3, dtype="half"), tol=5e-3, grad=False),
    case(
        "FusedBatchNormGradV3",
        rand(2, 2, 2, 3),
        rand(2, 2, 3, 3),
        _SCALE,
        _MEAN,
        _VARIANCE,
        f32(0),
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
    case(
        "FusedBatchNormGradV3",
        rand(2, 2, 2, 3),
        rand(2, 2, 2, 3),
        _SCALE,
        rand(4),
        _VARIANCE,
        f32(0),
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_channels_first_is_the_transpose() -> None:
    x = rand(3, 2, 2, 3)
    for training in (True, False):
        last = run_tfg(_norm("FusedBatchNormV3", x, is_training=training))
        moved = x.transpose(0, 3, 1, 2).copy()
        first = run_tfg(_norm("FusedBatchNormV3", moved, is_training=training, data_format="NCHW"))
        np.testing.assert_allclose(first[0].transpose(0, 2, 3, 1), last[0], rtol=1e-5)
        np.testing.assert_allclose(first[2], last[2], rtol=1e-6)


def test_empty_batch_has_no_mean() -> None:
    y, mean, variance, *_ = run_tfg(_norm("FusedBatchNormV3", rand(0, 2, 2, 3)))
    assert y.shape == (0, 2, 2, 3)
    assert np.isnan(mean).all() and np.isnan(variance).all()
