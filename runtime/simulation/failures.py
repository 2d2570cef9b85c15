"""The cost of failures and of checkpoints against them.

Failures of tasks are independent and come at a constant rate, so that a checkpoint interval of t seconds takes
(1/r + R)(e^(r(t + d)) - 1) seconds on average, with the rate r of all tasks, the restart time R and the saving time d
(J. T. Daly, A higher order estimate of the optimum checkpoint interval for restart dumps, 2006).
"""

from __future__ import annotations

from math import expm1, isinf
from typing import TYPE_CHECKING, NamedTuple

from ..checkpointing.intervals import best_interval

if TYPE_CHECKING:
    from .scenario import Reliability

# Above this many expected failures within an interval, no interval ever ends.
_HOPELESS = 700.0


class Upkeep(NamedTuple):
    """``useful`` is the share of time in which training goes on; ``interval`` the seconds of training between two
    checkpoints, None where none is needed."""

    useful: float
    interval: float | None


def upkeep(reliability: Reliability, tasks: int) -> Upkeep:
    """Returns what failures of ``tasks`` tasks, each of which ends the step of all, and checkpoints leave."""
    if isinf(reliability.lifetime):
        if reliability.interval is None:
            return Upkeep(1.0, None)
        return Upkeep(
            reliability.interval / (reliability.interval + reliability.saving), reliability.interval
        )
    rate = tasks / reliability.lifetime
    # Where saving costs nothing, a second between checkpoints is as good as none.
    interval = reliability.interval or max(best_interval(reliability.saving, 1 / rate), min(1.0, 1 / rate))
    return Upkeep(_useful(rate, interval, reliability), interval)


def _useful(rate: float, interval: float, reliability: Reliability) -> float:
    expected = rate * (interval + reliability.saving)
    if expected > _HOPELESS:
        return 0.0
    return interval / ((1 / rate + reliability.restart) * expm1(expected))
