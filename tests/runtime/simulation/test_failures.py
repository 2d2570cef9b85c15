"""The share of time that failures and checkpoints leave."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from tfg.runtime.simulation.failures import upkeep
from tfg.runtime.simulation.scenario import Reliability

HOUR = 3600.0


def test_without_failures_checkpoints_alone_cost() -> None:
    assert upkeep(Reliability(), 100).useful == 1.0
    assert upkeep(Reliability(saving=10, interval=90), 100).useful == 0.9


def test_the_share_is_that_of_failures_drawn_one_by_one() -> None:
    reliability = Reliability(lifetime=20 * HOUR, restart=60, saving=20, interval=600)
    random = np.random.default_rng(3)
    elapsed = 0.0
    intervals = 4000
    for _ in range(intervals):
        # An interval is repeated until no failure falls into it.
        while (failure := random.exponential(reliability.lifetime / 10)) < 620:
            elapsed += failure + 60
        elapsed += 620
    assert upkeep(reliability, 10).useful == pytest.approx(intervals * 600 / elapsed, rel=0.01)


def test_more_tasks_leave_less_and_want_more_checkpoints() -> None:
    reliability = Reliability(lifetime=720 * HOUR, restart=60, saving=5)
    kept = [upkeep(reliability, tasks) for tasks in (1, 10, 100, 1000)]
    assert all(a.useful > b.useful and (a.interval or 0) > (b.interval or 0) for a, b in pairwise(kept))


def test_the_best_interval_is_better_than_its_neighbours() -> None:
    reliability = Reliability(lifetime=100 * HOUR, restart=60, saving=5)
    best = upkeep(reliability, 10)
    assert best.interval is not None
    for factor in (0.5, 2.0):
        other = Reliability(reliability.lifetime, 60, 5, best.interval * factor)
        assert upkeep(other, 10).useful < best.useful


def test_tasks_that_fail_all_the_time_leave_nothing() -> None:
    assert upkeep(Reliability(lifetime=1, saving=10, interval=10_000), 1000).useful == 0.0
