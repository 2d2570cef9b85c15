"""Receives begun no earlier than their readers need them (white paper section 5.2).

A receive waits for nothing on its own device, so left alone all of them begin with the step, and what they bring
takes memory until it is read. From how long every node takes follow the earliest times at which it can start and
the latest at which it may without the step taking longer (ASAP and ALAP of operations research). A receive that
could begin earlier than it may gets a control input from a node that ends just before it has to begin.

Since a node that ends, at the latest, before a receive begins, at the latest, comes before it in the schedule in
which everything is as late as may be, all the new edges agree with that schedule. So they make no cycle, not even
one through several parts, and do not lengthen the longest path.

The node is one that all the receive's readers depend on, so that no step runs more than without it; and one that
is never dead and never waits for other steps, so that the receive is neither.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ....graphfmt.graph import Graph, Node, endpoint
from ....kernels.core import registry
from ....kernels.core.inference import topological_order
from ....kernels.core.op_sets import RECVS, SWITCHES
from ....kernels.functions.library import of_graph
from ...plan.control_flow.frames import frames
from .parts import Parts, cross_device_transfers, union_graph

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Cost = Callable[[Node], float]

# A bit per pair of nodes is kept; larger graphs are left as they are.
_MOST_NODES = 30_000


def unit_cost(node: Node) -> float:
    """The cost of a node where nothing is known of it."""
    return 1.0


def schedule_receives(parts: Parts, cost: Cost = unit_cost) -> Parts:
    """The parts with their receives begun as late as may be. ``cost`` is what a node takes, always more than 0, in
    whatever unit."""
    pairs = cross_device_transfers(parts)
    if not pairs or sum(1 for _ in parts.nodes) > _MOST_NODES:
        return parts
    whole = _ordered_by_transfers(parts, {pair.receive.name: pair.send.name for pair in pairs})
    after = _StartTimes(whole, cost).later()
    graphs = {
        device: graph.with_nodes(
            replace(n, inputs=(*n.inputs, f"^{after[n.name]}")) if n.name in after else n for n in graph.nodes
        )
        for device, graph in parts.graphs.items()
    }
    return replace(parts, graphs=graphs)


def _ordered_by_transfers(parts: Parts, send_of: Mapping[str, str]) -> Graph:
    """All parts in one graph, in which each receive waits for its send."""
    whole = union_graph(parts)
    return whole.with_nodes(
        replace(n, inputs=(*n.inputs, f"^{send_of[n.name]}")) if n.name in send_of else n for n in whole.nodes
    )


@dataclass
class _StartTimes:
    """The nodes in order, with the earliest and latest times of each."""

    graph: Graph
    cost: Cost
    order: Sequence[Node] = field(init=False)
    earliest: dict[str, float] = field(default_factory=dict[str, float])
    latest: dict[str, float] = field(default_factory=dict[str, float])

    def __post_init__(self) -> None:
        self.order = list(topological_order(self.graph))
        self.costs = {node.name: self.cost(node) for node in self.order}
        self.readers: dict[str, list[str]] = {node.name: [] for node in self.order}
        for node in self.order:
            sources = self._sources(node)
            ends = [self.earliest[name] + self.costs[name] for name in sources]
            self.earliest[node.name] = max(ends, default=0.0)
            for name in sources:
                self.readers[name].append(node.name)
        whole = max(self.earliest[name] + self.costs[name] for name in self.earliest)
        for node in reversed(self.order):
            starts = [self.latest[reader] for reader in self.readers[node.name]]
            self.latest[node.name] = min(starts, default=whole) - self.costs[node.name]

    def _sources(self, node: Node) -> list[str]:
        """The inputs of a node, but for those that lead back to it, which come later."""
        found = dict.fromkeys(endpoint(text).node for text in node.inputs)
        return [name for name in found if name in self.earliest]

    def later(self) -> dict[str, str]:
        """The node that each receive is to wait for, where there is one that would make it begin later."""
        loops = frames(self.graph)
        reliable = self._reliable()
        ends = sorted((self.latest[n] + self.costs[n], n) for n in self.latest)
        times = [time for time, _ in ends]
        bits = {name: 1 << place for place, (_, name) in enumerate(ends)}
        before = self._ancestors(bits)
        here = self._masks(bits, reliable)
        found: dict[str, str] = {}
        for node in self.order:
            if node.op not in RECVS or loops[node.name] or not self.readers[node.name]:
                continue
            common = here[node.device] & (1 << bisect_right(times, self.latest[node.name])) - 1
            for reader in self.readers[node.name]:
                common &= before[reader]
            # The bits are in the order of the latest ends, so the highest is of the node that ends last.
            if common and self._ends_after(name := ends[common.bit_length() - 1][1], node):
                found[node.name] = name
        return found

    def _ends_after(self, name: str, receive: Node) -> bool:
        """Whether a node can end after a receive could begin, so that waiting for it is of use."""
        return self.earliest[name] + self.costs[name] > self.earliest[receive.name]

    def _ancestors(self, bits: Mapping[str, int]) -> dict[str, int]:
        found: dict[str, int] = {}
        for node in self.order:
            mine = 0
            for text in node.inputs:
                name = endpoint(text).node
                mine |= found.get(name, 0) | (bits[name] if name in found else 0)
            found[node.name] = mine
        return found

    def _masks(self, bits: Mapping[str, int], reliable: set[str]) -> dict[str, int]:
        """The nodes of each device that a receive may wait for."""
        found: dict[str, int] = {}
        for node in self.order:
            found[node.device] = found.get(node.device, 0) | (bits[node.name] if node.name in reliable else 0)
        return found

    def _reliable(self) -> set[str]:
        """The nodes that no branch, loop or other step decides about."""
        library = of_graph(self.graph)
        found: set[str] = set()
        for node in self.order:
            waits = registry.get(node.op, library).asynchronous and node.op not in RECVS
            steers = node.op in SWITCHES or registry.get(node.op, library).is_control_flow
            if not (waits or steers) and all(endpoint(text).node in found for text in node.inputs):
                found.add(node.name)
        return found
