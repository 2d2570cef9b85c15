"""Timing of two functions in alternating rounds, so that a drift of the machine's speed affects both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """Median seconds per call of tfg (``ours``) and the reference (``theirs``), and the median ratio of the rounds,
    ours to theirs; None without a reference."""

    ours: float
    theirs: float | None
    ratio: float | None


def compare(
    ours: Callable[[], object], theirs: Callable[[], object] | None, *, rounds: int = 7, seconds: float = 0.2
) -> Pair:
    """Times both in alternating rounds of about ``seconds`` each, after a warm-up."""
    mine, other, ratios = [], [], []
    count = _calls(ours, seconds)
    other_count = _calls(theirs, seconds) if theirs else 0
    for _ in range(rounds):
        mine.append(_time(ours, count))
        if theirs:
            other.append(_time(theirs, other_count))
            ratios.append(mine[-1] / other[-1])
    return Pair(
        statistics.median(mine),
        statistics.median(other) if other else None,
        statistics.median(ratios) if ratios else None,
    )


def _calls(function: Callable[[], object], seconds: float) -> int:
    for _ in range(2):
        function()
    return max(1, int(seconds / max(_time(function, 1), 1e-9)))


def _time(function: Callable[[], object], count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        function()
    return (time.perf_counter() - began) / count
