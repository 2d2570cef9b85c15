"""Quantised integers. The expected numbers are TensorFlow's."""

from __future__ import annotations

import numpy as np
import pytest
from tfg.graphfmt.errors import Status, TfgError
from tfg.kernels.builder.graph_builder import GraphBuilder

from tests import reference

X = np.array([[-2.5, -0.6, 0.1], [0.75, 1.4, 3.0]], np.float32)

ROWS: list[tuple[object, ...]] = [
    (
        "qint8",
        "MIN_COMBINED",
        "HALF_AWAY_FROM_ZERO",
        False,
        -1,
        [-128, -94, -35, 21, 76, 127],
        [-1.0, -0.6, 0.094118, 0.752941, 1.4, 2.0],
    ),
    (
        "quint8",
        "MIN_COMBINED",
        "HALF_AWAY_FROM_ZERO",
        False,
        -1,
        [0, 34, 94, 149, 204, 255],
        [-1.0, -0.6, 0.105882, 0.752941, 1.4, 2.0],
    ),
    (
        "quint8",
        "MIN_FIRST",
        "HALF_AWAY_FROM_ZERO",
        False,
        -1,
        [0, 34, 94, 149, 204, 255],
        [-1.0, -0.6, 0.105882, 0.752941, 1.4, 2.0],
    ),
    (
        "qint8",
        "SCALED",
        "HALF_TO_EVEN",
        True,
        -1,
        [-127, -38, 6, 48, 89, 127],
        [-2.0, -0.598425, 0.094488, 0.755906, 1.401575, 2.0],
    ),
    (
        "qint8",
        "SCALED",
        "HALF_AWAY_FROM_ZERO",
        False,
        1,
        [-128, -38, 4, 48, 90, 127],
        [-2.015748, -0.59375, 0.09375, 0.755906, 1.40625, 2.976562],
    ),
    (
        "qint16",
        "SCALED",
        "HALF_TO_EVEN",
        False,
        -1,
        [-32768, -9830, 1638, 12288, 22937, 32767],
        [-2.000061, -0.599994, 0.099979, 0.750023, 1.400006, 2.0],
    ),
]


@pytest.mark.parametrize("dtype, mode, rounding, narrow, axis, integers, values", ROWS)
def test_numbers_become_integers_and_numbers_again(
    dtype: str, mode: str, rounding: str, narrow: bool, axis: int, integers: list[int], values: list[float]
) -> None:
    g = GraphBuilder()
    low, high = (-1, 2) if axis < 0 else ([-1, -2, -3], [2, 1, 2])
    attrs = {"mode": mode, "narrow_range": narrow, "axis": axis}
    quantized = g.QuantizeV2(X, low, high, T=dtype, round_mode=rounding, **attrs)
    back = g.Dequantize(*quantized, **attrs)
    found, restored = reference.run(g.graph(), [quantized[0].name, back.name], {})
    assert found.reshape(-1).tolist() == integers
    assert found.dtype == quantized[0].dtype.numpy
    np.testing.assert_allclose(restored.reshape(-1), values, atol=2e-6)
    assert restored.dtype == np.float32


def test_what_does_not_go_together_is_refused() -> None:
    for attrs, low, status in (
        ({"mode": "MIN_FIRST", "axis": 0}, [0, 0], Status.UNIMPLEMENTED),
        ({"round_mode": "HALF_TO_EVEN"}, 0, Status.INVALID_ARGUMENT),
        ({}, 3, Status.INVALID_ARGUMENT),
    ):
        g = GraphBuilder()
        made = g.QuantizeV2(X, low, np.add(low, 1) if low != 3 else 2, T="quint8", **attrs)
        with pytest.raises(TfgError) as caught:
            reference.run(g.graph(), [made[0].name], {})
        assert caught.value.status == status
