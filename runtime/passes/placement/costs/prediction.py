"""Prediction error: compares a measured step with its simulation at the nodes' measured costs."""

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
    """A simulation and the measured step.

    ``measured`` are the seconds of a typical step, from the start of its first node to the end of its last;
    ``shown`` is the start of a step of about that duration, in nanoseconds of the process's clock.
    """

    simulation: Simulation
    measured: float
    shown: int

    @property
    def simulated(self) -> float:
        return self.simulation.schedule.makespan

    @property
    def error(self) -> float:
        """Returns the relative error of the simulated time; negative if it is too short."""
        return self.simulated / self.measured - 1 if self.measured else 0.0

    def timeline(self, origin: int) -> list[dict[str, Any]]:
        """Returns the simulated step in Chrome's trace format, aligned with the measured one."""
        return timeline(self.simulation, (self.shown - origin) / 1000)


def predict(trace: StepTrace, graph: Graph, machine: Machine, *, batch: int = 1) -> Prediction:
    """Simulates a traced step, with the measured hand-over as latency of links.

    Nodes without an event were computed when the plan was built, and take no time.

    Args:
        trace: steps of one signature, with at least one event.
        graph: the graph that these steps ran, with a device for every node.
        batch: replaces open dimensions.
    """
    steps = observe_steps(trace.events)
    measured = summarize_steps(steps)
    costs = dict.fromkeys(graph.index, 0.0) | dict(measured.costs)
    simulation = simulate_placed_graph(graph, with_hand_over(machine, measured.hand_over), costs, batch=batch)
    shown = min(steps, key=lambda step: abs(step.seconds - measured.seconds))
    return Prediction(simulation, measured.seconds, shown.start)
