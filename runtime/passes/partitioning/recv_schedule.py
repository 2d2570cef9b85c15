"""Scheduling of receives: no earlier than their readers need them (white paper section 5.2).

A receive depends on nothing on its own device, so by default all receives start with the step, and received
tensors take memory until they are read. The costs of nodes give earliest and latest start times (ASAP and ALAP
schedules) that do not lengthen the step. A receive that could start before its latest start time gets a control
input from a node that ends just before that time.

Every new edge leads forward in the ALAP schedule: the node's latest end is not after the receive's latest
start. So the edges form no cycle, even through several parts, and do not lengthen the longest path.

The node is an ancestor of all readers of the receive, so that no step runs more nodes than before; it is never
dead and never waits for other steps, so the same holds for the receive.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ....graphfmt.graph import Graph, Node, endpoint
from ....kernels.core import registry
from ....kernels.core.inference import topological_order
from ....kernels.core.op_sets import RECVS, SWITCHES
from ....kernels.functions.library import graph_library
from ...plan.control_flow.frames import frames
from .parts import Parts, cross_device_transfers, union_graph

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Cost = Callable[[Node], float]

# The ancestor sets take one bit per pair of nodes; larger graphs are left unchanged.
_MOST_NODES = 30_000


def unit_cost(node: Node) -> float:
    """Returns a cost of 1 for any node."""
    return 1.0


def schedule_receives(parts: Parts, cost: Cost = unit_cost) -> Parts:
    """Returns the parts with receives delayed; ``cost`` returns the positive cost of a node, in any unit."""
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
    """Returns the union of the parts, with a control edge from each send to its receive."""
    whole = union_graph(parts)
    return whole.with_nodes(
        replace(n, inputs=(*n.inputs, f"^{send_of[n.name]}")) if n.name in send_of else n for n in whole.nodes
    )


@dataclass
class _StartTimes:
    """Nodes in topological order, with earliest and latest start times."""

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
        """Returns the inputs of a node, without back edges."""
        sources = dict.fromkeys(endpoint(text).node for text in node.inputs)
        return [name for name in sources if name in self.earliest]

    def later(self) -> dict[str, str]:
        """Returns, for each receive that can be delayed, the node to wait for."""
        loops = frames(self.graph)
        reliable = self._reliable()
        ends = sorted((self.latest[n] + self.costs[n], n) for n in self.latest)
        times = [time for time, _ in ends]
        bits = {name: 1 << place for place, (_, name) in enumerate(ends)}
        before = self._ancestors(bits)
        here = self._masks(bits, reliable)
        delays: dict[str, str] = {}
        for node in self.order:
            if node.op not in RECVS or loops[node.name] or not self.readers[node.name]:
                continue
            common = here[node.device] & (1 << bisect_right(times, self.latest[node.name])) - 1
            for reader in self.readers[node.name]:
                common &= before[reader]
            # Bits are ordered by latest end, so the highest bit is the node that ends last.
            if common and self._ends_after(name := ends[common.bit_length() - 1][1], node):
                delays[node.name] = name
        return delays

    def _ends_after(self, name: str, receive: Node) -> bool:
        """Returns True if a node may end after the receive could start, so that waiting for it delays the receive."""
        return self.earliest[name] + self.costs[name] > self.earliest[receive.name]

    def _ancestors(self, bits: Mapping[str, int]) -> dict[str, int]:
        ancestors: dict[str, int] = {}
        for node in self.order:
            mine = 0
            for text in node.inputs:
                name = endpoint(text).node
                mine |= ancestors.get(name, 0) | (bits[name] if name in ancestors else 0)
            ancestors[node.name] = mine
        return ancestors

    def _masks(self, bits: Mapping[str, int], reliable: set[str]) -> dict[str, int]:
        """Returns, by device, the nodes that a receive may wait for."""
        masks: dict[str, int] = {}
        for node in self.order:
            masks[node.device] = masks.get(node.device, 0) | (bits[node.name] if node.name in reliable else 0)
        return masks

    def _reliable(self) -> set[str]:
        """Returns the nodes that run in every step, independent of branches, loops and other steps."""
        library = graph_library(self.graph)
        reliable: set[str] = set()
        for node in self.order:
            waits = registry.get(node.op, library).asynchronous and node.op not in RECVS
            steers = node.op in SWITCHES or registry.get(node.op, library).is_control_flow
            if not (waits or steers) and all(endpoint(text).node in reliable for text in node.inputs):
                reliable.add(node.name)
        return reliable
