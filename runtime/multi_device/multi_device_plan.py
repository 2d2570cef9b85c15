"""The plan of a step that several devices share: one plan for each device's part, kept together per signature."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ...graphfmt.graph import Endpoint, Graph, Node, endpoint
from ...kernels.core import registry
from ...kernels.core.op_sets import SENDS
from ..execution.state_lock import Access
from ..passes.partitioning.parts import Parts, cross_device_transfers
from ..passes.prune import StepSignature
from ..plan import plan
from .multi_device_executor import MultiDeviceExecutor
from .rendezvous import InProcessRendezvous

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..execution.gpu import Gpu
    from ..execution.memory_budget import MemoryLimit
    from ..execution.step import Step
    from ..passes.prune import PrunedGraph
    from ..plan.plan import Feed, Plan


class DevicePart(NamedTuple):
    """What one device does; ``arguments`` are the positions, among the step's feeds, of those that it takes."""

    device: str
    plan: Plan
    arguments: tuple[int, ...]
    limit: MemoryLimit | None
    gpu: Gpu | None

    def taken(self, values: Sequence[Any]) -> list[Any]:
        """Its own among the values of the step's feeds, in its own memory."""
        own = [values[i] for i in self.arguments]
        if self.gpu is None:
            return own
        with self.gpu.working():
            return [self.gpu.arrived(value) for value in own]


class MultiDevicePlan(NamedTuple):
    """Runs like a ``Plan``. ``places`` says for each fetch which part gives it, and as which of its fetches."""

    graph: Graph
    feeds: tuple[Feed, ...]
    fetches: tuple[Endpoint, ...]
    places: tuple[tuple[int, int], ...]
    parts: tuple[DevicePart, ...]
    incarnations: Mapping[str, int]
    changes_state: bool
    access: Access

    def execute(self, step: Step, values: Sequence[Any]) -> Sequence[Any]:
        """Runs a step on the values of the feeds; gives those of the fetches."""
        executor = MultiDeviceExecutor(step, InProcessRendezvous(self.incarnations))
        for part in self.parts:
            assert part.plan.cut is not None
            known = part.plan.known(part.taken(values))
            executor.add(part.device, part.plan.cut, known, part.limit)
        found = executor.run([part.plan.fetches for part in self.parts])
        return [found[part][place] for part, place in self.places]

    def node_of(self, error: BaseException) -> Node | None:
        """The node at which a step failed."""
        return next((node for node in (part.plan.node_of(error) for part in self.parts) if node), None)


def located(pruned: PrunedGraph, graph: Graph, feeds: Sequence[str]) -> Graph:
    """The pruned graph with every stand-in of a feed on the device of what it stands for."""
    homes = {
        name: graph[endpoint(feed).node].device
        for name, feed in zip(pruned.arguments, feeds)
        if name is not None
    }
    return pruned.graph.with_nodes(
        node if node.device else replace(node, device=homes[node.name]) for node in pruned.graph.nodes
    )


def build(
    graph: Graph,
    asked: StepSignature,
    pruned: PrunedGraph,
    parts: Parts,
    incarnations: Mapping[str, int],
    limits: Mapping[str, MemoryLimit],
    gpus: Mapping[str, Gpu],
    build_part: Callable[..., Plan],
) -> MultiDevicePlan:
    """The plan of a signature from the parts of the pruned graph. ``limits`` are those of the devices' memories,
    as far as they have any, ``gpus`` the devices that are GPUs; ``build_part`` is ``plan.build``, given what is the
    same for all parts.

    Raises:
        TfgError: the first fault of a part, or of how the parts fit together.
    """
    maybe_dead = may_be_dead(parts)
    home = {node.name: device for device, node in parts.nodes}
    made: list[DevicePart] = []
    places: dict[Endpoint, tuple[int, int]] = {}
    feeds: dict[int, Feed] = {}
    for device, part in parts.graphs.items():
        fetches = [fetch for fetch in dict.fromkeys(pruned.fetches) if home[fetch.node] == device]
        targets = [name for name in pruned.targets if home[name] == device]
        sends = [node.name for node in part.nodes if node.op in SENDS]
        arguments = [(i, name) for i, name in enumerate(pruned.arguments) if name and home[name] == device]
        wanted = StepSignature(
            tuple(map(str, fetches)), tuple(name for _, name in arguments), (*targets, *sends)
        )
        limit, gpu = limits.get(device), gpus.get(device)
        build_it = build_part if gpu is None else partial(_on_gpu, build_part, gpu)
        found = build_it(part, wanted, maybe_dead=maybe_dead, given=parts.received, limited=limit is not None)
        places.update({fetch: (len(made), n) for n, fetch in enumerate(fetches)})
        feeds.update({i: feed._replace(name=asked.feeds[i]) for (i, _), feed in zip(arguments, found.feeds)})
        made.append(DevicePart(device, found, tuple(i for i, _ in arguments), limit, gpu))
    unread = [(i, name) for i, name in enumerate(asked.feeds) if i not in feeds]
    feeds.update({i: plan.feed(name, graph, {}, None) for i, name in unread})
    return MultiDevicePlan(
        graph=pruned.graph,
        feeds=tuple(feeds[i] for i in range(len(asked.feeds))),
        fetches=pruned.fetches,
        places=tuple(places[fetch] for fetch in pruned.fetches),
        parts=tuple(made),
        incarnations=incarnations,
        changes_state=any(part.plan.changes_state for part in made),
        access=max((part.plan.access for part in made), key=_STRICTNESS.index),
    )


def _on_gpu(build_part: Callable[..., Plan], gpu: Gpu, *args: Any, **keywords: Any) -> Plan:
    """The plan of a part that a GPU computes."""
    found = build_part(*args, **keywords, xp=gpu.xp)
    assert found.cut is not None
    return found._replace(cut=replace(found.cut, gpu=gpu))


_STRICTNESS = (Access.READ, Access.CHANGE, Access.ALONE)


def may_be_dead(parts: Parts) -> set[str]:
    """The names of the nodes whose values may be dead, or one of many in a loop: all that come after something
    that steers, on whichever device. Raises the first fault of how the parts fit together."""
    readers: dict[str, list[str]] = {
        pair.send.name: [pair.receive.name] for pair in cross_device_transfers(parts)
    }
    for _, node in parts.nodes:
        for text in node.inputs:
            readers.setdefault(endpoint(text).node, []).append(node.name)
    stack = [
        node.name
        for _, node in parts.nodes
        if (op := registry.find(node.op)) is not None and op.is_control_flow
    ]
    found: set[str] = set()
    while stack:
        name = stack.pop()
        if name not in found:
            found.add(name)
            stack += readers.get(name, ())
    return found
