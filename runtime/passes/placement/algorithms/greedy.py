"""The greedy placement of the TensorFlow white paper (section 3.2.1), by simulated execution.

It follows simulated time from the sources: when an operation becomes ready, it is assigned to the feasible
device where it finishes first, including the transfers of its inputs.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from .partial_schedule import PartialSchedule

if TYPE_CHECKING:
    from ..problem import Assignment, Problem


def greedy(problem: Problem) -> Assignment:
    """Returns the greedy assignment; ties to the lower device."""
    partial = PartialSchedule(problem)
    waiting = [len(inputs) for inputs in problem.inputs]
    ready = [(0.0, op) for op, count in enumerate(waiting) if not count]
    heapify(ready)
    while ready:
        _, op = heappop(ready)
        partial.put(op, min(partial.choice(op, device) for device in partial.candidates(op)))
        for number in problem.outputs[op]:
            for reader in problem.tensors[number].readers:
                waiting[reader] -= 1
                if not waiting[reader]:
                    inputs = problem.inputs[reader]
                    since = max(partial.finish[problem.tensors[t].producer] for t in inputs)
                    heappush(ready, (since, reader))
    return partial.assignment
