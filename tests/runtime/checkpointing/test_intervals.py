"""How often checkpoints are written; the clock is a fake."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.units import human_seconds
from tfg.runtime.checkpointing.intervals import (
    AUTO,
    LARGEST_SHARE,
    CheckpointInterval,
    CheckpointSchedule,
    best_interval,
    expected_mtbf,
    parse_interval,
)

DAY = 86400.0


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("text", "every"),
    [
        ("100", CheckpointInterval(steps=100)),
        ("30s", CheckpointInterval(seconds=30)),
        ("1.5m", CheckpointInterval(seconds=90)),
        ("2h", CheckpointInterval(seconds=7200)),
        ("auto", AUTO),
    ],
)
def test_intervals_are_written_so(text: str, every: CheckpointInterval) -> None:
    assert parse_interval(text) == every


@pytest.mark.parametrize("text", ["", "0", "-3", "0s", "3x", "s", "1e9", "automatic", "٣"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(TfgError, match="an interval is"):
        parse_interval(text)


def expected_loss(interval: float, cost: float, mtbf: float) -> float:
    """Time per second of useful work, by Daly's complete model, restarts being free."""
    return mtbf * math.expm1((interval + cost) / mtbf) / interval


@settings(deadline=None)
@given(st.floats(1e-4, 100), st.floats(1e4, 1e7))
def test_no_other_interval_loses_noticeably_less(cost: float, mtbf: float) -> None:
    best = best_interval(cost, mtbf)
    here = expected_loss(best, cost, mtbf)
    if best > cost / LARGEST_SHARE:
        assert all(here <= expected_loss(best * f, cost, mtbf) * (1 + 1e-3) for f in (0.5, 0.8, 1.25, 2))


@settings(deadline=None)
@given(st.floats(1e-6, 1e4), st.floats(1, 1e7))
def test_checkpoints_never_take_more_than_their_share(cost: float, mtbf: float) -> None:
    assert cost / best_interval(cost, mtbf) <= LARGEST_SHARE * (1 + 1e-9)


def test_failures_seen_correct_what_was_assumed() -> None:
    assert expected_mtbf(0, 0) == DAY
    assert expected_mtbf(3600, 3) == pytest.approx((DAY + 3600) / 4)


def test_by_steps() -> None:
    schedule = CheckpointSchedule(CheckpointInterval(steps=10), DAY, Clock())
    assert not schedule.is_due(9)
    assert schedule.is_due(10)


def test_by_seconds() -> None:
    clock = Clock()
    schedule = CheckpointSchedule(CheckpointInterval(seconds=30), DAY, clock)
    clock.now += 29
    assert not schedule.is_due(10**6)
    clock.now += 1
    assert schedule.is_due(1)


def test_auto_measures_what_the_steps_lose_and_says_what_it_chose() -> None:
    clock, said = Clock(), list[str]()
    schedule = CheckpointSchedule(AUTO, 3600, clock, said.append)

    def steps(count: int, seconds: float, *, is_writing: bool = False) -> None:
        for _ in range(count):
            clock.now += seconds
            schedule.step_ended(is_writing=is_writing)
            schedule.resumed()

    steps(49, 0.1)
    assert not schedule.is_due(49)
    steps(2, 0.1)
    assert schedule.is_due(51)
    schedule.taken(0.05)
    steps(5, 0.13, is_writing=True)
    schedule.written()
    assert schedule.cost == pytest.approx(0.05 + 5 * 0.03, rel=0.01)
    assert schedule.interval == pytest.approx(best_interval(0.2, 3600), rel=0.01)
    assert said == [
        "a checkpoint costs 200 ms and a failure is expected every 60 min: one is written every 37.8 s"
    ]
    schedule.taken(0.2)
    schedule.written()
    assert len(said) == 1


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0123, "12.3 ms"), (41, "41 s"), (600, "10 min"), (DAY, "24 h")]
)
def test_durations_as_people_say_them(seconds: float, text: str) -> None:
    assert human_seconds(seconds) == text
