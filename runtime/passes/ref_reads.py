"""Fresh reads of reference variables after updates within a step.

In TensorFlow the Identity that reads a reference shares the variable's memory, and many graphs rely on it: a
moving average waits for the update of a weight, and then reads the weight through the same Identity as the
network did before the update. Here an Identity gives the value at the time it runs. So a node that reads such
an Identity after an update of the variable gets an Identity of its own, with the node's other inputs as control
inputs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...graphfmt.graph import Graph, Node, endpoint
from ...kernels.core import registry
from ...kernels.core.inference import topological_order
from ...kernels.core.op_sets import MERGES, REFERENCE_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping


def reread_updated_references(graph: Graph) -> Graph:
    """Returns the graph with a fresh Identity for each read of a reference variable that follows an update of it."""
    bits = {node.name: 1 << place for place, node in enumerate(graph.nodes) if node.op in REFERENCE_VARIABLES}
    reads = {
        node.name: bits[endpoint(node.inputs[0]).node]
        for node in graph.nodes
        if node.op == "Identity" and len(node.inputs) == 1 and endpoint(node.inputs[0]).node in bits
    }
    if not reads:
        return graph
    behind = _updates_behind(graph, bits)
    nodes: list[Node] = []
    for node in graph.nodes:
        again = _read_again(node, reads, behind.get(node.name, 0))
        names = {old: f"_again/{node.name}/{old}" for old in again}
        waits = tuple(f"^{name}" for name in dict.fromkeys(_sources(node)) if name not in again)
        nodes += [
            replace(graph[old], name=new, inputs=(*graph[old].inputs, *waits)) for old, new in names.items()
        ]
        nodes.append(
            replace(node, inputs=tuple(names.get(text.removesuffix(":0"), text) for text in node.inputs))
            if names
            else node
        )
    return graph.with_nodes(nodes)


def _updates_behind(graph: Graph, bits: Mapping[str, int]) -> dict[str, int]:
    """Returns, by node, the variables updated by the node or its ancestors, one bit per variable."""
    variable = dict(bits)
    behind: dict[str, int] = {}
    for node in topological_order(graph):
        updates = 0
        for name in _sources(node):
            updates |= behind.get(name, 0)
        updated = variable.get(endpoint(node.inputs[0]).node, 0) if node.inputs else 0
        if updated and _takes_reference(node):
            variable[node.name] = updated
            updates |= updated
        if updates:
            behind[node.name] = updates
    return behind


def _takes_reference(node: Node) -> bool:
    op = registry.find(node.op)
    return op is not None and bool(op.signature.inputs) and op.signature.inputs[0].is_ref


def _read_again(node: Node, reads: Mapping[str, int], updated: int) -> list[str]:
    """Returns the inputs of a node that read variables updated before the node runs.

    A Merge waits for only one of its inputs, so its inputs are left alone.
    """
    if not updated or node.op in MERGES:
        return []
    sources = dict.fromkeys(e.node for e in node.data_inputs)
    return [name for name in sources if reads.get(name, 0) & updated]


def _sources(node: Node) -> list[str]:
    return [endpoint(text).node for text in node.inputs]
