"""The derivative of a gamma sample by its shape parameter alpha, at a fixed quantile.

Figurnov, Mohamed, Mnih: Implicit reparameterization gradients. NeurIPS 2018. With P(a, x) the cumulative
distribution function and p its density, dx/da = -(dP/da) / p. P is evaluated by a series or a continued
fraction, whichever converges, and differentiated term by term.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ....graphfmt.tensors import Array

_MAX_TERMS = 5000
_PRECISION = 2.0**-53
_BIG = 2.0**52


def sample_derivative(alpha: Any, sample: Any) -> Array:
    """Returns dx/da in double for broadcast alpha and sample; NaN unless alpha > 0 and sample >= 0."""
    alpha, sample = np.broadcast_arrays(np.asarray(alpha, np.float64), np.asarray(sample, np.float64))
    out = np.full(alpha.shape, np.nan)
    valid = (alpha > 0) & (sample >= 0)
    far = valid & (sample > 1) & (sample > alpha)
    near = valid & ~far & (sample > 0)
    out[near] = _by_series(alpha[near], sample[near])
    out[far] = _by_fraction(alpha[far], sample[far])
    out[valid & (sample == 0)] = 0
    return out


def _by_series(a: Array, x: Array) -> Array:
    from scipy.special import digamma

    term, slope = np.ones_like(a), np.zeros_like(a)
    total, total_slope = term.copy(), slope.copy()
    divisor = a.copy()
    for _ in range(_MAX_TERMS):
        divisor += 1
        factor = x / divisor
        slope = slope * factor - term * factor / divisor
        term = term * factor
        total += term
        total_slope += slope
        if np.all(np.abs(slope) <= _PRECISION * np.abs(total_slope)):
            break
    return -(total_slope + total * (np.log(x) - digamma(a + 1))) * x / a


def _by_fraction(a: Array, x: Array) -> Array:
    """Evaluates the continued fraction by its convergents p/q and their derivatives by a."""
    from scipy.special import digamma

    y, z = 1 - a, x + 2 - a
    before = [np.ones_like(a), x.copy(), np.zeros_like(a), np.zeros_like(a)]
    last = [x + 1, z * x, np.zeros_like(a), -x]
    value, slope = _ratio(last)
    for count in range(1, _MAX_TERMS):
        y, z = y + 1, z + 2
        weight = y * count
        p = last[0] * z - before[0] * weight
        q = last[1] * z - before[1] * weight
        dp = last[2] * z - last[0] - before[2] * weight + before[0] * count
        dq = last[3] * z - last[1] - before[3] * weight + before[1] * count
        before, last = last, [p, q, dp, dq]
        old = slope
        value, slope = _ratio(last)
        if np.all(~(np.abs(slope - old) > _PRECISION * np.abs(slope))):
            break
        shrink = np.where(np.abs(p) > _BIG, 1 / _BIG, 1.0)
        before = [part * shrink for part in before]
        last = [part * shrink for part in last]
    return x * (slope + value * (np.log(x) - digamma(a)))


def _ratio(parts: list[Array]) -> tuple[Array, Array]:
    p, q, dp, dq = parts
    value = p / q
    return value, (dp - value * dq) / q
