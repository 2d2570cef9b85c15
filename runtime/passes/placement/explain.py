"""Explanations of a placement: a node's finish time on each feasible device, and the effect of a move.

Finish times assume the final schedule with everything else unchanged: inputs on other devices are sent as soon
as they are computed, and the node waits for the device as it waited for its own. The makespan after a move is
simulated with the node's whole colocation group moved.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from .simulation.simulator import simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .place import Placement


class InputArrival(NamedTuple):
    """An input that would be transferred: endpoint, source device, and arrival time in seconds."""

    tensor: str
    source: str
    arrival: float


class Alternative(NamedTuple):
    """A feasible device for a node, with times in seconds since the start of the step.

    ``makespan`` and ``excess`` (bytes over the device's memory) are those of the whole step after the move.
    """

    device: str
    chosen: bool
    start: float
    finish: float
    waits: Sequence[InputArrival]
    makespan: float
    excess: float


class Explanation(NamedTuple):
    """The placement of a node; ``together`` is its colocation group, including the node."""

    node: str
    together: Sequence[str]
    requested: str
    alternatives: Sequence[Alternative]


class NodeTimes(NamedTuple):
    """Start and finish of a node on its device, and its finish on each feasible device, in seconds."""

    node: str
    device: str
    start: float
    finish: float
    elsewhere: Sequence[tuple[str, float]]


def explain(placement: Placement, node: str) -> Explanation:
    """Explains the placement of one node. Raises NOT_FOUND, with the nearest name, for an unknown one."""
    name = placement.graph[node].name
    op = list(placement.formulation.nodes).index(name)
    explainer = _Explainer(placement)
    group = placement.constraints.groups[placement.problem.group[op]]
    alternatives = [
        explainer.alternative(op, device)
        for device in placement.problem.feasible[placement.problem.group[op]]
    ]
    return Explanation(name, group.nodes, str(group.requested), alternatives)


def node_times(placement: Placement) -> list[NodeTimes]:
    """Returns the times of every node, ordered by start."""
    explainer, problem, schedule = _Explainer(placement), placement.problem, placement.best.schedule
    names = placement.machine.names
    rows = [
        NodeTimes(
            node,
            names[schedule.place[op]],
            schedule.start[op],
            schedule.finish[op],
            [(names[d], explainer.finish(op, d)) for d in problem.feasible[problem.group[op]]],
        )
        for op, node in enumerate(placement.formulation.nodes)
    ]
    return sorted(rows, key=lambda row: (row.start, row.finish, row.node))


class _Explainer:
    """Finish times of nodes on other devices, under one schedule."""

    def __init__(self, placement: Placement) -> None:
        self.placement = placement
        self.problem = placement.problem
        self.schedule = placement.best.schedule
        self.arrived = {(t.tensor, t.target): t.finish for t in self.schedule.transfers}
        self.busy: list[list[tuple[float, float]]] = [[] for _ in placement.machine.names]
        for op, device in enumerate(self.schedule.place):
            if self.schedule.finish[op] > self.schedule.start[op]:
                self.busy[device].append((self.schedule.start[op], self.schedule.finish[op]))
        for spans in self.busy:
            spans.sort()

    def alternative(self, op: int, device: int) -> Alternative:
        problem, best = self.problem, self.placement.best
        chosen = device == self.schedule.place[op]
        moved = self.schedule
        if not chosen:
            assignment = list(best.assignment)
            assignment[problem.group[op]] = device
            moved = simulate(problem, assignment)
        finish = self.finish(op, device)
        return Alternative(
            self.placement.machine.names[device],
            chosen,
            finish - problem.seconds[op][device],
            finish,
            self.waits(op, device),
            moved.makespan,
            max(0.0, moved.peak[device] - problem.limits[device]),
        )

    def finish(self, op: int, device: int) -> float:
        """Returns a node's finish time on a device, after the operation that occupies the device when the inputs
        are ready."""
        if device == self.schedule.place[op]:
            return self.schedule.finish[op]
        ready = max((self.arrival(number, device) for number in self.problem.inputs[op]), default=0.0)
        spans = self.busy[device]
        before = bisect_right(spans, (ready, float("inf"))) - 1
        if before >= 0:
            ready = max(ready, spans[before][1])
        return ready + self.problem.seconds[op][device]

    def waits(self, op: int, device: int) -> list[InputArrival]:
        """Returns the inputs of a node from other devices, the last to arrive first."""
        names, arrivals = self.placement.machine.names, list[InputArrival]()
        for number in self.problem.inputs[op]:
            source = self.schedule.place[self.problem.tensors[number].producer]
            if source != device:
                endpoint = self.placement.formulation.endpoints[number]
                arrivals.append(InputArrival(endpoint, names[source], self.arrival(number, device)))
        return sorted(arrivals, key=lambda wait: (-wait.arrival, wait.tensor))

    def arrival(self, number: int, device: int) -> float:
        """Returns the time when a tensor is on a device, or would be if sent as soon as it is computed."""
        tensor = self.problem.tensors[number]
        source = self.schedule.place[tensor.producer]
        computed = self.schedule.finish[tensor.producer]
        if source == device:
            return computed
        known = self.arrived.get((number, device))
        return known if known is not None else computed + self.problem.transfer(tensor.size, source, device)
