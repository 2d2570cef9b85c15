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
    edges = cross_device_edges(placed)
    loops = add_control_loops(placed.graph, edges)
    if loops.stems:
        # The predicates of control loops need transfers, too.
        placed = PlacedGraph(loops.graph, memory)
        edges = cross_device_edges(placed)
    return _Partitioner(placed, loops, wire, incarnations).parts(edges)


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

    def parts(self, edges: Mapping[CrossDeviceEdge, str]) -> Parts:
        for device in sorted({node.device for node in self.placed.graph.nodes}):
            self.made[device] = []
        # Reads of references may wait for other transfers, so their edges come last.
        for number, edge in sorted(enumerate(edges), key=lambda pair: bool(pair[1].reader)):
            self._carry(edge, number, edges[edge])
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
            edge = self.placed.required_edge(node, position, source)
            if edge is not None:
                inputs[position] = ("^" if source.is_control else "") + self.arrivals[edge]
        return Node(node.name, node.op, tuple(inputs), node.attrs, node.device, node.offset, node.debug)

    def _carry(self, edge: CrossDeviceEdge, number: int, reader: str) -> None:
        """Adds the nodes of a transfer."""
        home = self.placed.graph[edge.source].device
        stem = edge.source.lstrip("_")
        dtype = self._type(edge)
        wide = dtype if home == edge.target or edge.is_control else wire_dtype(dtype, self.wire)
        attrs = self._attrs(edge, number, home, reader)
        waits = tuple(self._waits(edge, home))
        value = str(edge.output)
        if edge.is_control:
            value = self._add(_signal(self._name(f"{stem}/ctrl/_{number}"), home, f"^{edge.source}"))
        if wide is not dtype:
            name = self._name(f"{stem}/_narrow_{number}")
            value, waits = self._add(cast_node(name, home, (value, *waits), dtype, wide)), ()
        send = "_HostSend" if self.placed.sent_from_host(edge.output) else "_Send"
        self._add(
            Node(self._name(f"{stem}/_send_{number}"), send, (value, *waits), {"T": wide, **attrs}, home)
        )
        self.arrivals[edge] = self._arrive(edge, number, wide, attrs)

    def _arrive(
        self, edge: CrossDeviceEdge, number: int, dtype: DType, attrs: Mapping[str, AttrValue]
    ) -> str:
        """Adds the receiving nodes; returns the name of the node that readers read or wait for."""
        stem, target = edge.source.lstrip("_"), edge.target
        kind = "_HostRecv" if edge.on_host else "_Recv"
        attrs = {"tensor_type": dtype, **attrs, **self._shape(edge)}
        trigger = self.loops.trigger(edge)
        received = self._add(Node(self._name(f"{stem}/_recv_{number}"), kind, trigger, attrs, target))
        wanted = self._type(edge)
        if wanted is dtype and not edge.is_control:
            self.received[received] = (self._fact(edge)._replace(dtype=dtype),)
        if edge.is_control:
            name = self._name(f"{stem}/_after_{number}")
            return self._add(Node(name, "Identity", (received,), {"T": dtype}, target))
        if wanted is not dtype:
            return self._add(
                cast_node(self._name(f"{stem}/_widen_{number}"), target, (received,), dtype, wanted)
            )
        return received

    def _waits(self, edge: CrossDeviceEdge, home: str) -> Iterator[str]:
        """Yields the control inputs that a read of a reference waits for."""
        for name in self.placed.read_after(edge) if edge.reader else ():
            here = self.placed.graph[name].device == home
            yield f"^{name}" if here else f"^{self.arrivals[CrossDeviceEdge(name, CONTROL, home)]}"

    def _type(self, edge: CrossDeviceEdge) -> DType:
        return dtypes.float32 if edge.is_control else self._fact(edge).dtype.base

    def _fact(self, edge: CrossDeviceEdge) -> Fact:
        return self.placed.facts[edge.source][edge.port]

    def _shape(self, edge: CrossDeviceEdge) -> dict[str, AttrValue]:
        if edge.is_control:
            return {SHAPES_ATTR: (NOTHING.shape,)}
        shape = self._fact(edge).shape
        return {} if shape.dims is None else {SHAPES_ATTR: (shape,)}

    def _attrs(self, edge: CrossDeviceEdge, number: int, home: str, reader: str) -> dict[str, AttrValue]:
        return {
            "tensor_name": _key_part(f"edge_{number}_{edge.source}"),
            "send_device": home.encode(),
            "send_device_incarnation": self.incarnations.get(home, 1),
            "recv_device": edge.target.encode(),
            "client_terminated": False,
            "_src": edge.source.encode(),
            "_dst": (edge.reader or reader).encode(),
        }

    def _name(self, wanted: str) -> str:
        """Returns an unused name: the wanted one, or with a number appended."""
        name, number = wanted, 0
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name


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
