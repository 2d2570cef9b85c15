"""Steering operations moved to where they cost no transfer, before a graph is cut.

A Switch goes to its data input and an Exit to what leaves the loop, so that only what is taken travels. Enter and
NextIteration go to their readers, one copy to each device that has any: so a loop's constant travels once and
not in every iteration, and a Merge always has the Enter and the NextIteration that it begins and goes on with
beside it, without which no loop could be cut. (TensorFlow moves those with a single reader, and makes no copies.)
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from ....graphfmt.graph import Graph, Node, endpoint
from ....kernels.core.inference import topological_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# References and what makes them cannot be apart, so operations on references stay where they are.
_FOLLOW_THEIR_DATA = frozenset({"Switch", "RefSwitch", "Exit", "RefExit"})
_GO_TO_THEIR_READERS = frozenset({"Enter", "NextIteration"})


def colocate_control_flow(graph: Graph) -> Graph:
    """The placed graph with its steering operations moved."""
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
    """An input as a reader on a device names it."""
    source = endpoint(text)
    name = copies.get(source.node, {}).get(device, source.node)
    return text if name == source.node else str(source._replace(node=name))


def _follow_data(order: Iterable[Node], devices: dict[str, str]) -> None:
    operations: dict[str, str] = {}
    for node in order:
        operations[node.name] = node.op
        source = endpoint(node.inputs[0]).node if node.op in _FOLLOW_THEIR_DATA else ""
        # What goes to its readers must not be followed: the two would wait for each other.
        if source and operations.get(source) not in _GO_TO_THEIR_READERS:
            devices[node.name] = devices[source]


def _copies(graph: Graph, order: list[Node], devices: dict[str, str]) -> dict[str, dict[str, str]]:
    """For each Enter and NextIteration that is read, the name of its copy on each device. The original is the
    copy on its own device, or on the first."""
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
    """The devices of the Merges that a NextIteration leads back to, which come before it in order."""
    found: dict[str, set[str]] = {}
    for node in graph.nodes:
        for text in node.inputs:
            source = endpoint(text).node
            if graph.index[source].op == "NextIteration":
                found.setdefault(source, set()).add(devices[node.name])
    return found


def _free(stem: str, taken: set[str]) -> str:
    name = next(name for number in count(1) if (name := f"{stem}_{number}") not in taken)
    taken.add(name)
    return name
