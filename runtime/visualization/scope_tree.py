"""The tree of a graph's name scopes, loops, conditionals and functions, and the order of what is inside of each.

Loops and branches of conditionals that do not have a scope of their own get one. The nodes of a function are inside of
the node that calls it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt.attributes import Function
from ...graphfmt.errors import TfgError
from ...graphfmt.graph import endpoint
from .scope_regions import node_regions
from .scope_rows import arrange_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...graphfmt.graph import Graph, Node
    from ...kernels.core.facts import Fact

# Calls within calls are drawn to this depth, and functions while the drawing has at most so many nodes.
_DEEPEST_CALL = 3
_MOST_CALLED_NODES = 20_000
# A scope with more items is divided.
_MOST_ITEMS = 6_000
_ITEMS_OF_PART = 300


@dataclass
class ScopeItem:
    """A node, or a scope with the items inside of it.

    ``kind`` is ``node``, ``scope``, ``loop``, ``branch`` or ``function``; ``rows`` has the numbers of the items inside,
    from top to bottom; ``count`` is the number of nodes, ``seconds`` and ``bytes`` are their totals.
    """

    label: str
    parent: int
    kind: str
    node: Node | None = None
    rows: Sequence[Sequence[int]] = ()
    count: int = 0
    seconds: float = 0.0
    bytes: int = 0
    children: list[int] = field(default_factory=list[int])


class ScopeEdge(NamedTuple):
    """An edge between two nodes by their numbers; ``label`` is dtype and shape, empty for control edges."""

    source: int
    target: int
    label: str
    is_control: bool


class ScopeTree(NamedTuple):
    """Items, of which the first is the whole graph, and the edges between nodes."""

    items: Sequence[ScopeItem]
    edges: Sequence[ScopeEdge]


def scope_tree(
    graph: Graph, facts: Mapping[str, Sequence[Fact]], seconds: Mapping[str, float] | None = None
) -> ScopeTree:
    """Returns the tree of a graph; ``seconds`` are the measured times of nodes."""
    builder = _TreeBuilder(graph, facts, seconds or {})
    builder.add_graph()
    return builder.finish()


class _TreeBuilder:
    def __init__(
        self, graph: Graph, facts: Mapping[str, Sequence[Fact]], seconds: Mapping[str, float]
    ) -> None:
        self._graph = graph
        self._facts = facts
        self._seconds = seconds
        self._functions = {function.name: function for function in graph.functions}
        self.items = [ScopeItem("", -1, "scope")]
        self.edges: list[ScopeEdge] = []
        self._scopes: dict[tuple[int, str], int] = {}
        self._called = 0

    def add_graph(self) -> None:
        regions = node_regions(self._graph)
        numbers: dict[str, int] = {}
        for node in self._graph.nodes:
            parent = 0
            for label, kind in regions.path(node.name):
                parent = self._scope(parent, label, kind)
            numbers[node.name] = self._add_node(node, parent, node.name.rsplit("/", 1)[-1])
            self._add_functions(node, numbers[node.name], node.name, 1)
        self._add_edges(self._graph.nodes, numbers, self._facts)

    def _scope(self, parent: int, label: str, kind: str) -> int:
        number = self._scopes.get((parent, label))
        if number is None:
            number = self._scopes[parent, label] = self._add(ScopeItem(label, parent, kind))
        return number

    def _add(self, item: ScopeItem) -> int:
        self.items.append(item)
        self.items[item.parent].children.append(len(self.items) - 1)
        return len(self.items) - 1

    def _add_node(self, node: Node, parent: int, label: str) -> int:
        size = sum(_bytes(fact) for fact in self._facts.get(node.name, ()))
        seconds = self._seconds.get(node.name, 0.0)
        return self._add(ScopeItem(label, parent, "node", node, count=1, seconds=seconds, bytes=size))

    def _add_functions(self, node: Node, number: int, name: str, depth: int) -> None:
        """Adds the bodies of the functions that a node calls as items inside of it. In a trace, the name of a node of a
        body is behind that of the call."""
        for attr, called in _functions(node):
            function = self._functions.get(called)
            if function is None or depth > _DEEPEST_CALL or self._called > _MOST_CALLED_NODES:
                continue
            self._called += len(function.body)
            inside = self._add(ScopeItem(f"{attr}: {called}", number, "function"))
            numbers = {
                argument.name: self._add(ScopeItem(argument.name, inside, "node"))
                for argument in function.inputs
            }
            for body_node in function.body:
                path = f"{name}/{body_node.name}"
                seconds = self._seconds.get(path, 0.0)
                item = ScopeItem(body_node.name, inside, "node", body_node, count=1, seconds=seconds)
                numbers[body_node.name] = self._add(item)
                self._add_functions(body_node, numbers[body_node.name], path, depth + 1)
            self._add_edges(function.body, numbers, {})

    def _add_edges(
        self, nodes: Sequence[Node], numbers: Mapping[str, int], facts: Mapping[str, Sequence[Fact]]
    ) -> None:
        for node in nodes:
            for text in node.inputs:
                name = text.removeprefix("^").split(":")[0]
                if name in numbers:
                    label = "" if text.startswith("^") else _label(text, facts)
                    edge = ScopeEdge(numbers[name], numbers[node.name], label, text.startswith("^"))
                    self.edges.append(edge)

    def finish(self) -> ScopeTree:
        """Adds up counts, bytes and times, divides large scopes, and orders what is inside of each."""
        for number in range(len(self.items)):
            self._divide(number)
        order = list(self._parents_last())
        for number in order:
            item = self.items[number]
            if item.parent >= 0:
                parent = self.items[item.parent]
                parent.count += item.count
                parent.bytes += item.bytes
                parent.seconds += item.seconds
        inner = self._inner_edges()
        for number, item in enumerate(self.items):
            if item.children:
                item.rows = arrange_rows(item.children, inner.get(number, ()))
        return ScopeTree(self.items, self.edges)

    def _divide(self, number: int) -> None:
        """Puts the items of a scope with very many into parts."""
        children = self.items[number].children
        if len(children) <= _MOST_ITEMS:
            return
        self.items[number].children = []
        for start in range(0, len(children), _ITEMS_OF_PART):
            group = children[start : start + _ITEMS_OF_PART]
            part = self._add(ScopeItem(f"{start + 1:,}–{start + len(group):,}", number, "scope"))
            self.items[part].children = group
            for child in group:
                self.items[child].parent = part

    def _parents_last(self) -> Iterator[int]:
        """Yields the items, each behind all that is inside of it."""
        stack, order = [0], list[int]()
        while stack:
            number = stack.pop()
            order.append(number)
            stack.extend(self.items[number].children)
        return reversed(order)

    def _inner_edges(self) -> Mapping[int, Sequence[tuple[int, int]]]:
        """Returns the edges between the items of each scope, for edges of the nodes inside of them."""
        depth = [0] * len(self.items)
        for number in reversed(list(self._parents_last())):
            if number:
                depth[number] = depth[self.items[number].parent] + 1
        inner: dict[int, dict[tuple[int, int], None]] = defaultdict(dict)
        for source, target, _, _ in self.edges:
            while depth[source] > depth[target]:
                source = self.items[source].parent
            while depth[target] > depth[source]:
                target = self.items[target].parent
            while self.items[source].parent != self.items[target].parent:
                source, target = self.items[source].parent, self.items[target].parent
            if source != target:
                inner[self.items[source].parent][source, target] = None
        return {number: list(edges) for number, edges in inner.items()}


def _functions(node: Node) -> Iterator[tuple[str, str]]:
    for attr, value in node.attrs.items():
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Function):
                yield attr, one.name


def _bytes(fact: Fact) -> int:
    size = fact.shape.size
    return 0 if size is None or fact.dtype.is_opaque or fact.dtype.is_ref else size * fact.dtype.size


def _label(text: str, facts: Mapping[str, Sequence[Fact]]) -> str:
    try:
        source = endpoint(text)
    except TfgError:
        return ""
    outputs = facts.get(source.node, ())
    if source.port >= len(outputs):
        return ""
    fact = outputs[source.port]
    return f"{fact.dtype.base.name}{fact.shape}"
