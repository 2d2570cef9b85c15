"""Matches the nodes of two graphs: by name, and those left by operation, attributes and inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..graphfmt.graph import Endpoint, endpoint
from ..graphfmt.tensors import TensorValue
from ..kernels.core.inference import topological_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..graphfmt.graph import Graph, Node

# Attributes that may differ between two nodes that play the same part.
_ANNOTATIONS = frozenset({"_class", "_output_shapes", "shared_name", "container"})


def match_nodes(a: Graph, b: Graph) -> dict[str, str]:
    """Returns for nodes of ``a`` the nodes of ``b`` that correspond to them.

    Nodes of one name correspond. Of the others, two correspond if they have the same operation and attributes, and
    inputs that correspond; several alike are taken in their order.
    """
    matched = {node.name: node.name for node in a.nodes if node.name in b}
    left: dict[Any, list[str]] = {}
    taken = set(matched.values())
    for node in topological_order(b):
        if node.name not in taken:
            left.setdefault(_key(node, None), []).append(node.name)
    for node in topological_order(a):
        if node.name in matched:
            continue
        candidates = left.get(_key(node, matched), [])
        if candidates:
            matched[node.name] = candidates.pop(0)
    return matched


def _key(node: Node, matched: Mapping[str, str] | None) -> Any:
    """Returns equal keys for corresponding nodes; inputs of a node of ``a`` are named as in ``b``."""
    inputs = [endpoint(text) for text in node.inputs]
    if matched is not None:
        inputs = [Endpoint(matched.get(s.node, f"\0{s.node}"), s.port) for s in inputs]
    data = tuple(map(str, (s for s in inputs if not s.is_control)))
    controls = tuple(sorted(str(s) for s in inputs if s.is_control))
    return (node.op, data, controls, attrs_key(node))


def attrs_key(node: Node) -> Any:
    """Returns equal keys for equal attributes."""
    return tuple(
        (name, _tensor_key(value) if isinstance(value, TensorValue) else repr(value))
        for name, value in sorted(node.attrs.items())
        if name not in _ANNOTATIONS
    )


def _tensor_key(value: TensorValue) -> Any:
    return (value.dtype.name, str(value.shape), hash(value.content), repr(value.values))
