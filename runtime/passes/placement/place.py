"""The placement pass: gives every node of a graph a device.

Each algorithm proposes an assignment, ``repair`` makes it fit the devices' memory, and the simulator scores it;
the search starts from the best assignment of the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.names import did_you_mean
from ..prune import StepSignature, prune
from .algorithms.annealing import Budget, search
from .algorithms.etf import etf
from .algorithms.greedy import greedy
from .algorithms.heft import heft
from .algorithms.memory_repair import repair
from .algorithms.pipeline import pipeline
from .algorithms.single_device import single_device
from .constraints.constraints import constrain
from .costs.cost_model import estimate_work
from .formulate import Formulation, formulate
from .simulation.bounds import Bounds, lower_bounds
from .simulation.simulator import SimulatedSchedule, excess, score, simulate, traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ....graphfmt.graph import Graph
    from .constraints.constraints import Constraints
    from .machine.machine import Machine
    from .problem import Assignment, Problem

SINGLE = "single"
# Algorithms that need no starting point, in the order that breaks ties; ``search`` starts from their results.
PLACERS: Mapping[str, Callable[[Problem], Assignment]] = {
    "greedy": greedy,
    "heft": heft,
    "etf": etf,
    "pipeline": pipeline,
    SINGLE: single_device,
}
SEARCH = "search"
BEST = "best"
# The better of two fast algorithms, for graphs of thousands of nodes.
QUICK = "quick"
_QUICK = ("heft", SINGLE)
ALGORITHMS = (*PLACERS, SEARCH, QUICK, BEST)


class Trial(NamedTuple):
    """The assignment that an algorithm found, and its simulated schedule."""

    algorithm: str
    assignment: Assignment
    schedule: SimulatedSchedule


@dataclass(frozen=True)
class Placement:
    """The placed graph, the trials in the order of the algorithms, and the best of them."""

    graph: Graph
    machine: Machine
    constraints: Constraints
    formulation: Formulation
    trials: Sequence[Trial]
    best: Trial

    @property
    def problem(self) -> Problem:
        return self.formulation.problem

    @property
    def makespan(self) -> float:
        """Returns the simulated seconds of a step."""
        return self.best.schedule.makespan

    @cached_property
    def bounds(self) -> Bounds:
        """Returns lower bounds of the makespan, in seconds."""
        return lower_bounds(self.problem)

    def fits(self, trial: Trial) -> bool:
        """Returns True if a trial stays within the devices' memory."""
        return not excess(self.problem, trial.schedule)

    def traffic(self, trial: Trial) -> int:
        """Returns the bytes sent between devices in a step."""
        return sum(traffic(self.problem, trial.schedule).values())


@dataclass(frozen=True)
class PlacementOptions:
    """Settings of the placement pass.

    ``costs`` are measured seconds by node (``measured_costs.read_measurements``); None for estimates. ``batch``
    replaces open dimensions. ``step`` are fetches and targets of the step to be fast, while other nodes follow their
    groups; if empty, all nodes count. ``budget`` limits the search: unless it is a time, the placement is
    deterministic, whatever the order of nodes in the file. ``soft`` ignores requests that cannot be met.
    ``least_gain`` is the minimum speedup over a single device for several devices to be used.
    """

    costs: Mapping[str, float] | None = None
    batch: int = 1
    step: Sequence[str] = ()
    budget: Budget = field(default_factory=Budget)
    soft: bool = False
    least_gain: float = 1.0


_DEFAULT_OPTIONS = PlacementOptions()


def place(
    graph: Graph, machine: Machine, algorithm: str = BEST, options: PlacementOptions = _DEFAULT_OPTIONS
) -> Placement:
    """Assigns a device to every node.

    Args:
        graph: devices of its nodes are requests; see ``constrain``.
        algorithm: one of ``ALGORITHMS``; ``best`` runs all of them and keeps the best result.

    Raises:
        TfgError: INVALID_ARGUMENT for an unknown algorithm, a faulty graph or requests that cannot be met;
            RESOURCE_EXHAUSTED where no placement was found that fits the devices' memory.
    """
    if algorithm not in ALGORITHMS:
        hint = did_you_mean(algorithm, ALGORITHMS) or f"one of {', '.join(ALGORITHMS)}"
        raise invalid(f"there is no placement algorithm {algorithm!r}", hint=hint)
    constraints = constrain(graph, machine, soft=options.soft)
    step = tuple(options.step)
    needed = prune(graph, StepSignature((), (), step)).graph.index.keys() if step else None
    work = estimate_work(graph, batch=options.batch)
    formulation = formulate(graph, machine, constraints, work, options.costs, needed)
    trials = _trials(formulation.problem, algorithm, options.budget)
    best = _best(formulation.problem, trials, options.least_gain)
    _check_memory(formulation, machine, best)
    placed = _placed(graph, machine, formulation, best)
    return Placement(placed, machine, constraints, formulation, trials, best)


def _best(problem: Problem, trials: Sequence[Trial], least_gain: float) -> Trial:
    best = min(trials, key=lambda trial: score(problem, trial.schedule))
    alone = next((trial for trial in trials if trial.algorithm == SINGLE), best)
    gain = alone.schedule.makespan / best.schedule.makespan if best.schedule.makespan else 1.0
    is_alternative = excess(problem, alone.schedule) <= excess(problem, best.schedule)
    return alone if is_alternative and gain < least_gain else best


def _trials(problem: Problem, algorithm: str, budget: Budget) -> list[Trial]:
    names = _QUICK if algorithm == QUICK else [algorithm] if algorithm in PLACERS else list(PLACERS)
    trials = [_trial(problem, name, repair(problem, PLACERS[name](problem))) for name in names]
    if algorithm in PLACERS or algorithm == QUICK:
        return trials
    searched = _trial(problem, SEARCH, search(problem, [trial.assignment for trial in trials], budget))
    return [searched] if algorithm == SEARCH else [*trials, searched]


def _trial(problem: Problem, name: str, assignment: Assignment) -> Trial:
    return Trial(name, assignment, simulate(problem, assignment))


def _check_memory(formulation: Formulation, machine: Machine, trial: Trial) -> None:
    """Raises RESOURCE_EXHAUSTED, with the device that lacks most memory."""
    problem = formulation.problem
    if not excess(problem, trial.schedule):
        return
    lacking = [peak - limit for peak, limit in zip(trial.schedule.peak, problem.limits)]
    worst = max(range(problem.devices), key=lambda d: lacking[d])
    always = sum(problem.persistent)
    raise TfgError(
        Status.RESOURCE_EXHAUSTED,
        f"no placement was found that fits: the best ({trial.algorithm}) needs {trial.schedule.peak[worst]:,} bytes "
        f"on {machine.names[worst]}, {lacking[worst]:,.0f} more than its memory of {problem.limits[worst]:,.0f}",
        hint=f"variables and constants take {always:,} bytes, all devices have {sum(problem.limits):,.0f}",
    )


def _placed(graph: Graph, machine: Machine, formulation: Formulation, trial: Trial) -> Graph:
    where = dict(zip(formulation.nodes, trial.schedule.place))
    return graph.with_nodes(replace(node, device=machine.names[where[node.name]]) for node in graph.nodes)
