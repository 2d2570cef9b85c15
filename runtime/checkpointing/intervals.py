"""Checkpoint intervals: fixed numbers of steps or seconds, or chosen from the costs.

Frequent checkpoints cost time; rare ones lose more work when the job fails. Young (1974) and Daly (2006) give
the interval that minimises the total, from the cost of a checkpoint and the mean time between failures (MTBF).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...graphfmt.units import human_seconds, parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable

# Default MTBF in seconds, without observed failures.
ASSUMED_MTBF = 86400.0
# Upper limit of the share of time spent on checkpoints, however frequent failures are.
LARGEST_SHARE = 0.035
# Seconds until the first checkpoint with ``auto``: soon, to measure the cost; not at once, since it costs
# more than later ones.
_FIRST_AFTER = 5.0


@dataclass(frozen=True)
class CheckpointInterval:
    """``steps`` or ``seconds`` between checkpoints; both None for an automatic interval."""

    steps: int | None = None
    seconds: float | None = None


AUTO = CheckpointInterval()


def parse_interval(text: str) -> CheckpointInterval:
    """Parses ``100`` (steps), ``30s``, ``5m``, ``2h`` or ``auto``. Raises INVALID_ARGUMENT."""
    if text == "auto":
        return AUTO
    if text.isdecimal() and text.isascii() and int(text):
        return CheckpointInterval(steps=int(text))
    seconds = parse_duration(text, "an interval is a number of steps (100), a time (30s, 5m) or auto")
    return CheckpointInterval(seconds=seconds)


def best_interval(cost: float, mtbf: float) -> float:
    """Returns the seconds of work between checkpoints that cost ``cost`` seconds each, given a failure every
    ``mtbf`` seconds.

    Daly's higher-order estimate, but at least so long that checkpoints stay within ``LARGEST_SHARE`` of the
    time.
    """
    if cost >= 2 * mtbf:
        interval = mtbf
    else:
        ratio = cost / (2 * mtbf)
        interval = math.sqrt(2 * cost * mtbf) * (1 + math.sqrt(ratio) / 3 + ratio / 9) - cost
    return max(interval, cost / LARGEST_SHARE)


def expected_mtbf(uptime: float, failures: int) -> float:
    """Estimates the mean time between failures from seconds of uptime and failures, with a prior of one failure a
    day."""
    return (ASSUMED_MTBF + uptime) / (1 + failures)


@dataclass
class CheckpointSchedule:
    """Decides when the next checkpoint is due, from calls at every step and checkpoint, and the clock.

    The cost of a checkpoint is the time that steps lose to it: the duration of the snapshot, and the slowdown
    of steps while it is written.
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
        """Returns True if a checkpoint is due this many steps after the last one."""
        if self.every.steps is not None:
            return steps >= self.every.steps
        return self.clock() - self._last >= self.interval

    def step_ended(self, *, is_writing: bool) -> None:
        """Records the end of a step; ``is_writing`` is True if a checkpoint was being written during it."""
        took = self.clock() - self._step_ended
        if is_writing:
            self._lost += max(0.0, took - (self._usual or took))
        else:
            self._usual = took if self._usual is None else 0.9 * self._usual + 0.1 * took

    def resumed(self) -> None:
        """Records the start of the next step."""
        self._step_ended = self.clock()

    def taken(self, seconds: float) -> None:
        """Records a snapshot that delayed the steps by so many seconds."""
        self._last = self.clock()
        self._lost = seconds

    def written(self) -> None:
        """Records that the checkpoint is written; updates cost and, for ``auto``, interval."""
        self.cost = self._lost if self.cost is None else (self.cost + self._lost) / 2
        self._lost = 0.0
        if self.every == AUTO:
            self.interval = best_interval(self.cost, self.mtbf)
            self._report()

    def _report(self) -> None:
        """Reports the chosen interval, the first time and whenever it has changed by a factor of two."""
        assert self.cost is not None
        if self._said is None or not 0.5 < self.interval / self._said < 2:
            self._said = self.interval
            self.say(
                f"a checkpoint costs {human_seconds(self.cost)} and a failure is expected every "
                f"{human_seconds(self.mtbf)}: one is written every {human_seconds(self.interval)}"
            )
