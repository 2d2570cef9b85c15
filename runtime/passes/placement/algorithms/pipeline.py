"""Pipelines: contiguous stages of a linear order of groups, one per device, found by dynamic programming.

Two orders are tried. *Unfolded*: by the longest chain from the sources, so that stages follow each other.
*Folded*: by the shortest chain along large tensors, which puts backward operations beside the forward ones that
share their activations, so that a stage keeps a layer's variables, activations and gradients. Two objectives:
little traffic, and equal work per stage. The simulator chooses among the four results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..simulation.simulator import score, simulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..problem import Assignment, Problem

    Array = NDArray[np.float64]

# The number of segments of the order between which stages may be cut.
PIECES = 256
# A device at twice its memory limit costs this many times the work of the whole step.
_OVERFULL = 1000.0


def pipeline(problem: Problem) -> Assignment:
    """Returns the best of the four pipelines."""
    return min(pipelines(problem), key=lambda a: score(problem, simulate(problem, a)))


def pipelines(problem: Problem) -> list[Assignment]:
    """Returns the four pipelines: unfolded and folded, each for little traffic and for equal work."""
    if not problem.group:
        return [[]]
    return [
        _stages(problem, _pieces(problem, _positions(problem, folded=folded)), balanced=balanced)
        for folded in (False, True)
        for balanced in (False, True)
    ]


def order_of_groups(problem: Problem, *, folded: bool) -> list[int]:
    """Returns the groups in the order that stages are cut from; ties to the lower number."""
    position = _positions(problem, folded=folded)
    return sorted(range(len(position)), key=lambda group: (position[group], group))


def _positions(problem: Problem, *, folded: bool) -> list[float]:
    """Returns the position of each group: that of its first operation.

    Operations that depend only on variables and constants take the position of their first reader.
    """
    stands = _chains(problem, folded=folded)
    first: list[float | None] = [None] * len(problem.feasible)
    for op, group in enumerate(problem.group):
        first[group] = _least(first[group], stands[op])
    # In reverse order, readers come before their producers.
    for op in reversed(range(len(stands))):
        if stands[op] is not None:
            continue
        group = problem.group[op]
        if first[group] is not None:
            stands[op] = first[group]
            continue
        for number in problem.outputs[op]:
            for reader in problem.tensors[number].readers:
                stands[op] = _least(stands[op], stands[reader])
    for op, group in enumerate(problem.group):
        first[group] = _least(first[group], stands[op])
    return [place or 0.0 for place in first]


def _least(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else min(a, b)


def _chains(problem: Problem, *, folded: bool) -> list[float | None]:
    """Returns the length of the chain to each operation: the longest one, or, folded, the shortest along inputs of
    at least half the size of the largest. None for operations that depend only on variables and constants."""
    lengths: list[float | None] = []
    for op, inputs in enumerate(problem.inputs):
        if not inputs and not problem.persistent[op] and problem.outputs[op] and _is_fed(problem, op):
            lengths.append(0.0)
            continue
        before = [
            (problem.tensors[t].size, length)
            for t in inputs
            if (length := lengths[problem.tensors[t].producer]) is not None
        ]
        if not before:
            lengths.append(None)
        elif folded:
            large = max(size for size, _ in before) / 2
            lengths.append(min(length for size, length in before if size >= large) + problem.average[op])
        else:
            lengths.append(max(length for _, length in before) + problem.average[op])
    return lengths


def _is_fed(problem: Problem, op: int) -> bool:
    """Returns True for a source that is neither a variable nor a constant: its value takes memory of its own."""
    return any(problem.tensors[t].held for t in problem.outputs[op])


class _Segments(NamedTuple):
    """A linear order in segments: ``of[group]`` is a group's segment; the arrays are prefix sums at each boundary."""

    of: NDArray[np.intp]
    seconds: Array
    persistent: Array
    held: Array
    crossing: Array
    total: float


