"""The peaks of this machine: floating-point operations and bytes per second, measured in a few hundredths of a
second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

_SIDE = 512
# Bytes of an array that no cache holds.
_COPIED = 64 << 20
_REPETITIONS = 5


class MachinePeaks(NamedTuple):
    """Operations per second of a float32 matrix product, and bytes per second read and written by a copy."""

    flop_rate: float
    byte_rate: float


def measure_peaks() -> MachinePeaks:
    """Measures the machine with as many threads as numpy uses now."""
    factor = np.full((_SIDE, _SIDE), 0.5, np.float32)
    product = np.empty_like(factor)
    source = np.zeros(_COPIED // 4, np.float32)
    target = np.ones_like(source)
    multiplied = _fastest(lambda: np.matmul(factor, factor, out=product))
    copied = _fastest(lambda: np.copyto(target, source))
    return MachinePeaks(2.0 * _SIDE**3 / multiplied, 2.0 * _COPIED / copied)


def _fastest(action: Callable[[], object]) -> float:
    """Returns the least number of seconds that the action took."""
    least = float("inf")
    for _ in range(_REPETITIONS):
        begun = time.perf_counter()
        action()
        least = min(least, time.perf_counter() - begun)
    return max(least, 1e-9)
