"""The iterations of a loop in which each node runs.

Most nodes run in every iteration. Nodes that follow a non-constant Enter without a Merge between run only in
the first one, and nodes that so follow a NextIteration in all but the first.
"""

from __future__ import annotations

from enum import Flag
from typing import TYPE_CHECKING, NamedTuple

from ....graphfmt.graph import Graph, Node, endpoint
from ....kernels.core.inference import topological_order
from ....kernels.core.op_sets import ENTERS, EXITS, MERGES, NEXT_ITERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...plan.control_flow.frames import Frame


class Iterations(Flag):
    """Iterations of one loop."""

    FIRST = 1
    LATER = 2
    EVERY = FIRST | LATER


class LoopIterations(NamedTuple):
    """The iterations in which nodes run, relative to their innermost loop, and in which loops are entered,
    relative to the enclosing loop."""

    nodes: Mapping[str, Iterations]
    loops: Mapping[Frame, Iterations]


def infer_iterations(graph: Graph, frames: Mapping[str, Frame]) -> LoopIterations:
    """Computes the iterations of nodes and loops; ``frames`` are the frames of the nodes."""
    nodes: dict[str, Iterations] = {}
    loops: dict[Frame, Iterations] = {}
    for node in topological_order(graph):
        frame = frames[node.name]
        when = _of_inputs(node, nodes)
        if node.op in ENTERS:
            loops[frame] = loops.get(frame, Iterations.EVERY) & when
            when = Iterations.EVERY if node.attrs.get("is_constant") is True else Iterations.FIRST
        elif node.op in NEXT_ITERATIONS:
            when = Iterations.LATER
        elif node.op in EXITS:
            when = loops.get(frames[endpoint(node.inputs[0]).node], Iterations.EVERY)
        nodes[node.name] = when
    return LoopIterations(nodes, loops)


def _of_inputs(node: Node, nodes: Mapping[str, Iterations]) -> Iterations:
    """Returns the iterations in which all inputs are available, or any input of a Merge.

    An input that comes later in topological order is the back edge of a Merge.
    """
    every = Iterations.EVERY
    either = Iterations(0)
    for source in map(endpoint, node.inputs):
        when = nodes.get(source.node, Iterations.LATER)
        if node.op in MERGES and not source.is_control:
            either |= when
        else:
            every &= when
    return every & either if node.op in MERGES else every
