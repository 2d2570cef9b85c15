"""How well the simulator knows a step that was measured: the same step, with its nodes' measured costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..simulation.simulated_step import simulate_placed_graph
from ..simulation.timeline import timeline
from .observed_steps import observe_steps, summarize_steps, with_hand_over

if TYPE_CHECKING:
    from typing import Any

    from .....graphfmt.graph import Graph
    from ....execution.trace import StepTrace
    from ..machine.machine import Machine
    from ..simulation.simulated_step import Simulation


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


def predict(trace: StepTrace, graph: Graph, machine: Machine, *, batch: int = 1) -> Prediction:
    """Simulates the step that a trace has recorded, on links that take as long to hand a tensor over as these did.
    Nodes without an event were computed when the plan was built, and take no time.

    Args:
        trace: steps of one signature; at least one event.
        graph: what these steps ran, with a device for every node.
        batch: what open dimensions are taken to be.
    """
    steps = observe_steps(trace.events)
    found = summarize_steps(steps)
    costs = dict.fromkeys(graph.index, 0.0) | dict(found.costs)
    simulation = simulate_placed_graph(graph, with_hand_over(machine, found.hand_over), costs, batch=batch)
    shown = min(steps, key=lambda step: abs(step.seconds - found.seconds))
    return Prediction(simulation, found.seconds, shown.start)
