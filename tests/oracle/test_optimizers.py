"""Training with tfg's optimizers against training with TensorFlow's."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from tests.runtime.passes.optimizers import training

from . import optimizers


@pytest.mark.parametrize("by_handle", [False, True], ids=["ref", "resource"])
@pytest.mark.parametrize("optimizer", training.RECORDED)
def test_training(optimizer: str, by_handle: bool) -> None:
    expected = optimizers.trained(optimizer, by_handle=by_handle)
    actual = training.trained(optimizer, by_handle=by_handle)
    assert set(actual) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, rtol=2e-5, atol=2e-6, err_msg=name)
