"""A step of a placed graph as the simulator sees it: what is drawn, traced, and held against what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .constraints import constrain
from .costs import estimate
from .formulate import formulate
from .simulator import simulate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...graphfmt.graph import Graph
    from .formulate import Formulation
    from .machine import Machine
    from .place import Placement
    from .simulator import Schedule


class Simulation(NamedTuple):
    """A graph in which every node has a device of the machine, and how a step of it goes there."""

    graph: Graph
    machine: Machine
    formulation: Formulation
    schedule: Schedule


def of_placement(placement: Placement) -> Simulation:
    return Simulation(placement.graph, placement.machine, placement.formulation, placement.best.schedule)


def of_placed(
    graph: Graph, machine: Machine, costs: Mapping[str, float] | None = None, *, batch: int = 1
) -> Simulation:
    """How a step of all nodes of a graph goes that is placed already.

    Args:
        graph: every node has the full name of a device.
        costs: measured seconds by node; estimates, if not given.
        batch: what open dimensions are taken to be.

    Raises INVALID_ARGUMENT for a faulty graph, or a node that cannot be where it is.
    """
    constraints = constrain(graph, machine)
    formulation = formulate(graph, machine, constraints, estimate(graph, batch=batch), costs)
    place = {name: machine.names.index(name) for name in machine.names}
    assignment = [place[graph[group.nodes[0]].device] for group in constraints.groups]
    return Simulation(graph, machine, formulation, simulate(formulation.problem, assignment))
