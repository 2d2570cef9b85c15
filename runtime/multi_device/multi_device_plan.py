"""The plan of a step on several devices: one plan for each device's part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ...graphfmt.graph import Endpoint, Graph, endpoint
from ...graphfmt.traversal import reachable_from, readers
from ...kernels.core import registry
from ...kernels.core.op_sets import SENDS
from ..execution.state_lock import Access
from ..passes.partitioning.parts import Parts, cross_device_transfers
from ..passes.prune import StepSignature
from ..plan.build import BuildOptions, PartOptions, build_part
from ..plan.feeds import unread_feed
from ..plan.segment_plan import PlanFields
from .multi_device_executor import MultiDeviceExecutor
from .rendezvous import InProcessRendezvous

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...kernels.core.failed_calls import FailedCall
    from ..execution.gpu import Gpu
    from ..execution.memory_budget import MemoryLimit
    from ..execution.step import Step
    from ..passes.prune import PrunedGraph
    from ..plan.feeds import Feed
    from ..plan.scheduled_plan import ScheduledPlan


class DevicePart(NamedTuple):
    """The part of a step on one device. ``feeds`` are the positions, among the step's feeds, of those that it takes;
    ``fetches`` are what it fetches for the step."""

    device: str
    plan: ScheduledPlan
    feeds: tuple[int, ...]
    fetches: tuple[Endpoint, ...]
    limit: MemoryLimit | None
    gpu: Gpu | None

    def own_values(self, values: Sequence[Any]) -> list[Any]:
        """The values of its feeds, in the device's memory, from those of the step's feeds."""
        own = [values[i] for i in self.feeds]
        if self.gpu is None:
            return own
        with self.gpu.working():
            return [self.gpu.arrived(value) for value in own]


@dataclass(frozen=True)
class MultiDevicePlan(PlanFields):
    """A step of several parts. ``locations`` gives for each fetch the part that computes it, and its position among
    that part's fetches."""

    locations: tuple[tuple[int, int], ...]
    parts: tuple[DevicePart, ...]
    incarnations: Mapping[str, int]

    def execute(self, step: Step, values: Sequence[Any]) -> Sequence[Any]:
        executor = MultiDeviceExecutor(step, InProcessRendezvous(self.incarnations))
        for part in self.parts:
            known = part.plan.initial_values(part.own_values(values))
            executor.add(part.device, part.plan.tasks, known, part.limit)
        fetched = executor.run([part.plan.fetches for part in self.parts])
        return [fetched[part][position] for part, position in self.locations]

    def failed_call(self, error: BaseException) -> FailedCall | None:
        return next((call for call in (part.plan.failed_call(error) for part in self.parts) if call), None)


class PartSettings(NamedTuple):
    """The devices of a session: their incarnations, the limits of those whose memory has one, and those
    that are GPUs."""

    incarnations: Mapping[str, int]
    limits: Mapping[str, MemoryLimit]
    gpus: Mapping[str, Gpu]


def place_feeds(pruned: PrunedGraph, graph: Graph, feeds: Sequence[str]) -> Graph:
    """The pruned graph with the placeholder of every feed on the device of the node that it stands for."""
    homes = {
        name: graph[endpoint(feed).node].device
        for name, feed in zip(pruned.arguments, feeds)
        if name is not None
    }
    return pruned.graph.with_nodes(
        node if node.device else replace(node, device=homes[node.name]) for node in pruned.graph.nodes
    )


def build_multi_device_plan(
    graph: Graph,
    signature: StepSignature,
    pruned: PrunedGraph,
    parts: Parts,
    settings: PartSettings,
    options: BuildOptions,
) -> MultiDevicePlan:
    """The plan of a signature from the parts of the pruned graph.

    Raises:
        TfgError: the first fault of a part, or of how the parts fit together.
    """
    builder = _PartBuilder(pruned, parts, settings, replace(options, known_facts=parts.received))
    built = tuple(builder.build(device, part) for device, part in parts.graphs.items())
    fetches = {fetch: (n, i) for n, part in enumerate(built) for i, fetch in enumerate(part.fetches)}
    return MultiDevicePlan(
        graph=pruned.graph,
        feeds=_feeds(graph, signature, built),
        fetches=pruned.fetches,
        changes_state=any(part.plan.changes_state for part in built),
        access=max((part.plan.access for part in built), key=_STRICTNESS.index),
        locations=tuple(fetches[fetch] for fetch in pruned.fetches),
        parts=built,
        incarnations=settings.incarnations,
    )


def _feeds(graph: Graph, signature: StepSignature, parts: Sequence[DevicePart]) -> tuple[Feed, ...]:
    """The feeds of a step, from those of its parts."""
    read = {i: feed for part in parts for i, feed in zip(part.feeds, part.plan.feeds)}
    return tuple(
        read[i]._replace(name=name) if i in read else unread_feed(name, graph)
        for i, name in enumerate(signature.feeds)
    )


class _PartBuilder:
    """Builds the parts of one plan; ``_home`` is the device of each node."""

    def __init__(
        self, pruned: PrunedGraph, parts: Parts, settings: PartSettings, options: BuildOptions
    ) -> None:
        self._pruned = pruned
        self._settings = settings
        self._options = options
        self._maybe_dead = maybe_dead_nodes(parts)
        self._home = {node.name: device for device, node in parts.nodes}

    def build(self, device: str, part: Graph) -> DevicePart:
        home, pruned, settings = self._home, self._pruned, self._settings
        fetches = tuple(fetch for fetch in dict.fromkeys(pruned.fetches) if home[fetch.node] == device)
        targets = [name for name in pruned.targets if home[name] == device]
        sends = [node.name for node in part.nodes if node.op in SENDS]
        feeds = {i: name for i, name in enumerate(pruned.arguments) if name and home[name] == device}
        signature = StepSignature(tuple(map(str, fetches)), tuple(feeds.values()), (*targets, *sends))
        limit, gpu = settings.limits.get(device), settings.gpus.get(device)
        own = PartOptions(self._maybe_dead, counts_memory=limit is not None, gpu=gpu)
        plan = build_part(part, signature, self._options, own)
        return DevicePart(device, plan, tuple(feeds), fetches, limit, gpu)


_STRICTNESS = (Access.READ, Access.CHANGE, Access.ALONE)


def maybe_dead_nodes(parts: Parts) -> dict[str, None]:
    """The names of the nodes whose values may be dead, or one of many in a loop: all that follow control flow, on
    whichever device. Raises the first fault of how the parts fit together."""
    edges = readers(node for _, node in parts.nodes)
    for pair in cross_device_transfers(parts):
        edges.setdefault(pair.send.name, []).append(pair.receive.name)
    control_flow = [
        node.name
        for _, node in parts.nodes
        if (op := registry.find(node.op)) is not None and op.is_control_flow
    ]
    return reachable_from(control_flow, lambda name: edges.get(name, ()))
