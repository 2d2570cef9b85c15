"""The frame of each node, that is, the loops that it is in; checked before anything runs.

An Enter leads into its frame, an Exit out of it; every other node is in the frame of its inputs. Ill-formed loops are
reported here, with the nodes on either side, instead of by a step that never ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....graphfmt.errors import invalid
from ....graphfmt.graph import Graph, endpoint
from ....kernels.core.inference import topological_order
from ....kernels.core.op_sets import ENTERS, EXITS, LOOP_NODES, NEXT_ITERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....graphfmt.errors import TfgError
    from ....graphfmt.graph import Endpoint, Node

# The names of the loops around a node, the outermost first.
Frame = tuple[str, ...]


def frames(graph: Graph) -> Mapping[str, Frame]:
    """The frame of each node's outputs, by node name.

    Raises:
        TfgError: INVALID_ARGUMENT for a node with inputs from different frames, or an Exit outside of all loops.
    """
    by_node: dict[str, Frame] = {}
    for node in topological_order(graph):
        inside = _frame_of_inputs(graph, node, by_node)
        if node.op in ENTERS:
            inside = (*inside, _frame_name(node))
        elif node.op in EXITS:
            if not inside:
                raise graph.error_at(
                    invalid(f"node {node.name!r} is an Exit outside of all loops"), node.name
                )
            inside = inside[:-1]
        elif node.op in NEXT_ITERATIONS and not inside:
            raise graph.error_at(
                invalid(f"node {node.name!r} is a NextIteration outside of all loops"), node.name
            )
        by_node[node.name] = inside
    return by_node


def check_fetches(graph: Graph, by_node: Mapping[str, Frame], fetches: Sequence[Endpoint]) -> None:
    """Raises INVALID_ARGUMENT for a fetch inside a loop, which has a value for every iteration."""
    for fetch in fetches:
        if by_node.get(fetch.node):
            loop = "/".join(by_node[fetch.node])
            error = invalid(
                f"{str(fetch)!r} is inside the loop {loop!r}, and has a value for every iteration",
                hint="fetch an output of one of the loop's Exit nodes",
            )
            raise graph.error_at(error, fetch.node)


def _frame_name(node: Node) -> str:
    name = node.attrs.get("frame_name", b"")
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else ""


def _frame_of_inputs(graph: Graph, node: Node, by_node: Mapping[str, Frame]) -> Frame:
    first: tuple[str, Frame] | None = None
    for position, text in enumerate(node.inputs):
        source = endpoint(text).node
        if source not in by_node:
            continue  # the back edge of a loop
        if first is None:
            first = source, by_node[source]
        elif first[1] != by_node[source]:
            raise graph.error_at(_conflict(node, first, (source, by_node[source])), node.name, input=position)
    return first[1] if first is not None else ()


def _conflict(node: Node, one: tuple[str, Frame], other: tuple[str, Frame]) -> TfgError:
    def where(frame: Frame) -> str:
        return f"in frame {'/'.join(frame)!r}" if frame else "in no loop"

    return invalid(
        f"node {node.name!r} has inputs from different frames: {one[0]!r} is {where(one[1])}, {other[0]!r} is "
        f"{where(other[1])}",
        hint="a value goes into a loop through an Enter, and out of it through an Exit",
    )


def check_loops(graph: Graph) -> Mapping[str, Frame]:
    """The frame of each node's outputs. Raises INVALID_ARGUMENT as ``frames`` and ``check_whole``."""
    if not any(node.op in LOOP_NODES for node in graph.nodes):
        return {}
    by_node = frames(graph)
    check_whole(graph, by_node)
    return by_node


def check_whole(graph: Graph, by_node: Mapping[str, Frame]) -> None:
    """Raises INVALID_ARGUMENT for a loop without an Exit, or without a LoopCond."""
    entered: dict[Frame, str] = {}
    left: set[Frame] = set()
    conditions: set[Frame] = set()
    for node in graph.nodes:
        if node.op in ENTERS:
            entered.setdefault(by_node[node.name], node.name)
        elif node.op in EXITS:
            source = endpoint(node.inputs[0]).node
            left.add(by_node[source])
        elif node.op == "LoopCond":
            conditions.add(by_node[node.name])
    for frame, name in entered.items():
        loop = "/".join(frame)
        if frame not in left:
            raise graph.error_at(invalid(f"the loop {loop!r} is entered at {name!r}, but has no Exit"), name)
        if frame not in conditions:
            raise graph.error_at(invalid(f"the loop {loop!r} has no LoopCond"), name)
