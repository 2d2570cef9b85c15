"""Two habits of TensorFlow's placer, for placements that have not thought of transfers themselves.

What has no inputs and one output goes where its readers are, and what reads only the form of a tensor stays
where the tensor is. Both save a transfer and cost nothing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ....kernels.core import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....graphfmt.graph import Graph, Node
    from .constraints.constraints import Constraints

METADATA = frozenset({"Shape", "Size", "Rank"})


def with_habits(graph: Graph, constraints: Constraints, placement: Mapping[str, str]) -> dict[str, str]:
    """The placement with metadata operations moved to their inputs, then generators to their readers.

    Only nodes that are free to go there, and that no other node must be with, are moved.
    """
    moved = dict(placement)
    for node in graph.nodes:
        if node.op in METADATA and node.data_inputs:
            _move(node.name, moved[node.data_inputs[0].node], constraints, moved)
    readers: dict[str, set[str]] = defaultdict(set)
    for node in graph.nodes:
        for source in node.data_inputs:
            readers[source.node].add(moved[node.name])
    for node in graph.nodes:
        devices = readers.get(node.name, set[str]())
        if len(devices) == 1 and _is_generator(node):
            _move(node.name, next(iter(devices)), constraints, moved)
    return moved


def _is_generator(node: Node) -> bool:
    op = registry.find(node.op)
    if op is None or node.inputs or len(op.signature.outputs) != 1:
        return False
    output = op.signature.outputs[0]
    return not output.is_list and not output.is_ref


def _move(name: str, device: str, constraints: Constraints, moved: dict[str, str]) -> None:
    group = constraints.groups[constraints.group_of[name]]
    if len(group.nodes) == 1 and device in group.feasible:
        moved[name] = device
