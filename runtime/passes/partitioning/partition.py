"""Partitioning: from a placed graph to one graph per device (white paper sections 3.2.2 and 3.2.3).

A Send and a Recv replace each edge between devices. Together, the parts compute the same results as the graph,
bit for bit, unless transfers are compressed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ....graphfmt import dtypes
from ....graphfmt.attributes import Function
from ....graphfmt.graph import Graph, Node
from ....graphfmt.traversal import reachable_from
from ....kernels.core.inference import topological_order
from ....kernels.families.control_flow.sendrecv_ops import SHAPES_ATTR
from .control_flow_colocation import colocate_control_flow
from .control_loops import NOTHING, ControlLoops, add_control_loops
from .cross_device_edges import (
    CONTROL,
    CrossDeviceEdge,
    HostMemory,
    PlacedGraph,
    check_devices,
    cross_device_edges,
)
from .parts import Parts
from .transfer_compression import cast_node, wire_dtype

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ....graphfmt.attributes import AttrValue
    from ....graphfmt.dtypes import DType
    from ....kernels.core.facts import Fact

_NO_INCARNATIONS: Mapping[str, int] = {}


def partition(
    graph: Graph,
    *,
    wire: str | None = None,
    incarnations: Mapping[str, int] = _NO_INCARNATIONS,
    memory: HostMemory | None = None,
) -> Parts:
    """Partitions a graph in which every node has a device. Parts and new names do not depend on the order of
    nodes.

    Args:
        wire: ``bf16`` to send float32 as bfloat16 between devices.
        incarnations: incarnations of devices by full name; 1 by default.
        memory: tensors that devices with their own memory keep in host memory.

    Raises:
        TfgError: INVALID_ARGUMENT for a node without a full device name, a reference or resource handle that would
            have to be sent, and a partitioned loop without LoopCond; faults of nodes.
    """
    check_devices(graph)
    wire_dtype(dtypes.float32, wire)
    placed = PlacedGraph(colocate_control_flow(_by_name(graph)), memory)
    found = cross_device_edges(placed)
    loops = add_control_loops(placed.graph, found)
    if loops.stems:
        # The predicates of control loops need transfers, too.
        placed = PlacedGraph(loops.graph, memory)
        found = cross_device_edges(placed)
    return _Partitioner(placed, loops, wire, incarnations).parts(found)


def _by_name(graph: Graph) -> Graph:
    return graph.with_nodes(sorted(graph.nodes, key=lambda node: node.name))


@dataclass
class _Partitioner:
    """Builder of parts.

    ``arrivals`` are the nodes that readers read in place of each edge's source; ``made`` are the nodes of each
    part, and ``received`` the inferred facts of its receives.
    """

    placed: PlacedGraph
    loops: ControlLoops
    wire: str | None
    incarnations: Mapping[str, int]
    arrivals: dict[CrossDeviceEdge, str] = field(default_factory=dict[CrossDeviceEdge, str])
    made: dict[str, list[Node]] = field(default_factory=dict[str, list[Node]])
    received: dict[str, Sequence[Fact]] = field(default_factory=dict[str, "Sequence[Fact]"])

    def __post_init__(self) -> None:
        self._taken = set(self.placed.graph.index)

    def parts(self, found: Mapping[CrossDeviceEdge, str]) -> Parts:
        for device in sorted({node.device for node in self.placed.graph.nodes}):
            self.made[device] = []
        # Reads of references may wait for other transfers, so their edges come last.
        for number, crossing in sorted(enumerate(found), key=lambda pair: bool(pair[1].reader)):
            self._carry(crossing, number, found[crossing])
        for node in self.placed.graph.nodes:
            self._add(self._rewired(node))
        graphs = {device: self._part(nodes) for device, nodes in self.made.items()}
        return Parts(graphs, self.received)

    def _part(self, nodes: Iterable[Node]) -> Graph:
        part = _by_name(self.placed.graph.with_nodes(nodes))
        return _with_needed_functions(part.with_nodes(topological_order(part)))

    def _add(self, node: Node) -> str:
        self.made[node.device].append(node)
        return node.name

    def _rewired(self, node: Node) -> Node:
        inputs = list(node.inputs)
        for position, source in self.placed.inputs(node):
            crossing = self.placed.crossing(node, position, source)
            if crossing is not None:
                inputs[position] = ("^" if source.is_control else "") + self.arrivals[crossing]
        return Node(node.name, node.op, tuple(inputs), node.attrs, node.device, node.offset, node.debug)

    def _carry(self, crossing: CrossDeviceEdge, number: int, reader: str) -> None:
        """Adds the nodes of a transfer."""
        home = self.placed.graph[crossing.source].device
        stem = crossing.source.lstrip("_")
        dtype = self._type(crossing)
        wide = dtype if home == crossing.target or crossing.is_control else wire_dtype(dtype, self.wire)
        attrs = self._attrs(crossing, number, home, reader)
        waits = tuple(self._waits(crossing, home))
        value = str(crossing.output)
        if crossing.is_control:
            value = self._add(_signal(self._name(f"{stem}/ctrl/_{number}"), home, f"^{crossing.source}"))
        if wide is not dtype:
            name = self._name(f"{stem}/_narrow_{number}")
            value, waits = self._add(cast_node(name, home, (value, *waits), dtype, wide)), ()
        send = "_HostSend" if self.placed.sent_from_host(crossing.output) else "_Send"
        self._add(
            Node(self._name(f"{stem}/_send_{number}"), send, (value, *waits), {"T": wide, **attrs}, home)
        )
        self.arrivals[crossing] = self._arrive(crossing, number, wide, attrs)

    def _arrive(
        self, crossing: CrossDeviceEdge, number: int, dtype: DType, attrs: Mapping[str, AttrValue]
    ) -> str:
        """Adds the receiving nodes; returns the name of the node that readers read or wait for."""
        stem, target = crossing.source.lstrip("_"), crossing.target
        kind = "_HostRecv" if crossing.on_host else "_Recv"
        attrs = {"tensor_type": dtype, **attrs, **self._shape(crossing)}
        trigger = self.loops.trigger(crossing)
        received = self._add(Node(self._name(f"{stem}/_recv_{number}"), kind, trigger, attrs, target))
        wanted = self._type(crossing)
        if wanted is dtype and not crossing.is_control:
            self.received[received] = (self._fact(crossing)._replace(dtype=dtype),)
        if crossing.is_control:
            name = self._name(f"{stem}/_after_{number}")
            return self._add(Node(name, "Identity", (received,), {"T": dtype}, target))
        if wanted is not dtype:
            return self._add(
                cast_node(self._name(f"{stem}/_widen_{number}"), target, (received,), dtype, wanted)
            )
        return received

    def _waits(self, crossing: CrossDeviceEdge, home: str) -> Iterator[str]:
        """Yields the control inputs that a read of a reference waits for."""
        for name in self.placed.read_after(crossing) if crossing.reader else ():
            here = self.placed.graph[name].device == home
            yield f"^{name}" if here else f"^{self.arrivals[CrossDeviceEdge(name, CONTROL, home)]}"

    def _type(self, crossing: CrossDeviceEdge) -> DType:
        return dtypes.float32 if crossing.is_control else self._fact(crossing).dtype.base

    def _fact(self, crossing: CrossDeviceEdge) -> Fact:
        return self.placed.facts[crossing.source][crossing.port]

    def _shape(self, crossing: CrossDeviceEdge) -> dict[str, AttrValue]:
        if crossing.is_control:
            return {SHAPES_ATTR: (NOTHING.shape,)}
        shape = self._fact(crossing).shape
        return {} if shape.dims is None else {SHAPES_ATTR: (shape,)}

    def _attrs(self, crossing: CrossDeviceEdge, number: int, home: str, reader: str) -> dict[str, AttrValue]:
        return {
            "tensor_name": _key_part(f"edge_{number}_{crossing.source}"),
            "send_device": home.encode(),
            "send_device_incarnation": self.incarnations.get(home, 1),
            "recv_device": crossing.target.encode(),
            "client_terminated": False,
            "_src": crossing.source.encode(),
            "_dst": (crossing.reader or reader).encode(),
        }

    def _name(self, wanted: str) -> str:
        """Returns an unused name: the wanted one, or with a number appended."""
        found, number = wanted, 0
        while found in self._taken:
            number += 1
            found = f"{wanted}_{number}"
        self._taken.add(found)
        return found


def _key_part(text: str) -> bytes:
    return text.replace(";", "_").encode()


def _signal(name: str, device: str, after: str) -> Node:
    """Returns an empty constant that is sent to signal completion."""
    return Node(name, "Const", (after,), {"dtype": dtypes.float32, "value": NOTHING}, device)


def _with_needed_functions(graph: Graph) -> Graph:
    """Returns the graph with only the library functions that its nodes call, directly or indirectly."""
    if not graph.functions:
        return graph
    known = {function.name: function for function in graph.functions}

    def callees(name: str) -> list[str]:
        if name not in known:
            return []
        names = [callee for node in known[name].body for callee in _called(node)]
        return [*names, graph.gradients[name]] if name in graph.gradients else names

    called = reachable_from((name for node in graph.nodes for name in _called(node)), callees)
    needed = {name for name in called if name in known}
    return Graph(
        graph.nodes,
        tuple(f for f in graph.functions if f.name in needed),
        {of: gradient for of, gradient in graph.gradients.items() if of in needed},
        graph.versions,
        graph.source,
        graph.unknown_fields,
    )


def _called(node: Node) -> Iterator[str]:
    yield node.op
    yield from _functions_in(node.attrs.values())


def _functions_in(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, tuple):
            yield from _functions_in(value)
        elif isinstance(value, Function):
            yield value.name
            yield from _functions_in(value.attrs.values())
