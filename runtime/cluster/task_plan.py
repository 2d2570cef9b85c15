"""The plan of a step in one task: the parts of its devices.

The master prunes and partitions once per signature and registers with every task the parts of that task. A task builds
plans of them, as a session on several devices does, and keeps them under the number of the signature.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ..multi_device.multi_device_plan import (
    PartSettings,
    PartSignature,
    build_device_part,
    execute_parts,
    maybe_dead_nodes,
    part_signatures,
    strictest,
)
from ..plan.build import BuildOptions
from .task_names import task_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from ...graphfmt.graph import Graph
    from ...kernels.core.facts import Fact
    from ..execution.functions import Functions
    from ..execution.memory_budget import MemoryLimit
    from ..execution.state_lock import Access
    from ..execution.step import Step
    from ..multi_device.multi_device_plan import DevicePart
    from ..passes.partitioning.parts import Parts
    from ..passes.prune import PrunedGraph
    from ..plan.feeds import Feed
    from .task_rendezvous import TaskRendezvous


class TaskParts(NamedTuple):
    """The parts of one task, as they are sent to it: the graphs by device, what each is fed and gives, the facts of
    their receives, and the names of their nodes whose values may be dead. ``feeds`` are the positions, among the
    step's feeds, of those that the task is sent."""

    graphs: Mapping[str, Graph]
    signatures: Sequence[PartSignature]
    received: Mapping[str, Sequence[Fact]]
    maybe_dead: Collection[str]
    feeds: tuple[int, ...]
    traced: bool
    compile_control_flow: bool
    optimize: bool


class TaskSummary(NamedTuple):
    """The properties of a task's plan: the feeds that it reads, by their position in the step, its use of the
    state, and whether it changes it."""

    feeds: Mapping[int, Feed]
    access: Access
    changes_state: bool


def parts_by_task(pruned: PrunedGraph, parts: Parts, options: BuildOptions) -> dict[str, TaskParts]:
    """The parts of a step for each task that takes part in it, by its name. Raises the first fault of how the parts fit
    together."""
    maybe_dead = maybe_dead_nodes(parts)
    signatures = part_signatures(pruned, parts)
    tasks = dict.fromkeys(task_of(device) for device in parts.graphs)
    return {
        task: _parts_of(
            [one for one in signatures if task_of(one.device) == task], parts, maybe_dead, options
        )
        for task in tasks
    }


def _parts_of(
    signatures: Sequence[PartSignature], parts: Parts, maybe_dead: Collection[str], options: BuildOptions
) -> TaskParts:
    # The place of a node in its file is found by the master.
    graphs = {one.device: replace(parts.graphs[one.device], source=None) for one in signatures}
    names = {node.name for graph in graphs.values() for node in graph.nodes}
    return TaskParts(
        graphs,
        signatures,
        {name: facts for name, facts in parts.received.items() if name in names},
        {name: None for name in maybe_dead if name in names},
        tuple(sorted({i for one in signatures for i in one.feeds})),
        options.traced,
        options.compile_control_flow,
        options.optimize,
    )


@dataclass(frozen=True)
class TaskPlan:
    """A step in one task."""

    parts: tuple[DevicePart, ...]
    access: Access
    changes_state: bool

    def execute(self, step: Step, rendezvous: TaskRendezvous, values: Mapping[int, Any]) -> list[list[Any]]:
        """Runs a step; returns what is fetched from each part. ``values`` are those of the feeds by position."""
        known = [values.get(i) for i in range(max(values, default=-1) + 1)]
        return execute_parts(self.parts, step, rendezvous, known)

    @property
    def summary(self) -> TaskSummary:
        feeds = {i: feed for part in self.parts for i, feed in zip(part.feeds, part.plan.feeds)}
        return TaskSummary(feeds, self.access, self.changes_state)


def build_task_plan(
    parts: TaskParts, functions: Functions | None, limits: Mapping[str, MemoryLimit]
) -> TaskPlan:
    """Builds the plans of a task's parts. Raises the first fault of a part."""
    options = BuildOptions(
        traced=parts.traced,
        functions=functions,
        compile_control_flow=parts.compile_control_flow,
        optimize=parts.optimize,
        known_facts=parts.received,
    )
    settings = PartSettings({}, limits, {})
    built = tuple(
        build_device_part(one, parts.graphs[one.device], parts.maybe_dead, settings, options)
        for one in parts.signatures
    )
    return TaskPlan(built, strictest(_accesses(built)), any(part.plan.changes_state for part in built))


def _accesses(parts: Iterable[DevicePart]) -> list[Access]:
    return [part.plan.access for part in parts]
