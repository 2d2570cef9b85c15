"""What no placement can be faster than, to hold the found ones against."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ..problem import Problem


class Bounds(NamedTuple):
    """Seconds. ``path``: the longest chain of operations, each where it is cheapest, nothing transferred.
    ``work``: all work spread perfectly over the devices that may do it. ``group``: the dearest group that must
    stay together."""

    path: float
    work: float
    group: float

    @property
    def best(self) -> float:
        return max(self)


def lower_bounds(problem: Problem) -> Bounds:
    """The bounds of a problem; all are at most the makespan of the best placement."""
    return Bounds(_path(problem), _work(problem), _group(problem))


def _path(problem: Problem) -> float:
    finish: list[float] = []
    for op, inputs in enumerate(problem.inputs):
        ready = max((finish[problem.tensors[t].producer] for t in inputs), default=0.0)
        finish.append(ready + problem.cheapest[op])
    return max(finish, default=0.0)


def _allowed(problem: Problem) -> np.ndarray:
    """[group, device]: whether it may go there."""
    allowed = np.zeros((len(problem.feasible), problem.devices), bool)
    for group, devices in enumerate(problem.feasible):
        allowed[group, list(devices)] = True
    return allowed


def _work(problem: Problem) -> float:
    """For weights of the devices that sum to 1, the makespan is at least the weighted sum of their busy times,
    and so at least what each group adds to it where it adds least. Weights: equal, and by speed; of all
    devices, and of those that some groups are confined to."""
    if not problem.feasible:
        return 0.0
    allowed, seconds = _allowed(problem), problem.group_seconds
    best = 0.0
    for confined in sorted(set(problem.feasible)):
        mine = np.zeros(problem.devices, bool)
        mine[list(confined)] = True
        inside = ~(allowed & ~mine).any(axis=1)
        total = seconds[inside].sum(axis=0)
        for speed in (mine.astype(float), np.where(mine & (total > 0), 1 / np.maximum(total, 1e-300), 0.0)):
            if speed.sum() > 0:
                weighted = np.where(allowed, seconds * (speed / speed.sum()), np.inf)[inside]
                best = max(best, float(weighted.min(axis=1).sum()))
    return best


def _group(problem: Problem) -> float:
    if not problem.feasible:
        return 0.0
    return float(np.where(_allowed(problem), problem.group_seconds, np.inf).min(axis=1).max())
