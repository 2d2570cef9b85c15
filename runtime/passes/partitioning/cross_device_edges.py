"""Edges of a placed graph that need a transfer.

An edge needs one if its ends are on different devices, or on one device but in different memories. An output is
sent to a device once, however many readers it has there (white paper section 3.2.2). The exception is a
reference read on another device: each reader must see the variable as of the time when its other inputs are
ready, so each gets a transfer of its own.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ....graphfmt import dtypes
from ....graphfmt.devices import parse_device
from ....graphfmt.errors import invalid
from ....graphfmt.graph import Endpoint, Graph, Node, endpoint
from ....kernels.core import registry
from ....kernels.core.inference import infer_graph, topological_order
from ....kernels.core.op_sets import MERGES
from ....kernels.core.traits import Role
from ....kernels.functions.library import graph_library

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ....graphfmt.signatures import Bound
    from ....kernels.core.facts import Fact
    from ....kernels.functions.library import Library

CONTROL = -1


class HostMemory(Protocol):
    """The tensors that a device with its own memory keeps in host memory."""

    def output_on_host(self, node: Node, port: int) -> bool: ...

    def input_on_host(self, node: Node, position: int) -> bool: ...


class CrossDeviceEdge(NamedTuple):
    """An output, or a node's completion (port -1), that is needed on a device, in host memory if ``on_host``.

    ``reader`` is set if the transfer serves that node alone. Sort order depends only on names.
    """

    source: str
    port: int
    target: str
    on_host: bool = False
    reader: str = ""

    @property
    def is_control(self) -> bool:
        return self.port == CONTROL

    @property
    def output(self) -> Endpoint:
        return Endpoint(self.source, self.port)


@dataclass
class PlacedGraph:
    """A graph in which every node has a device, with inferred facts and bound signatures.

    Raises:
        TfgError: INVALID_ARGUMENT for a node without a full device name; faults found by inference.
    """

    graph: Graph
    memory: HostMemory | None = None
    library: Library | None = field(init=False)
    facts: Mapping[str, Sequence[Fact]] = field(init=False)
    bounds: dict[str, Bound] = field(init=False)

    def __post_init__(self) -> None:
        check_devices(self.graph)
        self.library = graph_library(self.graph)
        self.facts = infer_graph(self.graph, None, self.library)
        self.bounds = {
            node.name: registry.get(node.op, self.library).signature.bind(node) for node in self.graph.nodes
        }
        self._writers = _Writers(self)

    def inputs(self, node: Node) -> Iterator[tuple[int, Endpoint]]:
        return enumerate(map(endpoint, node.inputs))

    def is_reference(self, source: Endpoint) -> bool:
        return not source.is_control and self.facts[source.node][source.port].dtype.is_ref

    def required_edge(self, node: Node, position: int, source: Endpoint) -> CrossDeviceEdge | None:
        """Returns the transfer that a node's input needs, or None."""
        there = self.graph.index[source.node].device
        on_host = self._needed_on_host(node, position, source)
        if there == node.device and self.sent_from_host(source) == on_host:
            return None
        self._check(node, position, source)
        reader = node.name if self.is_reference(source) else ""
        return CrossDeviceEdge(source.node, source.port, node.device, on_host, reader)

    def _needed_on_host(self, node: Node, position: int, source: Endpoint) -> bool:
        return self.memory is not None and not source.is_control and self.memory.input_on_host(node, position)

    def sent_from_host(self, source: Endpoint) -> bool:
        """Returns True for an output that a device with its own memory keeps in host memory."""
        if self.memory is None or source.is_control:
            return False
        return self.memory.output_on_host(self.graph.index[source.node], source.port)

    def _check(self, node: Node, position: int, source: Endpoint) -> None:
        """Raises INVALID_ARGUMENT for a reference or handle, which cannot be sent."""
        if source.is_control:
            return
        wanted = self.bounds[node.name].input_types[position]
        if not wanted.is_ref and wanted is not dtypes.resource:
            return
        what = "reference to a variable" if wanted.is_ref else "resource handle"
        there = self.graph.index[source.node].device
        raise self.graph.error_at(
            invalid(
                f"node {node.name!r} on {node.device} takes the {what} {str(source)!r}, "
                f"which is on {there} and cannot be sent",
                hint=f"place {node.name!r} on {there}, or let `tfg place` do it",
            ),
            node.name,
            input=position,
        )

    def read_after(self, edge: CrossDeviceEdge) -> list[str]:
        """Returns the nodes that must finish before a reference is read for a transfer: the inputs of its reader
        that follow a write of the variable."""
        reader = self.graph.index.get(edge.reader)
        if reader is None or reader.op in MERGES:
            return []
        return self._writers.before(reader, edge.output)


def check_devices(graph: Graph) -> None:
    """Raises INVALID_ARGUMENT for the first node without a full device name."""
    for node in graph.nodes:
        if parse_device(node.device).is_full:
            continue
        what = f"has only part of a device name, {node.device!r}" if node.device else "has no device"
        raise graph.error_at(
            invalid(
                f"node {node.name!r} {what}",
                hint="`tfg place GRAPH --devices SPEC -o PLACED` gives every node one",
            ),
            node.name,
        )


class _Writers:
    """The variables written before each node finishes, one bit per variable.

    Computed on first use: few graphs read references across devices.
    """

    def __init__(self, placed: PlacedGraph) -> None:
        self._placed = placed
        self._variable: dict[Endpoint, int] = {}
        self._behind: dict[str, int] = {}

    def before(self, reader: Node, reference: Endpoint) -> list[str]:
        if not self._variable:
            for node in topological_order(self._placed.graph):
                self._visit(node)
        bits = self._variable.get(reference, 0)
        sources = dict.fromkeys(endpoint(text).node for text in reader.inputs)
        return [name for name in sources if self._behind.get(name, 0) & bits]

    def _visit(self, node: Node) -> None:
        bound = self._placed.bounds[node.name]
        behind = 0
        taken = 0
        for position, source in self._placed.inputs(node):
            behind |= self._behind.get(source.node, 0)
            if not source.is_control and bound.input_types[position].is_ref:
                taken |= self._variable.get(source, 0)
        if taken and not self._only_forwards(node):
            behind |= taken
        if behind:
            self._behind[node.name] = behind
        for port, dtype in enumerate(bound.output_types):
            if dtype.is_ref:
                self._variable[Endpoint(node.name, port)] = taken or 1 << len(self._variable)

    def _only_forwards(self, node: Node) -> bool:
        """True if a node leaves the variables alone whose references it takes."""
        op = registry.get(node.op, self._placed.library)
        return op.forwards_input or op.role is Role.INITIALIZATION_QUERY


def cross_device_edges(placed: PlacedGraph) -> dict[CrossDeviceEdge, str]:
    """Returns all edges that need a transfer, ordered by name, each with the name of one reader."""
    readers: defaultdict[CrossDeviceEdge, list[str]] = defaultdict(list)
    waits: list[CrossDeviceEdge] = []
    for node in placed.graph.nodes:
        for position, source in placed.inputs(node):
            edge = placed.required_edge(node, position, source)
            if edge is not None:
                readers[edge].append(node.name)
                waits += [edge] if edge.reader else []
    for edge in waits:
        home = placed.graph.index[edge.source].device
        for name in placed.read_after(edge):
            if placed.graph.index[name].device != home:
                readers[CrossDeviceEdge(name, CONTROL, home)].append(edge.source)
    return {edge: min(readers[edge]) for edge in sorted(readers)}
