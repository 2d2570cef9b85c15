"""The part of a graph around a node."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...graphfmt.graph import endpoint
from ...graphfmt.traversal import readers

if TYPE_CHECKING:
    from ...graphfmt.graph import Graph


def neighbourhood(graph: Graph, name: str, depth: int) -> Graph:
    """Returns the nodes at most so many edges from a node, in either direction; edges to others are left out.

    Raises NOT_FOUND for a node that the graph does not have.
    """
    reading = readers(graph.nodes)
    near, level = {name}, [graph[name].name]
    for _ in range(depth):
        around = [
            other
            for one in level
            for other in (*(endpoint(text).node for text in graph[one].inputs), *reading.get(one, ()))
            if other in graph
        ]
        level = [other for other in dict.fromkeys(around) if other not in near]
        near.update(level)
    return graph.with_nodes(
        replace(node, inputs=tuple(text for text in node.inputs if endpoint(text).node in near))
        for node in graph.nodes
        if node.name in near
    )
