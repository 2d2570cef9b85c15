"""Colocation of control-flow nodes, before partitioning, so that they cause no needless transfers.

A Switch moves to its data input and an Exit to the nodes after the loop, so that only taken values are sent.
Enter and NextIteration move to their readers, with one copy per device: a loop-invariant value is sent once
instead of in each iteration, and a Merge always has its Enter and NextIteration on its own device, as
partitioned loops require. (TensorFlow moves only those with a single reader, and makes no copies.)
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from ....graphfmt.graph import Graph, Node, endpoint
from ....kernels.core.inference import topological_order
from ....kernels.core.op_sets import ENTERS, EXITS, NEXT_ITERATIONS, SWITCHES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FOLLOW_THEIR_DATA = SWITCHES | EXITS
# References cannot be sent, so operations on references keep their devices.
_GO_TO_THEIR_READERS = frozenset(op for op in ENTERS | NEXT_ITERATIONS if not op.startswith("Ref"))


def colocate_control_flow(graph: Graph) -> Graph:
    """Returns the placed graph with its control-flow nodes moved."""
    if not any(node.op in _FOLLOW_THEIR_DATA or node.op in _GO_TO_THEIR_READERS for node in graph.nodes):
        return graph
    order = list(topological_order(graph))
    devices = {node.name: node.device for node in graph.nodes}
    _follow_data(order, devices)
    copies = _copies(graph, order, devices)
    nodes: list[Node] = []
    for node in graph.nodes:
        for device, name in copies.get(node.name, {devices[node.name]: node.name}).items():
            inputs = tuple(_on_device(text, device, copies) for text in node.inputs)
            nodes.append(replace(node, name=name, device=device, inputs=inputs))
    return graph.with_nodes(nodes)


def _on_device(text: str, device: str, copies: Mapping[str, Mapping[str, str]]) -> str:
    """Returns an input under the name that it has for readers on a device."""
    source = endpoint(text)
    name = copies.get(source.node, {}).get(device, source.node)
    return text if name == source.node else str(source._replace(node=name))


def _follow_data(order: Iterable[Node], devices: dict[str, str]) -> None:
    operations: dict[str, str] = {}
    for node in order:
        operations[node.name] = node.op
        source = endpoint(node.inputs[0]).node if node.op in _FOLLOW_THEIR_DATA else ""
        # An Enter or NextIteration moves to its readers, so following one would be circular.
        if source and operations.get(source) not in _GO_TO_THEIR_READERS:
            devices[node.name] = devices[source]


def _copies(graph: Graph, order: list[Node], devices: dict[str, str]) -> dict[str, dict[str, str]]:
    """Returns, for each Enter and NextIteration with readers, the name of its copy on each device.

    The original serves its own device, or else the first by name.
    """
    needed: dict[str, set[str]] = {}
    copies: dict[str, dict[str, str]] = {}
    taken = set(graph.index)
    back = _readers_of_next_iterations(graph, devices)
    for node in reversed(order):
        if node.op in _GO_TO_THEIR_READERS:
            there = needed.get(node.name, set()) | back.get(node.name, set()) or {devices[node.name]}
            home = devices[node.name] if devices[node.name] in there else min(there)
            names = {device: _free(f"{node.name}/_copy", taken) for device in sorted(there - {home})}
            copies[node.name] = {home: node.name, **names}
        else:
            there = {devices[node.name]}
        for text in node.inputs:
            needed.setdefault(endpoint(text).node, set()).update(there)
    return copies


def _readers_of_next_iterations(graph: Graph, devices: Mapping[str, str]) -> dict[str, set[str]]:
    """Returns the devices of the Merges that each NextIteration feeds; they precede it in topological order."""
    devices_of: dict[str, set[str]] = {}
    for node in graph.nodes:
        for text in node.inputs:
            source = endpoint(text).node
            if graph.index[source].op == "NextIteration":
                devices_of.setdefault(source, set()).add(devices[node.name])
    return devices_of


def _free(stem: str, taken: set[str]) -> str:
    name = next(name for number in count(1) if (name := f"{stem}_{number}") not in taken)
    taken.add(name)
    return name
