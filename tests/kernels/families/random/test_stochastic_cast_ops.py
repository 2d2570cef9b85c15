"""Stochastic rounding: whole numbers stay, fractions round up as often as they are large."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tfg
from tfg.runtime.execution.session import Session


def rounded(values: Any, dtype: str = "int32", key: int = 3, **attrs: Any) -> Any:
    g = tfg.GraphBuilder()
    stream = (g.constant(np.array([key], np.uint64)), g.constant(np.array([0, 5], np.uint64)))
    algorithm = g.constant(np.int32(attrs.pop("alg", 1)))
    g.StochasticCastToInt(g.constant(values), *stream, algorithm, Tout=dtype, name="y")
    with Session(g.graph()) as session:
        return session.run(["y"])[0]


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_whole_numbers_stay_and_what_is_beyond_saturates(dtype: Any) -> None:
    given = np.array([3, -3, 0, 200, -200, np.inf, -np.inf, np.nan]).astype(dtype)
    assert rounded(given, "int8").tolist() == [3, -3, 0, 127, -128, 127, -128, 0]


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("whole", [2, -2])
def test_fractions_round_up_as_often_as_they_are_large(fraction: float, whole: int) -> None:
    result = rounded(np.full(20_000, whole + fraction, np.float32))
    assert set(result.tolist()) == {whole, whole + 1}
    assert (result > whole).mean() == pytest.approx(fraction, abs=0.015)


def test_the_same_key_rounds_the_same() -> None:
    given = np.full(64, 0.5, np.float32)
    assert (rounded(given) == rounded(given)).all()
    assert (rounded(given) != rounded(given, key=4)).any()


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(tfg.TfgError, match="INVALID_ARGUMENT"):
        rounded(np.float32([0.5]), alg=7)
