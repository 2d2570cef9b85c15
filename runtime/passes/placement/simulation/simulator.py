"""Discrete-event simulator, which scores all placements.

The simulated machine:

* A device runs one operation at a time, in the order in which they become ready (first come, first served, as in
  TensorFlow's executor); ties go to the lower number.
* A tensor is sent once to each other device that reads it, as soon as its producer finishes. Each directed link
  carries the bytes of one transfer at a time, in order; latency comes on top and does not delay the next transfer.
  Transfers do not keep devices from computing.
* An output takes memory from the start of its operation until its last reader on that device finishes and all its
  transfers arrive; a copy from the start of its transfer until its last reader there finishes. Variables and
  constants take their memory all the time.
* The step ends with its last operation, but not before the shared interpreter could do its part.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..problem import Assignment, Problem


class SimulatedTransfer(NamedTuple):
    """A transfer of a tensor; seconds since the start of the step."""

    tensor: int
    source: int
    target: int
    start: float
    finish: float


class SimulatedSchedule(NamedTuple):
    """The result of a simulation: times of operations and transfers in seconds, and peak bytes of every device."""

    place: Sequence[int]
    start: Sequence[float]
    finish: Sequence[float]
    transfers: Sequence[SimulatedTransfer]
    makespan: float
    peak: tuple[int, ...]


def simulate(problem: Problem, assignment: Assignment) -> SimulatedSchedule:
    """Simulates a placement. Takes linear time in operations and tensors, except for the event queue."""
    place = problem.spread(assignment)
    start, finish, transfers = _replay(problem, place)
    makespan = max(max(finish, default=0.0), _interpreted(problem, place, transfers))
    return SimulatedSchedule(
        place, start, finish, transfers, makespan, _peak(problem, place, start, finish, transfers)
    )


def _interpreted(problem: Problem, place: list[int], transfers: Sequence[SimulatedTransfer]) -> float:
    """Returns the longest time for which a shared interpreter is needed."""
    longest = 0.0
    for devices, call, hand_over in problem.interpreters:
        calls = np.bincount(np.asarray(place, np.intp)[problem.calls], minlength=problem.devices)[
            list(devices)
        ]
        if np.count_nonzero(calls) > 1:
            moved = sum(t.source in devices and t.target in devices for t in transfers)
            longest = max(longest, call * int(calls.sum()) + hand_over * moved)
    return longest


def _replay(problem: Problem, place: list[int]) -> tuple[list[float], list[float], list[SimulatedTransfer]]:
    count = len(place)
    seconds, tensors, outputs = problem.seconds, problem.tensors, problem.outputs
    waiting = [len(inputs) for inputs in problem.inputs]
    start, finish = [0.0] * count, [0.0] * count
    free = [0.0] * problem.devices
    link_free = [[0.0] * problem.devices for _ in free]
    transfers: list[SimulatedTransfer] = []
    arrivals: list[list[int]] = []
    # (when, what): an operation is done, or, from ``count`` on, a transfer. Because operations become ready in
    # the order of time, a device's queue is just the time at which it will be free.
    events: list[tuple[float, int]] = []
    for op in range(count):
        if not waiting[op]:
            device = place[op]
            start[op] = free[device]
            finish[op] = free[device] = free[device] + seconds[op][device]
            events.append((finish[op], op))
    heapify(events)
    while events:
        now, what = heappop(events)
        if what >= count:
            ready = arrivals[what - count]
            here = -1
        else:
            here = place[what]
            ready = []
            for number in outputs[what]:
                away: dict[int, list[int]] = {}
                for reader in tensors[number].readers:
                    device = place[reader]
                    if device == here:
                        ready.append(reader)
                    elif device in away:
                        away[device].append(reader)
                    else:
                        away[device] = [reader]
                for device in away:
                    begin = max(now, link_free[here][device])
                    size = tensors[number].size
                    end = begin + problem.transfer(size, here, device)
                    link_free[here][device] = begin + problem.occupied(size, here, device)
                    heappush(events, (end, count + len(transfers)))
                    transfers.append(SimulatedTransfer(number, here, device, begin, end))
                    arrivals.append(away[device])
        for op in ready:
            waiting[op] -= 1
            if waiting[op]:
                continue
            device = place[op]
            begin = free[device]
            if begin < now:
                begin = now
            start[op] = begin
            finish[op] = free[device] = end = begin + seconds[op][device]
            heappush(events, (end, op))
    return start, finish, transfers


class MemoryResidence(NamedTuple):
    """Tensors and copies in memory, with device and time span (start included, finish excluded)."""

    tensor: NDArray[np.intp]
    device: NDArray[np.intp]
    start: NDArray[np.float64]
    finish: NDArray[np.float64]
    bytes: NDArray[np.int64]


def memory_residence(
    problem: Problem,
    place: Sequence[int],
    start: Sequence[float],
    finish: Sequence[float],
    transfers: Sequence[SimulatedTransfer],
) -> MemoryResidence:
    """Returns the memory residence of every tensor and copy, without empty ones."""
    produced, read = problem.tensor_table, problem.reader_table
    devices, count = problem.devices, len(problem.tensors)
    where = np.asarray(place, np.intp)
    ends = np.asarray(finish, np.float64)
    # One row per tensor, then one per transfer.
    moved = np.array([(t.tensor, t.source, t.target) for t in transfers], np.intp).reshape(-1, 3)
    times = np.array([(t.start, t.finish) for t in transfers], np.float64).reshape(-1, 2)
    tensor = np.concatenate([np.arange(count), moved[:, 0]])
    device = np.concatenate([where[produced.producer], moved[:, 2]])
    begin = np.concatenate([np.asarray(start, np.float64)[produced.producer], times[:, 0]])
    held = np.concatenate([produced.held, produced.size[moved[:, 0]]])
    # The last reader of each tensor on each device, then the last departure.
    last = np.zeros(count * devices)
    np.maximum.at(last, read.tensor * devices + where[read.reader], ends[read.reader])
    np.maximum.at(last, moved[:, 0] * devices + moved[:, 1], times[:, 1])
    until = np.maximum(
        last[tensor * devices + device], np.concatenate([ends[produced.producer], times[:, 1]])
    )
    kept = held > 0
    return MemoryResidence(tensor[kept], device[kept], begin[kept], until[kept], held[kept])


def _peak(
    problem: Problem,
    place: list[int],
    start: list[float],
    finish: list[float],
    transfers: list[SimulatedTransfer],
) -> tuple[int, ...]:
    always = np.bincount(place, problem.tensor_table.persistent, problem.devices)
    there = memory_residence(problem, place, start, finish, transfers)
    peak = [int(b) for b in always]
    for device in range(problem.devices):
        mine = there.device == device
        when = np.concatenate([there.finish[mine], there.start[mine]])
        change = np.concatenate([-there.bytes[mine], there.bytes[mine]])
        # At equal times, frees precede allocations: the sort is stable.
        level = np.cumsum(change[np.argsort(when, kind="stable")])
        if level.size:
            peak[device] += max(0, int(level.max()))
    return tuple(peak)


def excess(problem: Problem, schedule: SimulatedSchedule) -> float:
    """Returns the bytes over the memory limits, summed over the devices; 0 if the placement fits."""
    return sum(max(0.0, peak - limit) for peak, limit in zip(schedule.peak, problem.limits))


def traffic(problem: Problem, schedule: SimulatedSchedule) -> dict[tuple[int, int], int]:
    """Returns the bytes sent over each directed link in use."""
    total: dict[tuple[int, int], int] = {}
    for t in schedule.transfers:
        link = (t.source, t.target)
        total[link] = total.get(link, 0) + problem.tensors[t.tensor].size
    return total


def score(problem: Problem, schedule: SimulatedSchedule) -> tuple[float, float, int]:
    """Returns the score of a schedule, lower is better: excess bytes, then makespan, then the number of transfers."""
    return excess(problem, schedule), schedule.makespan, len(schedule.transfers)
