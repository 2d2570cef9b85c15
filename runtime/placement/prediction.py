"""How well the simulator knows a step that was measured: the same step, with its nodes' measured costs."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from ...kernels.kinds import SENDS
from .measured import MeasuredStep, mean_costs, typical
from .simulation import of_placed
from .timeline import timeline

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ...graphfmt.graph import Graph
    from ..trace import Event, Trace
    from .machine import Machine
    from .simulation import Simulation


class Prediction(NamedTuple):
    """``measured`` are the seconds of a typical step from the first node's start to the last one's end; ``shown``
    is the start of one that took as long, in nanoseconds of the process's clock."""

    simulation: Simulation
    measured: float
    shown: int

    @property
    def simulated(self) -> float:
        return self.simulation.schedule.makespan

    @property
    def error(self) -> float:
        """The simulated time is that much too long, as a share of the measured time; negative if too short."""
        return self.simulated / self.measured - 1 if self.measured else 0.0

    def timeline(self, origin: int) -> list[dict[str, Any]]:
        """The simulated step in Chrome's format, at the time of the measured one."""
        return timeline(self.simulation, (self.shown - origin) / 1000)


def predict(trace: Trace, graph: Graph, machine: Machine, *, batch: int = 1) -> Prediction:
    """Simulates the step that a trace has recorded.

    What a send keeps its device busy counts to the node whose value it sends. Nodes without an event were
    computed when the plan was built, and take no time.

    Args:
        trace: steps of one signature; at least one event.
        graph: what these steps ran, with a device for every node.
        batch: what open dimensions are taken to be.
    """
    events: dict[int, list[Event]] = defaultdict(list)
    for event in trace.events:
        events[event.step].append(event)
    steps = [_step(events[step]) for step in sorted(events)]
    costs = dict.fromkeys(graph.index, 0.0) | mean_costs(steps)
    measured = fmean(step.seconds for step in typical(steps))
    starts = {min(event.start for event in found): _step(found).seconds for found in events.values()}
    shown = min(starts, key=lambda start: abs(starts[start] - measured))
    return Prediction(of_placed(graph, machine, costs, batch=batch), measured, shown)


def _step(events: Sequence[Event]) -> MeasuredStep:
    costs: dict[str, float] = defaultdict(float)
    for event in events:
        node = event.source if event.op in SENDS and event.source else event.node
        costs[node] += (event.end - event.start) / 1e9
    length = max(event.end for event in events) - min(event.start for event in events)
    return MeasuredStep(length / 1e9, costs)
