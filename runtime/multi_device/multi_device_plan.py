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
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from ...kernels.core.failed_calls import FailedCall
    from ..execution.gpu import Gpu
    from ..execution.memory_budget import MemoryLimit
    from ..execution.step import Step
    from ..passes.prune import PrunedGraph
    from ..plan.feeds import Feed
    from ..plan.scheduled_plan import ScheduledPlan
    from .rendezvous import StepRendezvous


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
        fetched = execute_parts(self.parts, step, InProcessRendezvous(self.incarnations), values)
        return [fetched[part][position] for part, position in self.locations]

    def failed_call(self, error: BaseException) -> FailedCall | None:
        return next((call for call in (part.plan.failed_call(error) for part in self.parts) if call), None)


def execute_parts(
    parts: Sequence[DevicePart], step: Step, rendezvous: StepRendezvous, values: Sequence[Any]
) -> list[list[Any]]:
    """Runs a step of parts, which meet at the rendezvous; returns what is fetched from each part. ``values`` are
    those of the step's feeds."""
    executor = MultiDeviceExecutor(step, rendezvous)
    for part in parts:
        known = part.plan.initial_values(part.own_values(values))
        executor.add(part.device, part.plan.tasks, known, part.limit)
    return executor.run([part.plan.fetches for part in parts])


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
    maybe_dead = maybe_dead_nodes(parts)
    options = replace(options, known_facts=parts.received)
    built = tuple(
        build_device_part(part, parts.graphs[part.device], maybe_dead, settings, options)
        for part in part_signatures(pruned, parts)
    )
    fetches = {fetch: (n, i) for n, part in enumerate(built) for i, fetch in enumerate(part.fetches)}
    return MultiDevicePlan(
        graph=pruned.graph,
        feeds=step_feeds(
            graph, signature, {i: feed for part in built for i, feed in zip(part.feeds, part.plan.feeds)}
        ),
        fetches=pruned.fetches,
        changes_state=any(part.plan.changes_state for part in built),
        access=strictest(part.plan.access for part in built),
        locations=tuple(fetches[fetch] for fetch in pruned.fetches),
        parts=built,
        incarnations=settings.incarnations,
    )


def step_feeds(graph: Graph, signature: StepSignature, read: Mapping[int, Feed]) -> tuple[Feed, ...]:
    """The feeds of a step, from those that its parts read, by position."""
    return tuple(
        read[i]._replace(name=name) if i in read else unread_feed(name, graph)
        for i, name in enumerate(signature.feeds)
    )


class PartSignature(NamedTuple):
    """The feeds and fetches of one device's part of a step. ``signature`` has the names within the part; ``feeds`` are
    the positions of its feeds among those of the step; ``fetches`` are what it fetches for the step."""

    device: str
    signature: StepSignature
    feeds: tuple[int, ...]
    fetches: tuple[Endpoint, ...]


def part_signatures(pruned: PrunedGraph, parts: Parts) -> list[PartSignature]:
    """The signature of each part of a pruned graph, in the order of the parts."""
    home = {node.name: device for device, node in parts.nodes}
    wanted = dict.fromkeys(pruned.fetches)
    found: list[PartSignature] = []
    for device, part in parts.graphs.items():
        fetches = tuple(fetch for fetch in wanted if home[fetch.node] == device)
        targets = [name for name in pruned.targets if home[name] == device]
        sends = [node.name for node in part.nodes if node.op in SENDS]
        feeds = {i: name for i, name in enumerate(pruned.arguments) if name and home[name] == device}
        signature = StepSignature(tuple(map(str, fetches)), tuple(feeds.values()), (*targets, *sends))
        found.append(PartSignature(device, signature, tuple(feeds), fetches))
    return found


def build_device_part(
    part: PartSignature,
    graph: Graph,
    maybe_dead: Collection[str],
    settings: PartSettings,
    options: BuildOptions,
) -> DevicePart:
    """The plan of one device's part. ``maybe_dead`` are the names of nodes, of any part, whose values may be dead."""
    limit, gpu = settings.limits.get(part.device), settings.gpus.get(part.device)
    own = PartOptions(maybe_dead, counts_memory=limit is not None, gpu=gpu)
    plan = build_part(graph, part.signature, options, own)
    return DevicePart(part.device, plan, part.feeds, part.fetches, limit, gpu)


def strictest(accesses: Iterable[Access]) -> Access:
    """The access of a step of which each part has one of these."""
    return max(accesses, key=_STRICTNESS.index)


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
