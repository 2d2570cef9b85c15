"""What has to be carried from one part of a placed graph to another.

An edge whose ends are on different devices crosses, and so does one on a device whose ends keep the tensor in
different memories. However many nodes of a device read an output, it is carried there once (white paper section
3.2.2). The exception is a reference that is read elsewhere: each reader sees the variable as it is when the
reader's other inputs are there, so each gets a transfer of its own.
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
from ....kernels.functions.library import of_graph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ....graphfmt.signatures import Bound
    from ....kernels.core.facts import Fact
    from ....kernels.functions.library import Library

CONTROL = -1


class HostMemory(Protocol):
    """Which tensors a device with a memory of its own keeps in that of the host."""

    def output_on_host(self, node: Node, port: int) -> bool: ...

    def input_on_host(self, node: Node, position: int) -> bool: ...


class CrossDeviceEdge(NamedTuple):
    """An output, or the end of a node (port -1), that is needed on a device; ``on_host`` is where it is needed
    there. ``reader`` is set where it is for this node alone. They sort in an order that only names decide."""

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
    """A graph in which every node has a device, with what its operations say of it.

    Raises:
        TfgError: INVALID_ARGUMENT for a node without a whole device name; what inference finds at fault.
    """

    graph: Graph
    memory: HostMemory | None = None
    library: Library | None = field(init=False)
    facts: Mapping[str, Sequence[Fact]] = field(init=False)
    bounds: dict[str, Bound] = field(init=False)

    def __post_init__(self) -> None:
        check_devices(self.graph)
        self.library = of_graph(self.graph)
        self.facts = infer_graph(self.graph, None, self.library)
        self.bounds = {
            node.name: registry.get(node.op, self.library).signature.bind(node) for node in self.graph.nodes
        }
        self._writers = _Writers(self)

    def inputs(self, node: Node) -> Iterator[tuple[int, Endpoint]]:
        return enumerate(map(endpoint, node.inputs))

    def is_reference(self, source: Endpoint) -> bool:
        return not source.is_control and self.facts[source.node][source.port].dtype.is_ref

    def crossing(self, node: Node, position: int, source: Endpoint) -> CrossDeviceEdge | None:
        """The crossing that a node's input needs, if any."""
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
        """Whether an output is kept in the host's memory by a device that has its own."""
        if self.memory is None or source.is_control:
            return False
        return self.memory.output_on_host(self.graph.index[source.node], source.port)

    def _check(self, node: Node, position: int, source: Endpoint) -> None:
        """Refuses what has a meaning only where it was made."""
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

    def read_after(self, crossing: CrossDeviceEdge) -> list[str]:
        """The nodes that must be done before a reference is read for a crossing: those inputs of its reader
        before which something writes to the variable."""
        reader = self.graph.index.get(crossing.reader)
        if reader is None or reader.op in MERGES:
            return []
        return self._writers.before(reader, crossing.output)


def check_devices(graph: Graph) -> None:
    """Raises INVALID_ARGUMENT for the first node that is not on one device."""
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
    """Which variables have been written to before each node is done, one bit per variable. Worked out when
    first asked for: few graphs read references across devices."""

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
    """Everything that crosses, in an order that only names decide, each with the name of one reader."""
    found: defaultdict[CrossDeviceEdge, list[str]] = defaultdict(list)
    waits: list[CrossDeviceEdge] = []
    for node in placed.graph.nodes:
        for position, source in placed.inputs(node):
            crossing = placed.crossing(node, position, source)
            if crossing is not None:
                found[crossing].append(node.name)
                waits += [crossing] if crossing.reader else []
    for crossing in waits:
        home = placed.graph.index[crossing.source].device
        for name in placed.read_after(crossing):
            if placed.graph.index[name].device != home:
                found[CrossDeviceEdge(name, CONTROL, home)].append(crossing.source)
    return {crossing: min(found[crossing]) for crossing in sorted(found)}
