"""Memory repair: moves groups off overfull devices until a placement fits.

Moves are ordered by new traffic per byte freed at the peak; targets are feasible devices with room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..simulation.simulator import SimulatedSchedule, excess, memory_residence, score, simulate

if TYPE_CHECKING:
    from ..problem import Assignment, Problem

ROUNDS = 30


class _Move(NamedTuple):
    """A move of a group; ``cost`` is in seconds of new traffic per byte freed on the full device."""

    cost: float
    group: int
    target: int
    bytes: int


def repair(problem: Problem, assignment: Assignment) -> Assignment:
    """Returns the assignment if it fits, otherwise one that fits, or the one found with the least excess."""
    best = _relieved(problem, assignment)
    if not excess(problem, simulate(problem, best)):
        return best
    return min(best, _relieved(problem, _packed(problem)), key=lambda a: score(problem, simulate(problem, a)))


def _packed(problem: Problem) -> Assignment:
    """Returns an assignment of variables and constants, largest first, to the device with most room, and of other
    groups to the device with most of their inputs."""
    room = list(problem.limits)
    assignment: Assignment = [-1] * len(problem.feasible)
    for group in sorted(range(len(assignment)), key=lambda g: -problem.group_persistent[g]):
        if problem.group_persistent[group]:
            device = max(problem.feasible[group], key=lambda d: (room[d], -d))
            assignment[group] = device
            room[device] -= problem.group_persistent[group]
    for op, group in enumerate(problem.group):
        if assignment[group] >= 0:
            continue
        near = dict.fromkeys(problem.feasible[group], 0)
        for number in problem.inputs[op]:
            tensor = problem.tensors[number]
            source = assignment[problem.group[tensor.producer]]
            if source in near:
                near[source] += tensor.size
        assignment[group] = max(near, key=lambda d: (near[d], room[d], -d))
    return assignment


def _relieved(problem: Problem, assignment: Assignment) -> Assignment:
    """Returns the best assignment found by moving groups off full devices."""
    best, best_score = assignment, None
    current = list(assignment)
    for _ in range(ROUNDS):
        schedule = simulate(problem, current)
        current_score = score(problem, schedule)
        if best_score is None or current_score < best_score:
            best, best_score = list(current), current_score
        if not excess(problem, schedule) or not _relieve(problem, current, schedule):
            break
    return best


def _relieve(problem: Problem, assignment: Assignment, schedule: SimulatedSchedule) -> bool:
    """Moves groups off the device with the largest excess; returns True if any moved."""
    room = [limit - peak for limit, peak in zip(problem.limits, schedule.peak)]
    full = min(range(problem.devices), key=lambda d: room[d])
    load = _load(problem, schedule, full)
    moves = sorted(
        move
        for group in np.flatnonzero(load).tolist()
        if assignment[group] == full
        for move in _moves(problem, assignment, group, int(load[group]))
    )
    missing, moved = -room[full], False
    for move in moves:
        if missing <= 0:
            break
        if assignment[move.group] != full or room[move.target] < move.bytes:
            continue
        assignment[move.group] = move.target
        room[move.target] -= move.bytes
        missing -= move.bytes
        moved = True
    return moved


def _load(problem: Problem, schedule: SimulatedSchedule, device: int) -> np.ndarray:
    """Returns the bytes of each group on a device at its peak."""
    there = memory_residence(problem, schedule.place, schedule.start, schedule.finish, schedule.transfers)
    mine = there.device == device
    load = np.array(problem.group_persistent, np.int64)
    if not mine.any():
        return load
    start, finish, bytes = there.start[mine], there.finish[mine], there.bytes[mine]
    when = np.concatenate([finish, start])
    order = np.argsort(when, kind="stable")
    level = np.cumsum(np.concatenate([-bytes, bytes])[order])
    moment = when[order][int(level.argmax())]
    alive = (start <= moment) & (moment < finish)
    owner = np.asarray(problem.group, np.intp)[problem.tensor_table.producer[there.tensor[mine][alive]]]
    np.add.at(load, owner, bytes[alive])
    return load


def _moves(problem: Problem, assignment: Assignment, group: int, bytes: int) -> list[_Move]:
    """Returns the moves of a group to its other feasible devices."""
    home = assignment[group]
    targets = [d for d in problem.feasible[group] if d != home]
    if not targets:
        return []
    near = neighbours(problem, assignment, group)
    return [
        _Move(
            (
                near[home]
                - near[target]
                + problem.group_seconds[group, target]
                - problem.group_seconds[group, home]
            )
            / bytes,
            group,
            target,
            bytes,
        )
        for target in targets
    ]


def neighbours(problem: Problem, assignment: Assignment, group: int) -> list[float]:
    """Returns the seconds of transfer between a group and the groups on each device."""
    latency, per_byte = problem.average_link
    shared = [0.0] * problem.devices
    for op in problem.members[group]:
        for number in problem.inputs[op]:
            tensor = problem.tensors[number]
            other = problem.group[tensor.producer]
            if other != group:
                shared[assignment[other]] += latency + tensor.size * per_byte
        for number in problem.outputs[op]:
            tensor = problem.tensors[number]
            places = {
                assignment[problem.group[reader]]
                for reader in tensor.readers
                if problem.group[reader] != group
            }
            for device in places:
                shared[device] += latency + tensor.size * per_byte
    return shared
