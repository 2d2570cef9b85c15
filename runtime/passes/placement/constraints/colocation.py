"""Colocation of nodes: by request (``_class: loc:@x``), and of users of a reference or resource.

References and resources cannot be sent to another device, so nodes that take one as input run on its device.
Variants (tensor lists, optionals) are values and can be sent, as can the value that ``Identity`` reads from a
reference.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from .....graphfmt import dtypes
from .....graphfmt.errors import TfgError, invalid
from .....graphfmt.graph import endpoint
from .....graphfmt.names import did_you_mean
from .....kernels.core import registry
from .....kernels.functions.library import graph_library

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .....graphfmt.graph import Graph, Node
    from .....graphfmt.signatures import OpSignature
    from .....kernels.core.registry import Op
    from .....kernels.functions.library import Library

_PREFIX = b"loc:@"
_RESOURCE = dtypes.BY_NAME["resource"]


class DisjointSets:
    """Union-find over the numbers 0 to n - 1."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def find(self, item: int) -> int:
        """Returns the representative of an item's set."""
        parents = self._parents
        while parents[item] != item:
            parents[item] = parents[parents[item]]
            item = parents[item]
        return item

    def unite(self, a: int, b: int) -> None:
        """Merges two sets; the smaller representative stays."""
        a, b = self.find(a), self.find(b)
        if a < b:
            self._parents[b] = a
        else:
            self._parents[a] = b


class HandleEdge(NamedTuple):
    """An edge that carries a reference or resource; nodes are indices into ``graph.nodes``."""

    producer: int
    consumer: int


def handle_edges(graph: Graph) -> list[HandleEdge]:
    """Returns the edges that carry references and resources.

    Raises NOT_FOUND for an unknown operation, INVALID_ARGUMENT for an input that names no node.
    """
    numbers = {node.name: number for number, node in enumerate(graph.nodes)}
    library = graph_library(graph)
    edges: list[HandleEdge] = []
    for consumer, node in enumerate(graph.nodes):
        for position in handle_inputs(graph, node, library):
            source = endpoint(node.inputs[position]).node
            if source not in numbers:
                hint = did_you_mean(source, graph.index)
                message = f"Node {node.name!r}: Unknown input node {node.inputs[position]!r}"
                raise graph.error_at(invalid(message, hint=hint), node.name, input=position)
            edges.append(HandleEdge(numbers[source], consumer))
    return edges


def handle_inputs(graph: Graph, node: Node, library: Library | None) -> Sequence[int]:
    """Returns the positions of a node's inputs that are references or resources."""
    try:
        op = registry.get(node.op, library)
    except TfgError as error:
        raise graph.error_at(error, node.name) from None
    always, sometimes = _takes(op)
    if not always and not (sometimes and _RESOURCE in _types_among(node)):
        return ()
    return _positions(graph, node, op.signature)


@lru_cache(maxsize=4096)
def _takes(op: Op) -> tuple[bool, bool]:
    """Returns whether an operation always takes references or resources, and whether it may, depending on
    attributes."""
    inputs = op.signature.inputs
    always = any(arg.is_ref or arg.dtype is _RESOURCE for arg in inputs)
    return always, any(arg.dtype is None for arg in inputs)


def _types_among(node: Node) -> Iterator[object]:
    for value in node.attrs.values():
        if isinstance(value, tuple):
            yield from value
        else:
            yield value


def _positions(graph: Graph, node: Node, signature: OpSignature) -> Sequence[int]:
    try:
        bound = signature.bind(node)
    except TfgError as error:
        raise graph.error_at(error, node.name) from None
    return [i for i, dtype in enumerate(bound.input_types) if dtype.is_ref or dtype is _RESOURCE]


def colocated_nodes(graph: Graph, node: Node) -> Iterator[str]:
    """Yields the nodes that a node requests colocation with. Raises INVALID_ARGUMENT for an unknown one."""
    value = node.attrs.get("_class")
    for item in value if isinstance(value, tuple) else ():
        if not isinstance(item, bytes) or not item.startswith(_PREFIX):
            continue
        name = item[len(_PREFIX) :].decode("utf-8", "replace")
        if name not in graph.index:
            message = f"node {node.name!r} expects to be colocated with unknown node {name!r}"
            error = invalid(message, hint=did_you_mean(name, graph.index))
            raise graph.error_at(error, node.name, attr="_class")
        yield name
