"""Batch normalization with statistics as inputs."""

from __future__ import annotations

import numpy as np

from ...harness import case, rand, run_tfg

_SCALE, _OFFSET, _MEAN, _VARIANCE = (rand(3, seed=i, low=0.5) for i in range(4))


def test_with_global_normalization() -> None:
    """TensorFlow refuses these in graphs of today; the formula is what it documents."""
    x, dy = rand(2, 2, 2, 3, dtype="double"), rand(2, 2, 2, 3, seed=4, dtype="double")
    mean, variance, beta, gamma = (v.astype(np.float64) for v in (_MEAN, _VARIANCE, _OFFSET, _SCALE))
    for after in (True, False):
        attrs = {"variance_epsilon": 0.5, "scale_after_normalization": after}
        (y,) = run_tfg(case("BatchNormWithGlobalNormalization", x, mean, variance, beta, gamma, **attrs))
        factor = (gamma if after else 1) / np.sqrt(variance + 0.5)
        np.testing.assert_allclose(y, (x - mean) * factor + beta)
        found = run_tfg(case("BatchNormWithGlobalNormalizationGrad", x, mean, variance, gamma, dy, **attrs))
        step = 1e-6
        shifted = (x - mean) * (gamma if after else 1) / np.sqrt(variance + 0.5 + step)
        expected_dv = (dy * (shifted - (x - mean) * factor)).sum(axis=(0, 1, 2)) / step
        np.testing.assert_allclose(found[0], dy * factor)
        np.testing.assert_allclose(found[1], -(dy * factor).sum(axis=(0, 1, 2)))
        np.testing.assert_allclose(found[2], expected_dv, rtol=1e-4)
        np.testing.assert_allclose(found[3], dy.sum(axis=(0, 1, 2)))
