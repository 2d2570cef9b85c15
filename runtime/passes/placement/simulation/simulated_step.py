"""A simulated step of a placed graph, for drawings, traces and comparison with measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .....graphfmt.devices import parse_device
from ..constraints.constraints import ColocationGroup, Constraints
from ..costs.cost_model import estimate_work
from ..formulate import formulate
from ..placed import resolve_devices
from .simulator import simulate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .....graphfmt.graph import Graph
    from ..formulate import Formulation
    from ..machine.machine import Machine
    from ..place import Placement
    from .simulator import SimulatedSchedule


class Simulation(NamedTuple):
    """A graph placed on a machine, and the simulated schedule of a step."""

    graph: Graph
    machine: Machine
    formulation: Formulation
    schedule: SimulatedSchedule


def simulation_of_placement(placement: Placement) -> Simulation:
    """Returns the simulation behind a placement."""
    return Simulation(placement.graph, placement.machine, placement.formulation, placement.best.schedule)


def simulate_placed_graph(
    graph: Graph, machine: Machine, costs: Mapping[str, float] | None = None, *, batch: int = 1
) -> Simulation:
    """Simulates a step of all nodes of a placed graph.

    Args:
        graph: every node is on a device of the machine.
        costs: measured seconds by node; estimates by default.
        batch: replaces open dimensions.

    Raises INVALID_ARGUMENT for a faulty graph, or a node without a device.
    """
    where = resolve_devices(graph, machine)
    names = sorted(where)
    groups = tuple(ColocationGroup((name,), parse_device(where[name]), (where[name],)) for name in names)
    constraints = Constraints(groups, {name: number for number, name in enumerate(names)}, ())
    formulation = formulate(graph, machine, constraints, estimate_work(graph, batch=batch), costs)
    assignment = [feasible[0] for feasible in formulation.problem.feasible]
    return Simulation(graph, machine, formulation, simulate(formulation.problem, assignment))
