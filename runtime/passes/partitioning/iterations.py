"""In which iterations of its loop a node runs.

Most run in every one. What follows from an Enter that is not constant, without going through a Merge, is there in the
first iteration alone; what follows so from a NextIteration, in all but the first.
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
    """Those of one loop."""

    FIRST = 1
    LATER = 2
    EVERY = FIRST | LATER


class LoopIterations(NamedTuple):
    """When each node's outputs are there, in terms of the innermost loop around them, and when each loop is
    entered, in terms of the loop around it."""

    nodes: Mapping[str, Iterations]
    loops: Mapping[Frame, Iterations]


def infer_iterations(graph: Graph, frames: Mapping[str, Frame]) -> LoopIterations:
    """When the nodes of a graph run, and its loops; ``frames`` are the loops around each node."""
    nodes: dict[str, Iterations] = {}
    loops: dict[Frame, Iterations] = {}
    for node in topological_order(graph):
        frame = frames[node.name]
        found = _of_inputs(node, nodes)
        if node.op in ENTERS:
            loops[frame] = loops.get(frame, Iterations.EVERY) & found
            found = Iterations.EVERY if node.attrs.get("is_constant") is True else Iterations.FIRST
        elif node.op in NEXT_ITERATIONS:
            found = Iterations.LATER
        elif node.op in EXITS:
            found = loops.get(frames[endpoint(node.inputs[0]).node], Iterations.EVERY)
        nodes[node.name] = found
    return LoopIterations(nodes, loops)


def _of_inputs(node: Node, nodes: Mapping[str, Iterations]) -> Iterations:
    """When all inputs are there, or any of a Merge's. An input that comes later leads back to a Merge."""
    found = Iterations.EVERY
    either = Iterations(0)
    for source in map(endpoint, node.inputs):
        when = nodes.get(source.node, Iterations.LATER)
        if node.op in MERGES and not source.is_control:
            either |= when
        else:
            found &= when
    return found & either if node.op in MERGES else found
