"""The critical path: the operations and transfers that determine the length of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..problem import Problem
    from .simulator import SimulatedSchedule


class CriticalPath(NamedTuple):
    """Operations, and transfers by their index in the schedule."""

    ops: frozenset[int]
    transfers: frozenset[int]


def critical_path(problem: Problem, schedule: SimulatedSchedule) -> CriticalPath:
    """Traces the chain of causes back from the last operation: at each point an input, or the previous work of the
    device or link. Where several ended at that time, the input takes precedence."""
    if not schedule.place:
        return CriticalPath(frozenset(), frozenset())
    causes = _Search(problem, schedule)
    ops: set[int] = set()
    moved: set[int] = set()
    op: int | None = max(range(len(schedule.place)), key=lambda o: (schedule.finish[o], -o))
    transfer: int | None = None
    while op is not None or transfer is not None:
        if op is not None:
            ops.add(op)
            op, transfer = causes.before_op(op)
        elif transfer is not None:
            moved.add(transfer)
            op, transfer = causes.before_transfer(transfer)
    return CriticalPath(frozenset(ops), frozenset(moved))


class _Search:
    """Lookup tables of a schedule, by end time."""

    def __init__(self, problem: Problem, schedule: SimulatedSchedule) -> None:
        self.problem = problem
        self.schedule = schedule
        self.arrival = {(t.tensor, t.target): i for i, t in enumerate(schedule.transfers)}
        # Entries of zero duration cannot have delayed anything.
        self.device_until = {
            (schedule.place[op], finish): op
            for op, finish in enumerate(schedule.finish)
            if finish > schedule.start[op]
        }
        self.link_until = {
            (t.source, t.target, t.start + spent): i
            for i, t in enumerate(schedule.transfers)
            if (spent := problem.occupied(problem.tensors[t.tensor].size, t.source, t.target))
        }

    def before_op(self, op: int) -> tuple[int | None, int | None]:
        start, device = self.schedule.start[op], self.schedule.place[op]
        for number in self.problem.inputs[op]:
            producer = self.problem.tensors[number].producer
            if self.schedule.place[producer] == device:
                if self.schedule.finish[producer] == start:
                    return producer, None
            else:
                transfer = self.arrival[number, device]
                if self.schedule.transfers[transfer].finish == start:
                    return None, transfer
        return self.device_until.get((device, start)), None

    def before_transfer(self, transfer: int) -> tuple[int | None, int | None]:
        t = self.schedule.transfers[transfer]
        producer = self.problem.tensors[t.tensor].producer
        if self.schedule.finish[producer] == t.start:
            return producer, None
        return None, self.link_until.get((t.source, t.target, t.start))
