"""Placement constraints: groups of nodes that must be together, and the feasible devices of each group.

The rules are those of TensorFlow's placer. The producer of a reference or resource decides its device; requests
of its users apply where they are compatible, and are ignored with a note otherwise. Nodes colocated by name
must agree. With soft placement, unavailable device types and ids are preferences only. Where TensorFlow's
result depends on the order of nodes in a file, nodes are taken by name here.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .....graphfmt.devices import ANY, DeviceName, merge, parse_device
from .....graphfmt.errors import Status, TfgError, invalid
from .colocation import DisjointSets, colocated_nodes, handle_edges
from .feasible_devices import FeasibleDevices, location_suffix
from .kernel_support import has_kernel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .....graphfmt.graph import Graph, Node
    from ..machine.machine import Machine
    from .kernel_support import Supports


class ColocationGroup(NamedTuple):
    """Nodes that must share a device, ordered by name; their combined request; and the feasible devices, at least
    one."""

    nodes: tuple[str, ...]
    requested: DeviceName
    feasible: tuple[str, ...]


@dataclass(frozen=True)
class Constraints:
    """Colocation groups, ordered by their first nodes' names, and the group of each node.

    ``notes`` are sentences about ignored requests.
    """

    groups: tuple[ColocationGroup, ...]
    group_of: Mapping[str, int]
    notes: tuple[str, ...]

    def feasible(self, node: str) -> tuple[str, ...]:
        """Returns the names of the feasible devices of a node."""
        return self.groups[self.group_of[node]].feasible


def constrain(
    graph: Graph, machine: Machine, *, soft: bool = False, supports: Supports = has_kernel
) -> Constraints:
    """Returns the colocation groups of a graph with their feasible devices.

    Args:
        graph: the whole graph, before pruning, so that every step finds variables on the same device. Device names in
            it, full or partial, are requests.
        soft: ignores types and ids of devices that do not exist, lack a kernel, or conflict.
        supports: returns True if a device type has a kernel for a node.

    Raises:
        TfgError: INVALID_ARGUMENT where requests are malformed, conflict or cannot be met, with the requesting nodes
            and their lines; NOT_FOUND for an unknown operation; FAILED_PRECONDITION where the machine has no devices.
    """
    if not machine.devices:
        raise TfgError(Status.FAILED_PRECONDITION, "No devices are registered")
    return _Constrainer(graph, machine, soft, supports).run()


class _DeviceRequest(NamedTuple):
    """The combined request of nodes.

    ``hard`` is the request of producers of references and resources, ``asked`` that of all nodes, and ``by``
    the requesting nodes, by name.
    """

    hard: DeviceName
    asked: DeviceName
    by: tuple[Node, ...]


class _Constrainer:
    """Nodes are numbers here, in the order of their names; the smallest represents a set."""

    def __init__(self, graph: Graph, machine: Machine, soft: bool, supports: Supports) -> None:
        self._graph = graph
        self._nodes = sorted(graph.nodes, key=lambda node: node.name)
        self._sets = DisjointSets(len(self._nodes))
        self._soft = soft
        self._notes: list[str] = []
        self._feasible = FeasibleDevices(graph, machine, supports, soft)

    def run(self) -> Constraints:
        wishes = self._wishes()
        self._unite_companions()
        together: dict[int, list[_DeviceRequest]] = defaultdict(list)
        for number in sorted(wishes):
            together[self._sets.find(number)].append(wishes[number])
        members: dict[int, list[Node]] = defaultdict(list)
        for number, node in enumerate(self._nodes):
            members[self._sets.find(number)].append(node)
        groups = tuple([self._group(nodes, together.get(root, ())) for root, nodes in members.items()])
        group_of = {name: number for number, group in enumerate(groups) for name in group.nodes}
        return Constraints(groups, group_of, (*self._notes, *self._feasible.notes))

    def _group(self, nodes: Sequence[Node], wishes: Sequence[_DeviceRequest]) -> ColocationGroup:
        wish = self._together(wishes, soft=self._soft) if wishes else _DeviceRequest(ANY, ANY, ())
        names = tuple([node.name for node in nodes])
        return ColocationGroup(
            names, wish.asked, self._feasible.devices(nodes, wish.asked, wish.hard, wish.by)
        )

    def _wishes(self) -> dict[int, _DeviceRequest]:
        """Returns the requests by the first node of each set that shares references and resources."""
        edges = handle_edges(self._graph.with_nodes(self._nodes))
        for edge in edges:
            self._sets.unite(edge.producer, edge.consumer)
        users = {edge.consumer for edge in edges}
        sharing = {self._sets.find(number) for number in users}
        asking: dict[int, list[int]] = defaultdict(list)
        for number, node in enumerate(self._nodes):
            if node.device and self._request(node) != ANY:
                asking[self._sets.find(number)].append(number)
        requests: dict[int, _DeviceRequest] = {}
        for first, numbers in asking.items():
            makers = [self._nodes[n] for n in numbers if n not in users]
            takers = [self._nodes[n] for n in numbers if n in users]
            wish = self._together(
                [_DeviceRequest(ANY, self._request(node), (node,)) for node in makers], soft=False
            )
            requests[first] = self._with_takers(wish, takers) if first in sharing else wish
        return requests

    def _with_takers(self, wish: _DeviceRequest, takers: Sequence[Node]) -> _DeviceRequest:
        """Adds the requests of the users of a reference or resource to that of its producers."""
        asked, by = wish.asked, list(wish.by)
        for taker in takers:
            try:
                asked = merge(asked, self._request(taker))
                by.append(taker)
            except TfgError:
                self._notes.append(
                    f"{taker.name!r} asks for {taker.device!r}{location_suffix(self._graph, taker)}, but must be "
                    f"with the reference or resource it takes, on '{asked}'; its request is ignored"
                )
        return _DeviceRequest(wish.asked, asked, tuple(sorted(by, key=lambda node: node.name)))

    def _unite_companions(self) -> None:
        numbers = {node.name: number for number, node in enumerate(self._nodes)}
        for number, node in enumerate(self._nodes):
            if "_class" in node.attrs:
                for name in colocated_nodes(self._graph, node):
                    self._sets.unite(number, numbers[name])

    def _together(self, wishes: Sequence[_DeviceRequest], *, soft: bool) -> _DeviceRequest:
        """Combines the requests of colocated nodes."""
        if len(wishes) == 1:
            return wishes[0]
        by = tuple([node for wish in wishes for node in wish.by])
        hard, asked = [wish.hard for wish in wishes], [wish.asked for wish in wishes]
        if not soft:
            return _DeviceRequest(self._merged(hard, wishes), self._merged(asked, wishes), by)
        kept = self._agreed(hard, wishes)
        whole = self._agreed(asked, wishes, kept)
        if not all(name.matches(whole) for name in asked):
            first = by[0].name
            self._notes.append(f"nodes colocated with {first!r} request different devices; '{whole}' is kept")
        return _DeviceRequest(kept, whole, by)

    def _merged(self, names: Sequence[DeviceName], wishes: Sequence[_DeviceRequest]) -> DeviceName:
        """Merges device names, each belonging to the request at the same position."""
        whole = ANY
        for number, name in enumerate(names):
            try:
                whole = merge(whole, name)
            except TfgError:
                raise self._contradiction(whole, wishes[:number], wishes[number]) from None
        return whole

    def _agreed(
        self, names: Sequence[DeviceName], wishes: Sequence[_DeviceRequest], kept: DeviceName = ANY
    ) -> DeviceName:
        """Merges device names, dropping types and ids in which they differ, except those in ``kept``."""
        types = {name.type for name in names if name.type is not None}
        ids = {name.id for name in names if name.id is not None}
        whole = self._merged([name._replace(type=None, id=None) for name in names], wishes)
        if len(types) < 2:
            whole = whole._replace(type=next(iter(types), None))
            if len(ids) < 2:
                return whole._replace(id=next(iter(ids), None))
        return DeviceName._make(mine if theirs is None else theirs for mine, theirs in zip(whole, kept))

    def _request(self, node: Node) -> DeviceName:
        try:
            return parse_device(node.device)
        except TfgError as error:
            raise self._graph.error_at(error, node.name) from None

    def _contradiction(
        self, whole: DeviceName, before: Sequence[_DeviceRequest], wish: _DeviceRequest
    ) -> TfgError:
        """Returns the error for a request that conflicts with an earlier one; ``whole`` is the merge of the
        earlier ones."""
        node = next(node for node in wish.by if not _agree(self._request(node), whole))
        asked = self._request(node)
        earlier = (node for other in before for node in other.by)
        other = next(other for other in earlier if not _agree(self._request(other), asked))
        message = (
            f"Cannot assign a device for operation {node.name!r}: it must be with {other.name!r}"
            f"{_reason(self._graph, node, other)}, which asks for {other.device}"
            f"{location_suffix(self._graph, other)}, but {node.name!r} itself asks for "
            f"{node.device}{location_suffix(self._graph, node)}"
        )
        return self._graph.error_at(invalid(message), node.name)


def _agree(a: DeviceName, b: DeviceName) -> bool:
    try:
        merge(a, b)
    except TfgError:
        return False
    return True


def _reason(graph: Graph, node: Node, other: Node) -> str:
    """Returns why two nodes must be together: a colocation request, or a common user."""
    for one, name in ((node, other.name), (other, node.name)):
        classes = one.attrs.get("_class")
        if isinstance(classes, tuple) and f"loc:@{name}".encode() in classes:
            return f" (loc:@{name})"
    both = {node.name, other.name}
    user = next((n for n in graph.nodes if both <= {source.node for source in n.data_inputs}), None)
    return f" (both are taken by {user.name!r})" if user is not None else ""
