"""Lower bounds of the makespan, for comparison with the placements found."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ..problem import Problem


class Bounds(NamedTuple):
    """Lower bounds in seconds.

    ``path``: the longest chain, each operation on its fastest device, without transfers. ``work``: all work
    divided perfectly over the feasible devices. ``group``: the most expensive colocation group.
    """

    path: float
    work: float
    group: float

    @property
    def best(self) -> float:
        return max(self)


def lower_bounds(problem: Problem) -> Bounds:
    """Returns the bounds of a problem; each is at most the makespan of the best placement."""
    return Bounds(_path(problem), _work(problem), _group(problem))


def _path(problem: Problem) -> float:
    finish: list[float] = []
    for op, inputs in enumerate(problem.inputs):
        ready = max((finish[problem.tensors[t].producer] for t in inputs), default=0.0)
        finish.append(ready + problem.cheapest[op])
    return max(finish, default=0.0)


def _allowed(problem: Problem) -> np.ndarray:
    """Returns feasibility by [group, device]."""
    allowed = np.zeros((len(problem.feasible), problem.devices), bool)
    for group, devices in enumerate(problem.feasible):
        allowed[group, list(devices)] = True
    return allowed


def _work(problem: Problem) -> float:
    """Returns a bound from weighted busy times.

    For device weights that sum to 1, the makespan is at least the weighted sum of busy times, and so at least
    the sum of each group's smallest contribution. Weights: equal, and by speed; over all devices, and over each
    set of devices that groups are confined to.
    """
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