def _pieces(problem: Problem, position: list[float]) -> _Segments:
    groups = len(problem.feasible)
    order = np.argsort(np.array(position), kind="stable")
    allowed = np.zeros((groups, problem.devices))
    for group, devices in enumerate(problem.feasible):
        allowed[group, list(devices)] = 1
    seconds = problem.group_seconds * allowed
    persistent = np.asarray(problem.group_persistent, np.float64)
    held = np.zeros(groups)
    np.add.at(
        held, np.asarray(problem.group, np.intp)[problem.tensor_table.producer], problem.tensor_table.held
    )
    held *= _live_share(problem)
    weight = np.full(groups, 1e-3 / max(groups, 1))
    for part in (seconds.mean(axis=1), persistent + held):
        weight += part / max(part.sum(), 1e-300)
    reached = np.cumsum(weight[order])
    of = np.empty(groups, np.intp)
    of[order] = np.minimum((reached - weight[order] / 2) / max(reached[-1], 1e-300) * PIECES, PIECES - 1)

    def before(part: Array) -> Array:
        table = np.zeros((PIECES + 1, *part.shape[1:]))
        np.add.at(table, of + 1, part)
        return np.cumsum(table, axis=0)

    return _Segments(
        of,
        before(seconds),
        before(persistent),
        before(held),
        _crossing(problem, of),
        float(seconds.mean(1).sum()),
    )


def _live_share(problem: Problem) -> float:
    """Returns the share of all output bytes that are alive at the peak, with every group on its first feasible
    device."""
    schedule = simulate(problem, [devices[0] for devices in problem.feasible])
    total = float(problem.tensor_table.held.sum())
    return min(1.0, max(0.0, sum(schedule.peak) - sum(problem.persistent)) / total) if total else 0.0


def _crossing(problem: Problem, of: NDArray[np.intp]) -> Array:
    """Returns the seconds of transfer over each boundary, if both sides are on different devices."""
    latency, per_byte = problem.average_link
    steps = np.zeros(PIECES + 2)
    for tensor in problem.tensors:
        places = [of[problem.group[op]] for op in (tensor.producer, *tensor.readers)]
        low, high = min(places), max(places)
        if low < high:
            cost = latency + tensor.size * per_byte
            steps[low + 1] += cost
            steps[high + 1] -= cost
    return np.cumsum(steps)[: PIECES + 1]


def _stages(problem: Problem, pieces: _Segments, *, balanced: bool) -> Assignment:
    """Cuts the segments into one stage per device, in device order; stages may be empty."""
    count = PIECES + 1
    best = np.where(np.arange(count) == 0, 0.0, np.inf)
    cuts: list[NDArray[np.intp]] = []
    for device in range(problem.devices):
        cost = _stage_cost(problem, pieces, device)
        through = np.maximum(best[:, None], cost) if balanced else best[:, None] + cost
        cuts.append(through.argmin(axis=0))
        best = through.min(axis=0)
    device_of = np.zeros(PIECES, np.intp)
    end = PIECES
    for device in reversed(range(problem.devices)):
        begin = int(cuts[device][end])
        device_of[begin:end] = device
        end = begin
    return [
        _allowed(problem, group, int(device_of[pieces.of[group]])) for group in range(len(problem.feasible))
    ]


def _stage_cost(problem: Problem, pieces: _Segments, device: int) -> Array:
    """Returns the cost of a stage on a device by [begin, end]; inf where end is before begin."""

    def between(before: Array) -> Array:
        return before[None, :] - before[:, None]

    cost = between(pieces.seconds[:, device]) + pieces.crossing[:, None]
    limit = problem.limits[device]
    if np.isfinite(limit):
        bytes = between(pieces.persistent) + between(pieces.held)
        over = np.maximum(bytes - limit, 0) / max(limit, 1.0)
        cost = cost + _OVERFULL * max(pieces.total, 1e-9) * over
    begin, end = np.indices(cost.shape)
    return np.where(begin < end, cost, np.where(begin == end, 0.0, np.inf))


def _allowed(problem: Problem, group: int, device: int) -> int:
    """Returns the device if it is feasible for the group, otherwise the nearest feasible one."""
    feasible = problem.feasible[group]
    return device if device in feasible else min(feasible, key=lambda d: (abs(d - device), d))
