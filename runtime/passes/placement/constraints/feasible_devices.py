"""Feasible devices of colocated nodes, and errors that explain why there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....graphfmt.devices import parse_device
from .....graphfmt.errors import TfgError, invalid
from .....graphfmt.names import counted
from ..machine.machine import device_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .....graphfmt.devices import DeviceName
    from .....graphfmt.graph import Graph, Node
    from ..machine.machine import Machine
    from .kernel_support import Supports

# The hint where requests cannot be met.
_SOFT = "--soft ignores requests that cannot be met"


class FeasibleDevices:
    """Finds feasible devices, with a cache, since most nodes make the same request. ``notes`` are about ignored
    requests."""

    def __init__(self, graph: Graph, machine: Machine, supports: Supports, soft: bool) -> None:
        self.notes: list[str] = []
        self._graph = graph
        self._machine = machine
        self._supports = supports
        self._soft = soft
        self._known: dict[tuple[DeviceName, tuple[str, ...]], tuple[str, ...]] = {}

    def devices(
        self, nodes: Sequence[Node], asked: DeviceName, hard: DeviceName, by: Sequence[Node]
    ) -> tuple[str, ...]:
        """Returns the names of devices that match the request and have kernels for all nodes.

        ``hard`` is the part of the request that soft placement ignores last; ``by`` are the requesting nodes.

        Raises INVALID_ARGUMENT where there are none.
        """
        types = self._types(nodes)
        feasible = self._matching(asked, types)
        if not feasible and self._soft:
            feasible = self._matching(asked._replace(type=hard.type, id=hard.id), types)
            feasible = feasible or self._matching(asked._replace(type=None, id=None), types)
            if feasible:
                self._note(nodes, asked, feasible)
        if not feasible:
            raise self._error(nodes, asked, types, by)
        return feasible

    def _types(self, nodes: Sequence[Node]) -> tuple[str, ...]:
        """Returns the device types with a kernel for each of the nodes."""
        supports = self._supports
        types = self._machine.device_types
        return tuple([kind for kind in types if all(supports(node, kind) for node in nodes)])

    def _matching(self, asked: DeviceName, types: tuple[str, ...]) -> tuple[str, ...]:
        key = (asked, types)
        matching = self._known.get(key)
        if matching is None:
            fitting = (d for d in self._machine.devices if d.type in types and asked.matches(d.parsed))
            matching = self._known[key] = tuple([device.name for device in fitting])
        return matching

    def _note(self, nodes: Sequence[Node], asked: DeviceName, feasible: tuple[str, ...]) -> None:
        others = f" and {counted(len(nodes) - 1, 'node')} with it" if len(nodes) > 1 else ""
        self.notes.append(
            f"{nodes[0].name!r}{others} cannot be on '{asked}', and may be on {', '.join(feasible[:4])}"
        )

    def _error(
        self, nodes: Sequence[Node], asked: DeviceName, types: tuple[str, ...], by: Sequence[Node]
    ) -> TfgError:
        """Returns the error for nodes without a feasible device."""
        fitting = [device.type for device in self._machine.devices if asked.matches(device.parsed)]
        if not types:
            reason = (
                f"no type of device has kernels for all that must be together: {self._without_kernel(nodes)}"
            )
        elif not fitting:
            # Of several requests, one that no device meets explains most.
            by = [node for node in by if not self._exists(node)] or by
            reason = f"{self._requests(by)}, but there is no such device"
        else:
            reason = f"{self._requests(by)}, but there is no kernel for that: {self._without_kernel(nodes, fitting)}"
        node = by[0] if by else nodes[0]
        message = f"Cannot assign a device for operation {node.name!r}: {reason}"
        return self._graph.error_at(
            invalid(f"{message}; the devices are {device_list(self._machine)}", hint=_SOFT), node.name
        )

    def _exists(self, node: Node) -> bool:
        asked = parse_device(node.device)
        return any(asked.matches(device.parsed) for device in self._machine.devices)

    def _requests(self, by: Sequence[Node]) -> str:
        shown = [
            f"{node.name!r} asks for {node.device}{location_suffix(self._graph, node)}" for node in by[:4]
        ]
        rest = len(by) - len(shown)
        return " and ".join(shown) + (f" and {counted(rest, 'node')} more for others" if rest else "")

    def _without_kernel(self, nodes: Sequence[Node], types: Sequence[str] = ()) -> str:
        """Describes, for each device type, a node for which it has no kernel."""
        lacking: list[str] = []
        for kind in dict.fromkeys(types or self._machine.device_types):
            node = next((n for n in nodes if not self._supports(n, kind)), None)
            if node is not None:
                lacking.append(
                    f"{kind} has none for {node.name!r}, {node.op}{location_suffix(self._graph, node)}"
                )
        return " and ".join(lacking)


def location_suffix(graph: Graph, node: Node) -> str:
    """Returns a node's source location in parentheses, or an empty text."""
    location = graph.locate(node)
    return f" ({location})" if location is not None and location.line else ""
