"""Sums of probabilities that are given by their logarithms (ctc_loss_util.h in TensorFlow)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def log_sum(a: Any, b: Any) -> Any:
    """Returns ``log(exp(a) + exp(b))``, elementwise. As in TensorFlow, the smaller part is computed in float32 for
    doubles too, so that both decide alike between sequences of nearly the same probability."""
    larger, smaller = np.where(a > b, a, b), np.where(a > b, b, a)
    # Both functions are computed in float64 and rounded, which is what the C library's for float32 return.
    share = np.exp((smaller - larger).astype(np.float32).astype(np.float64)).astype(np.float32)
    part = np.log1p(share.astype(np.float64)).astype(np.float32)
    total = (larger + part).astype(larger.dtype)
    return np.where(np.isneginf(a), b, np.where(np.isneginf(b), a, total))


def log_sum_along_last(values: Any) -> Any:
    """Returns the logarithm of the sum along the last axis, summed from the front."""
    total = values[..., 0]
    for place in range(1, values.shape[-1]):
        total = log_sum(total, values[..., place])
    return total


def log_sum_of_two(a: Any, b: Any) -> Any:
    """``log_sum`` for numpy scalars."""
    if a == -np.inf:
        return b
    if b == -np.inf:
        return a
    larger, smaller = (a, b) if a > b else (b, a)
    share = np.float32(math.exp(np.float32(smaller - larger)))
    return larger + type(a)(np.float32(math.log1p(share)))
