"""Timing of steps, on a clock of the test's own."""

from __future__ import annotations

import pytest
from tfg.runtime.execution.step_timing import SampleLimit, Timing, ratio, time_steps


class FakeTime:
    """A clock that steps move forward."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def step(self, name: str, seconds: float) -> None:
        self.calls.append(name)
        self.now += seconds

    def clock(self) -> float:
        return self.now


def test_steps_take_turns_after_the_first_and_the_warm_up() -> None:
    time = FakeTime()
    steps = [lambda: time.step("a", 1.0), lambda: time.step("b", 2.0)]
    a, b = time_steps(steps, SampleLimit(steps=3, warm_up=2), time.clock)
    assert "".join(time.calls) == "ab" * 6
    assert (a.first, list(a.samples), list(b.samples)) == (1.0, [1.0] * 3, [2.0] * 3)


def test_a_time_limit_still_takes_a_few_steps() -> None:
    time = FakeTime()
    (slow,) = time_steps([lambda: time.step("a", 9.0)], SampleLimit(seconds=1, warm_up=0), time.clock)
    assert len(slow.samples) == 5
    (fast,) = time_steps([lambda: time.step("a", 0.125)], SampleLimit(seconds=1, warm_up=0), time.clock)
    assert len(fast.samples) == 8


def test_percentiles_and_ratios() -> None:
    one, other = Timing(0, [1.0, 2.0, 3.0]), Timing(0, [2.0, 2.0, 2.0])
    assert one.percentiles == pytest.approx({"p50": 2.0, "p90": 2.8, "p99": 2.98})
    assert ratio(one, other) == pytest.approx((1.0, 0.6, 1.4))
