"""Timing of steps: warm-up, samples, percentiles, and the ratio of two subjects that take turns."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Clock = Callable[[], float]

_PERCENTILES = (50, 90, 99)


class SampleLimit(NamedTuple):
    """The end of a measurement: after so many steps if given, else so many seconds, but at least ``least`` steps."""

    steps: int | None = None
    seconds: float = 2.0
    warm_up: int = 3
    least: int = 5


class Timing(NamedTuple):
    """Seconds per step: of the first one, which builds the plan, and of those after the warm-up.

    ``elapsed`` are the seconds that all samples took together, where several steps ran at once.
    """

    first: float
    samples: Sequence[float]
    elapsed: float | None = None

    @property
    def rate(self) -> float:
        """Steps per second."""
        return 1 / self.median if self.elapsed is None else len(self.samples) / self.elapsed

    def percentile(self, percent: float) -> float:
        return float(np.percentile(self.samples, percent))

    @property
    def median(self) -> float:
        return self.percentile(50)

    @property
    def percentiles(self) -> dict[str, float]:
        return {f"p{percent}": self.percentile(percent) for percent in _PERCENTILES}


class Ratio(NamedTuple):
    """The time of a step over that of another that ran next to it: the median of all pairs, and the spread of most."""

    median: float
    low: float
    high: float


def time_steps(
    steps: Sequence[Callable[[], object]], limit: SampleLimit, clock: Clock = time.perf_counter
) -> list[Timing]:
    """Times several steps, which take turns, so that what else the machine does falls on all of them alike."""
    first = [_timed(step, clock) for step in steps]
    for _ in range(limit.warm_up):
        for step in steps:
            step()
    samples: list[list[float]] = [[] for _ in steps]
    begun = clock()
    while not _is_over(len(samples[0]), clock() - begun, limit):
        for step, times in zip(steps, samples):
            times.append(_timed(step, clock))
    return [Timing(one, times) for one, times in zip(first, samples)]


def time_concurrent_steps(
    step: Callable[[], object], workers: int, limit: SampleLimit, clock: Clock = time.perf_counter
) -> Timing:
    """Times steps that so many threads run at once. Raises the first error of a step."""
    first = _timed(step, clock)
    for _ in range(limit.warm_up):
        step()
    each = limit._replace(
        steps=None if limit.steps is None else -(-limit.steps // workers),
        least=-(-limit.least // workers),
    )
    start = Barrier(workers)

    def work() -> list[float]:
        samples: list[float] = []
        start.wait()
        begun = clock()
        while not _is_over(len(samples), clock() - begun, each):
            samples.append(_timed(step, clock))
        return samples

    with ThreadPoolExecutor(workers) as threads:
        begun = clock()
        futures = [threads.submit(work) for _ in range(workers)]
        samples = [seconds for future in futures for seconds in future.result()]
        elapsed = clock() - begun
    return Timing(first, samples, elapsed)


def _timed(step: Callable[[], object], clock: Clock) -> float:
    begun = clock()
    step()
    return clock() - begun


def _is_over(count: int, seconds: float, limit: SampleLimit) -> bool:
    if limit.steps is not None:
        return count >= limit.steps
    return count >= limit.least and seconds >= limit.seconds


def ratio(one: Timing, other: Timing) -> Ratio:
    """Returns the ratio of two subjects that took turns; the spread holds eight of ten pairs."""
    ratios = np.array(one.samples) / np.maximum(np.array(other.samples), 1e-12)
    low, median, high = np.percentile(ratios, (10, 50, 90))
    return Ratio(float(median), float(low), float(high))
