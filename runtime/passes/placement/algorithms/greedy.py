"""The greedy placement by simulated execution of the TensorFlow white paper (section 3.2.1).

It starts with the sources and follows the simulated time: whenever an operation becomes ready, each feasible
device is tried, and that device is chosen where it would be done first, its own time and the transfers of its
inputs considered.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from .partial_schedule import PartialSchedule

if TYPE_CHECKING:
    from ..problem import Assignment, Problem


def greedy(problem: Problem) -> Assignment:
    """Each operation, as it becomes ready, on the device that is done with it first; ties to the lower one."""
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
