"""Removes nodes without influence on the nodes that are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....graphfmt.traversal import ancestors
from ....kernels.core.op_sets import INPUTS
from ..colocation_requests import without_lost_requests

if TYPE_CHECKING:
    from ....graphfmt.graph import Graph
    from .candidates import PassContext


def remove_unused_nodes(graph: Graph, context: PassContext) -> Graph:
    """Returns the graph without nodes that no kept node needs; placeholders stay, so that feeds still have a name."""
    needed = ancestors(graph, context.kept)
    if len(needed) == len(graph.nodes):
        return graph
    for node in graph.nodes:
        if node.op in INPUTS:
            needed.update(ancestors(graph, [node.name]))
    left = [node for node in graph.nodes if node.name in needed]
    return graph.with_nodes(without_lost_requests(node, needed) for node in left)
