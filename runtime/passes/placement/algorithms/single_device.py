"""Single-device placement: the best one for small steps, and the baseline of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..problem import Assignment, Problem


def single_device(problem: Problem) -> Assignment:
    """Assigns all groups to the device feasible for most of them, fastest first; other groups to their first
    feasible one."""
    seconds = problem.group_seconds

    def cost(device: int) -> tuple[int, float]:
        groups = [g for g, devices in enumerate(problem.feasible) if device in devices]
        return -len(groups), float(seconds[groups, device].sum())

    best = min(range(problem.devices), key=cost)
    return [best if best in devices else devices[0] for devices in problem.feasible]
