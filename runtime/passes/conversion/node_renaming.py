"""Renames nodes, everywhere that a graph names them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ....graphfmt.errors import invalid
from ....graphfmt.graph import Endpoint, endpoint
from ....graphfmt.names import NODE_NAME
from ....graphfmt.rename_rules import renamed_names
from ....kernels.core.op_sets import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....graphfmt.attributes import AttrValue
    from ....graphfmt.graph import Graph, Node
    from ....graphfmt.rename_rules import Rule


def new_node_names(graph: Graph, rules: Sequence[Rule]) -> dict[str, str]:
    """Returns the new names of the nodes that the rules match.

    Raises NOT_FOUND for a rule without a match, INVALID_ARGUMENT for a name that is none, or is another node's.
    """
    names = renamed_names(graph.index, rules, "the graph has no node")
    for old, new in names.items():
        if not NODE_NAME.fullmatch(new):
            raise graph.error_at(invalid(f"{old!r} cannot be renamed: {new!r} is no node name"), old)
        if new in graph and new not in names:
            raise graph.error_at(invalid(f"{old!r} cannot be renamed: there is a node {new!r} already"), old)
    return names


def rename_nodes(graph: Graph, names: Mapping[str, str]) -> Graph:
    """Returns the graph with other names for some nodes. A variable keeps its name in checkpoints (``shared_name``)."""
    return graph.with_nodes(_renamed(node, names) for node in graph.nodes)


def renamed_tensor(text: str, names: Mapping[str, str]) -> str:
    """Returns the new name of a tensor; ``node:0`` keeps its port."""
    source = endpoint(text)
    if source.node not in names:
        return text
    port = text[len(source.node) :] if not source.is_control else ""
    return f"^{names[source.node]}" if source.is_control else f"{names[source.node]}{port}"


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    inputs = tuple(str(Endpoint(names.get(s.node, s.node), s.port)) for s in map(endpoint, node.inputs))
    attrs = node.attrs
    requests = attrs.get("_class")
    if isinstance(requests, tuple):
        moved = tuple(_moved_request(item, names) for item in requests)
        attrs = {**attrs, "_class": moved}  # type: ignore[dict-item]
    if node.op in VARIABLES and node.name in names and not attrs.get("shared_name"):
        shared: AttrValue = node.name.encode()
        attrs = {**attrs, "shared_name": shared}
    if node.name not in names and inputs == node.inputs and attrs is node.attrs:
        return node
    return replace(node, name=names.get(node.name, node.name), inputs=inputs, attrs=attrs)


def _moved_request(item: object, names: Mapping[str, str]) -> object:
    if not isinstance(item, bytes) or not item.startswith(b"loc:@"):
        return item
    name = item[5:].decode("utf-8", "surrogateescape")
    return b"loc:@" + names.get(name, name).encode("utf-8", "surrogateescape")
