"""All on one device: what small steps are best at, and what others have to be faster than."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..problem import Assignment, Problem


def single_device(problem: Problem) -> Assignment:
    """Each group on the device that most of them may go to, and of these the one that does it soonest; the others
    on the first that they may go to."""
    seconds = problem.group_seconds

    def cost(device: int) -> tuple[int, float]:
        groups = [g for g, devices in enumerate(problem.feasible) if device in devices]
        return -len(groups), float(seconds[groups, device].sum())

    best = min(range(problem.devices), key=cost)
    return [best if best in devices else devices[0] for devices in problem.feasible]
