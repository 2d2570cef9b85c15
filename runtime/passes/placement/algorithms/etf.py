"""ETF, earliest task first (Hwang, Chow, Anger, Lee 1989).

Of all ready operations and devices, schedules the pair with the earliest start; ties go to the operation with
the longest chain of successors.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from .heft import upward_ranks
from .partial_schedule import Choice, PartialSchedule

if TYPE_CHECKING:
    from ..problem import Assignment, Problem

MOST_LOOKED_AT = 16


def etf(problem: Problem) -> Assignment:
    """Returns the assignment of ETF; ties to the lower number.

    Start times only grow as operations are scheduled, so a queue ordered by outdated start times still yields
    the minimum: the head is re-evaluated, and pushed back if it grew. At most ``MOST_LOOKED_AT`` entries are
    re-evaluated per operation, which bounds the cost where hundreds are ready.
    """
    rank = upward_ranks(problem)
    partial = PartialSchedule(problem)
    waiting = [len(inputs) for inputs in problem.inputs]

    def entry(op: int) -> tuple[float, float, int, Choice]:
        choices = [partial.choice(op, device) for device in partial.candidates(op)]
        first = min(choices, key=lambda choice: (choice.start, choice.finish, choice.device))
        return first.start, -rank[op], op, first

    ready = [entry(op) for op, count in enumerate(waiting) if not count]
    heapify(ready)
    while ready:
        looked_at = [entry(heappop(ready)[2])]
        while ready and min(looked_at) > ready[0] and len(looked_at) < MOST_LOOKED_AT:
            looked_at.append(entry(heappop(ready)[2]))
        first = min(looked_at)
        for other in looked_at:
            if other is not first:
                heappush(ready, other)
        op = first[2]
        partial.put(op, first[3])
        for number in problem.outputs[op]:
            for reader in problem.tensors[number].readers:
                waiting[reader] -= 1
                if not waiting[reader]:
                    heappush(ready, entry(reader))
    return partial.assignment
