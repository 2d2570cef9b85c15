"""Replacement of a node's outputs by others, for all readers at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ....graphfmt.graph import Endpoint, endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....graphfmt.attributes import AttrValue
    from ....graphfmt.graph import Graph, Node


def redirect(graph: Graph, outputs: Mapping[Endpoint, Endpoint]) -> Graph:
    """Returns the graph without the nodes of ``outputs``, whose readers read other endpoints instead.

    Replacements may be replaced in turn; there must be no cycle. Nodes that wait for a removed node wait for the node
    that takes its place. Requests for colocation with a removed node go to that node as well.
    """
    if not outputs:
        return graph
    removed = {source.node: _final(target, outputs).node for source, target in outputs.items()}
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.name not in removed:
            inputs = tuple(_redirected(text, outputs, removed) for text in node.inputs)
            nodes.append(_recolocated(_with_inputs(node, inputs), removed))
    return graph.with_nodes(nodes)


def _final(source: Endpoint, outputs: Mapping[Endpoint, Endpoint]) -> Endpoint:
    while source in outputs:
        source = outputs[source]
    return source


def _redirected(text: str, outputs: Mapping[Endpoint, Endpoint], removed: Mapping[str, str]) -> str:
    source = endpoint(text)
    if source.node not in removed:
        return text
    if not source.is_control:
        return str(_final(source, outputs))
    name = source.node
    while name in removed:
        name = removed[name]
    return f"^{name}"


def _with_inputs(node: Node, inputs: tuple[str, ...]) -> Node:
    """Returns the node with other inputs, each control input once and none for a node that is read anyway."""
    if inputs == node.inputs:
        return node
    return replace(node, inputs=without_repeated_controls(inputs))


def without_repeated_controls(inputs: tuple[str, ...]) -> tuple[str, ...]:
    """Returns inputs with each control input once, and none for a node that is read anyway."""
    data = [text for text in inputs if not text.startswith("^")]
    read = {endpoint(text).node for text in data}
    controls = dict.fromkeys(text for text in inputs if text.startswith("^") and text[1:] not in read)
    return (*data, *controls)


def _recolocated(node: Node, removed: Mapping[str, str]) -> Node:
    requests = node.attrs.get("_class")
    if not isinstance(requests, tuple) or not requests:
        return node
    moved: dict[object, None] = {}
    for request in requests:
        is_removed = isinstance(request, bytes) and request[5:].decode("utf-8", "replace") in removed
        moved[b"loc:@" + _last(request[5:].decode(), removed).encode() if is_removed else request] = None  # type: ignore[index,union-attr]
    if tuple(moved) == requests:
        return node
    attrs: dict[str, AttrValue] = {**node.attrs, "_class": tuple(moved)}  # type: ignore[dict-item]
    return replace(node, attrs=attrs)


def _last(name: str, removed: Mapping[str, str]) -> str:
    while name in removed:
        name = removed[name]
    return name
