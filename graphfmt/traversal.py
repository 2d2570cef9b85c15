"""Walks over graphs: topological order, ancestors, descendants. None recurses: chains may be of any length."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from .errors import invalid
from .graph import endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from .errors import TfgError
    from .graph import Graph, Node

T = TypeVar("T")

_NO_EDGES: Mapping[str, Collection[str]] = {}


def reachable_from(starts: Iterable[T], successors: Callable[[T], Iterable[T]]) -> dict[T, None]:
    """The starts and everything that ``successors`` leads to from them, depth first, as an ordered set."""
    reached: dict[T, None] = {}
    stack = list(starts)
    while stack:
        item = stack.pop()
        if item not in reached:
            reached[item] = None
            stack += successors(item)
    return reached


def ancestors(graph: Graph, ends: Iterable[str], *, data_only: bool = False) -> dict[str, None]:
    """The names of ``ends`` and of all nodes that they depend on, as an ordered set; by data edges alone if
    ``data_only``. Names that the graph does not have are left out."""
    index = graph.index

    def producers(name: str) -> list[str]:
        sources = map(endpoint, index[name].inputs)
        return [s.node for s in sources if s.node in index and not (data_only and s.is_control)]

    return reachable_from((name for name in ends if name in index), producers)


def descendants(nodes: Iterable[Node], starts: Iterable[str]) -> dict[str, None]:
    """The names of ``starts`` and of all nodes that depend on them, as an ordered set."""
    edges = readers(nodes)
    return reachable_from(starts, lambda name: edges.get(name, ()))


def readers(nodes: Iterable[Node]) -> dict[str, list[str]]:
    """For each name that nodes read or wait for, the names of those nodes, once per input."""
    found: dict[str, list[str]] = {}
    for node in nodes:
        for text in node.inputs:
            found.setdefault(endpoint(text).node, []).append(node.name)
    return found


def topological_order(
    graph: Graph, cut: Collection[str] = (), back_edges: Mapping[str, Collection[str]] = _NO_EDGES
) -> Iterator[Node]:
    """The nodes, each after its inputs, otherwise in file order.

    Args:
        cut: names of nodes whose inputs are not followed.
        back_edges: for an operation, those of its producers from which edges are not followed.

    Raises:
        TfgError: INVALID_ARGUMENT for an input that names no node, and for a cycle.
    """
    waiting: dict[str, int] = {}
    edges: dict[str, list[Node]] = {}
    ready: list[Node] = []
    index = graph.index
    for node in graph.nodes:
        count = 0
        ignored = back_edges.get(node.op, ())
        for text in node.inputs if node.name not in cut else ():
            name = endpoint(text).node
            producer = index.get(name)
            if producer is None:
                raise _unknown_input(graph, node, text)
            if producer.op not in ignored:
                edges.setdefault(name, []).append(node)
                count += 1
        if count:
            waiting[node.name] = count
        else:
            ready.append(node)
    done = 0
    ready.reverse()
    while ready:
        node = ready.pop()
        done += 1
        yield node
        for reader in reversed(edges.get(node.name, ())):
            waiting[reader.name] -= 1
            if not waiting[reader.name]:
                ready.append(reader)
    if done < len(graph.nodes):
        left = [n for n in graph.nodes if waiting.get(n.name)]
        raise graph.error_at(_cycle_error(graph, left), left[0].name)


def _unknown_input(graph: Graph, node: Node, text: str) -> TfgError:
    from .names import did_you_mean

    hint = did_you_mean(endpoint(text).node, graph.index)
    error = invalid(f"node {node.name!r} has the unknown input {text!r}", hint=hint)
    return graph.error_at(error, node.name, input=node.inputs.index(text))


def _cycle_error(graph: Graph, left: Sequence[Node]) -> TfgError:
    """The error for nodes that wait for each other, naming one cycle."""
    names = {node.name for node in left}
    path: list[str] = []
    seen: dict[str, int] = {}
    current = left[0]
    while current.name not in seen:
        seen[current.name] = len(path)
        path.append(current.name)
        before = [e.node for e in map(endpoint, current.inputs) if e.node in names]
        if not before:
            return invalid(f"several nodes have the name {current.name!r}", node=current.name)
        current = graph.index[before[0]]
    cycle = path[seen[current.name] :][::-1]
    shown = " -> ".join([*cycle[:8], "…", cycle[0]] if len(cycle) > 8 else [*cycle, cycle[0]])
    return invalid(f"the graph has a cycle without NextIteration: {shown}", node=cycle[0])
