"""Partial schedules, which the list schedulers (greedy, HEFT, ETF) extend by one operation at a time."""

from __future__ import annotations

from bisect import bisect_left
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..problem import Assignment, Problem


class Choice(NamedTuple):
    """Start and finish of an operation on a device."""

    finish: float
    start: float
    device: int


class PartialSchedule:
    """A schedule under construction; operations are added after their inputs.

    Memory is tracked in the order of additions: a tensor is held until its last reader is added. This
    approximates the simulator; ``repair`` fixes assignments that do not fit.
    """

    def __init__(self, problem: Problem, *, insertion: bool = False) -> None:
        devices = range(problem.devices)
        self.problem = problem
        self.assignment: Assignment = [-1] * len(problem.feasible)
        self.finish = [0.0] * len(problem.group)
        self.free = [0.0 for _ in devices]
        self.used = [0 for _ in devices]
        self._link_free = [[0.0 for _ in devices] for _ in devices]
        # Arrival times of tensors on devices other than their producers'.
        self._copies: dict[tuple[int, int], float] = {}
        self._readers_left = [len(t.readers) for t in problem.tensors]
        self._gaps: list[list[tuple[float, float]]] | None = [[] for _ in devices] if insertion else None

    def candidates(self, op: int) -> Sequence[int]:
        """Returns the devices for an operation: its group's if assigned; otherwise feasible ones with room, or the
        roomiest."""
        problem, group = self.problem, self.problem.group[op]
        if self.assignment[group] >= 0:
            return (self.assignment[group],)
        feasible = problem.feasible[group]
        needed = problem.group_persistent[group] + sum(problem.tensors[t].held for t in problem.outputs[op])
        room = [problem.limits[d] - self.used[d] for d in feasible]
        fitting = [d for d, bytes in zip(feasible, room) if bytes >= needed]
        return fitting or (feasible[room.index(max(room))],)

    def choice(self, op: int, device: int) -> Choice:
        """Returns start and finish of an operation on a device, including transfers of its inputs."""
        ready = 0.0
        for number in self.problem.inputs[op]:
            arrival = self._arrival(number, device)
            if arrival > ready:
                ready = arrival
        seconds = self.problem.seconds[op][device]
        start = self._start(device, ready, seconds)
        return Choice(start + seconds, start, device)

    def _arrival(self, number: int, device: int) -> float:
        tensor = self.problem.tensors[number]
        source = self.assignment[self.problem.group[tensor.producer]]
        if source == device:
            return self.finish[tensor.producer]
        copy = self._copies.get((number, device))
        if copy is not None:
            return copy
        leaving = max(self.finish[tensor.producer], self._link_free[source][device])
        return leaving + self.problem.transfer(tensor.size, source, device)

    def _start(self, device: int, ready: float, seconds: float) -> float:
        """Returns the earliest start: in the first long enough gap, if insertion is enabled, or at the end."""
        if self._gaps is not None:
            gaps = self._gaps[device]
            for place in range(bisect_left(gaps, ready, key=itemgetter(1)), len(gaps)):
                begin, end = gaps[place]
                start = max(begin, ready)
                if start + seconds <= end:
                    return start
        return max(self.free[device], ready)

    def put(self, op: int, choice: Choice) -> None:
        """Adds the operation: transfers its inputs and assigns its group to the device."""
        problem, device = self.problem, choice.device
        group = problem.group[op]
        if self.assignment[group] < 0:
            self.assignment[group] = device
            self.used[device] += problem.group_persistent[group]
        for number in problem.inputs[op]:
            self._bring(number, device)
        self._occupy(device, choice)
        self.finish[op] = choice.finish
        for number in problem.outputs[op]:
            self.used[device] += problem.tensors[number].held
        for number in problem.inputs[op]:
            self._readers_left[number] -= 1
            if not self._readers_left[number]:
                self._drop(number)

    def _bring(self, number: int, device: int) -> None:
        tensor = self.problem.tensors[number]
        source = self.assignment[self.problem.group[tensor.producer]]
        if source == device or (number, device) in self._copies:
            return
        leaving = max(self.finish[tensor.producer], self._link_free[source][device])
        self._copies[number, device] = leaving + self.problem.transfer(tensor.size, source, device)
        self._link_free[source][device] = leaving + self.problem.occupied(tensor.size, source, device)
        self.used[device] += tensor.size

    def _occupy(self, device: int, choice: Choice) -> None:
        if self._gaps is not None:
            gaps = self._gaps[device]
            if choice.start < self.free[device]:
                place = bisect_left(gaps, choice.finish, key=itemgetter(1))
                begin, end = gaps[place]
                rest = ((begin, choice.start), (choice.finish, end))
                gaps[place : place + 1] = [gap for gap in rest if gap[1] > gap[0]]
            elif choice.start > self.free[device]:
                gaps.append((self.free[device], choice.start))
        self.free[device] = max(self.free[device], choice.finish)

    def _drop(self, number: int) -> None:
        tensor = self.problem.tensors[number]
        source = self.assignment[self.problem.group[tensor.producer]]
        self.used[source] -= tensor.held
        for device in range(self.problem.devices):
            if (number, device) in self._copies:
                self.used[device] -= tensor.size
