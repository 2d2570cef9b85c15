"""How often to write a checkpoint: every so many steps or seconds, or as often as pays.

Writing often costs time in every case, writing seldom costs the work done since the last one whenever the job
fails. Young (1974) and Daly (2006) give the interval at which both together cost least, from the cost of a
checkpoint and the mean time between failures.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...graphfmt.errors import invalid
from ..summary import human_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(s|min|m|h|d)")

# What is assumed of a machine nobody has seen fail: once a day.
ASSUMED_MTBF = 86400.0
# However often failures come, checkpoints may take no more of the time than this.
LARGEST_SHARE = 0.035
# With ``auto``, the first checkpoint comes soon, because it tells what one costs; not sooner, because it takes more
# than those that follow.
_FIRST_AFTER = 5.0


@dataclass(frozen=True)
class CheckpointInterval:
    """``steps`` or ``seconds`` between checkpoints; neither where the interval is to be chosen."""

    steps: int | None = None
    seconds: float | None = None


AUTO = CheckpointInterval()


def parse_interval(text: str) -> CheckpointInterval:
    """``100`` (steps), ``30s``, ``5m``, ``2h`` or ``auto``. Raises INVALID_ARGUMENT."""
    if text == "auto":
        return AUTO
    if text.isdecimal() and text.isascii() and int(text):
        return CheckpointInterval(steps=int(text))
    seconds = parse_duration(text, what="an interval is a number of steps (100), a time (30s, 5m) or auto")
    return CheckpointInterval(seconds=seconds)


def parse_duration(text: str, what: str = "a time is written 30s, 5m, 2h or 1d") -> float:
    """Seconds. Raises INVALID_ARGUMENT."""
    match = _DURATION.fullmatch(text)
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not 0 < seconds < math.inf:
        raise invalid(f"{what}, not {text!r}")
    return seconds


def best_interval(cost: float, mtbf: float) -> float:
    """Seconds of work between checkpoints that each cost ``cost`` seconds, where a failure is to be expected
    every ``mtbf`` seconds: Daly's higher-order estimate, but never so short that checkpoints take more than
    their share of the time."""
    if cost >= 2 * mtbf:
        found = mtbf
    else:
        ratio = cost / (2 * mtbf)
        found = math.sqrt(2 * cost * mtbf) * (1 + math.sqrt(ratio) / 3 + ratio / 9) - cost
    return max(found, cost / LARGEST_SHARE)


def expected_mtbf(uptime: float, failures: int) -> float:
    """The mean time between failures of a job that has run so many seconds and failed so often, beginning
    from the assumption of one failure a day."""
    return (ASSUMED_MTBF + uptime) / (1 + failures)


@dataclass
class CheckpointSchedule:
    """When the next checkpoint is due. Told of every step and of every checkpoint; looks at the clock itself.

    What a checkpoint costs is what the steps lose by it: the time the snapshot takes, and what they take longer
    than usual while it is being written.
    """

    every: CheckpointInterval
    mtbf: float
    clock: Callable[[], float]
    say: Callable[[str], None] = lambda text: None
    interval: float = _FIRST_AFTER
    cost: float | None = None
    _last: float = field(init=False)
    _step_ended: float = field(init=False)
    _usual: float | None = None
    _lost: float = 0.0
    _said: float | None = None

    def __post_init__(self) -> None:
        self._last = self._step_ended = self.clock()
        if self.every.seconds is not None:
            self.interval = self.every.seconds

    def is_due(self, steps: int) -> bool:
        """Whether it is time, so many steps after the last one."""
        if self.every.steps is not None:
            return steps >= self.every.steps
        return self.clock() - self._last >= self.interval

    def step_ended(self, *, is_writing: bool) -> None:
        """A step has ended; ``is_writing`` tells whether a checkpoint was being written meanwhile."""
        took = self.clock() - self._step_ended
        if is_writing:
            self._lost += max(0.0, took - (self._usual or took))
        else:
            self._usual = took if self._usual is None else 0.9 * self._usual + 0.1 * took

    def resumed(self) -> None:
        """The next step begins now."""
        self._step_ended = self.clock()

    def taken(self, seconds: float) -> None:
        """A snapshot has been taken, for which the steps waited so long."""
        self._last = self.clock()
        self._lost = seconds

    def written(self) -> None:
        """The checkpoint is in its file."""
        self.cost = self._lost if self.cost is None else (self.cost + self._lost) / 2
        self._lost = 0.0
        if self.every == AUTO:
            self.interval = best_interval(self.cost, self.mtbf)
            self._report()

    def _report(self) -> None:
        """Says what has been chosen, the first time and when it has changed much."""
        assert self.cost is not None
        if self._said is None or not 0.5 < self.interval / self._said < 2:
            self._said = self.interval
            self.say(
                f"a checkpoint costs {human_seconds(self.cost)} and a failure is expected every "
                f"{human_seconds(self.mtbf)}: one is written every {human_seconds(self.interval)}"
            )
