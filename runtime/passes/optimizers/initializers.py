"""Initial assignments of a graph's variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....kernels.core.op_sets import ASSIGNMENTS
from .variables import is_variable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....graphfmt.graph import Graph, Node


def initial_assignments(graph: Graph) -> dict[str, Node]:
    """Returns by variable the first assignment, in file order, of a value that depends on the graph alone: on no
    variable, feed or checkpoint."""
    free: dict[str, bool] = {}
    assignments: dict[str, Node] = {}
    for node in graph.nodes:
        if node.op not in ASSIGNMENTS or len(node.data_inputs) != 2:
            continue
        variable = _assigned(graph, node)
        if variable is None or variable.name in assignments:
            continue
        if _follows_from_graph(graph, node.data_inputs[1].node, free):
            assignments[variable.name] = node
    return assignments


def _assigned(graph: Graph, node: Node) -> Node | None:
    source = graph.index.get(node.data_inputs[0].node)
    return source if source is not None and is_variable(source) else None


def _follows_from_graph(graph: Graph, name: str, known: dict[str, bool]) -> bool:
    """Returns True if a node depends on no variable, feed or checkpoint; ``known`` caches results."""
    stack = [name]
    path: set[str] = set()
    while stack:
        current = stack[-1]
        if current in known:
            stack.pop()
            continue
        node = graph.index.get(current)
        if (
            node is None
            or is_variable(node)
            or node.op.startswith(("Placeholder", "Restore", "Read", "_Arg"))
        ):
            known[current] = False
            continue
        sources = [e.node for e in node.data_inputs]
        waiting = [s for s in sources if s not in known]
        if waiting and current not in path:
            path.add(current)
            stack.extend(waiting)
            continue
        # A source that is still unknown here lies on a loop with this node.
        known[current] = all(known.get(s, False) for s in sources)
    return known[name]


def uninitialised_variables(
    variables: Sequence[str], assignments: Mapping[str, Node], done: set[str]
) -> list[str]:
    """Returns the variables that neither an assignment nor a node of ``done`` initialises; ``done`` is the graph's
    own initializer with its ancestors."""
    return [name for name in variables if name not in assignments and name not in done]
