"""Removes nodes that serve training, checking or debugging alone."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ....graphfmt.graph import endpoint
from ....graphfmt.traversal import ancestors, descendants, readers
from ....kernels.core import registry
from ....kernels.core.op_sets import (
    ASSIGNMENTS,
    CHECKPOINT_OPS,
    CONSTANTS,
    INPUTS,
)
from ..colocation_requests import without_lost_requests
from ..optimization.candidates import PassContext
from ..optimization.redundant_nodes import remove_gradient_annotations

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from ....graphfmt.graph import Graph, Node

# The families whose operations update variables by a gradient.
_UPDATE_FAMILIES = frozenset({"state.optimizer_ops"})
_DEBUG_FAMILIES = frozenset({"debug.summary_ops"})
# The scopes in which tfg and TensorFlow write gradients.
_GRADIENTS = re.compile(r"grad(ients)?(_\d+)?/")
_PASS_ON_DEBUG = frozenset({"Print", "CheckNumerics", "CheckNumericsV2", "DebugIdentity"})


def strip(graph: Graph, kind: str, keep: Collection[str]) -> Graph:
    """Returns the graph without nodes of a kind: ``training``, ``asserts`` or ``debug``. Nodes that are kept stay.

    Training: everything that only updates of variables by gradients, and savers, need. Asserts: Assert nodes and what
    only they need. Debug: summaries, prints and numeric checks, whose value is passed on.
    """
    return KINDS[kind](graph, frozenset(endpoint(name).node for name in keep))


def _strip_training(graph: Graph, keep: frozenset[str]) -> Graph:
    """Keeps what the kept nodes need, or else all that serves neither updates, savers, gradients nor slots."""
    if not keep:
        removed = _training_nodes(graph)
        nodes = [_without_controls(node, removed) for node in graph.nodes if node.name not in removed]
        graph = graph.with_nodes(nodes)
        read = {endpoint(text).node for node in nodes for text in node.inputs}
        keep = frozenset(node.name for node in nodes if node.name not in read and node.op not in CONSTANTS)
    needed = ancestors(graph, keep)
    needed.update(dict.fromkeys(node.name for node in graph.nodes if node.op in INPUTS))
    left = [without_lost_requests(node, needed) for node in graph.nodes if node.name in needed]
    return remove_gradient_annotations(graph.with_nodes(left), PassContext(keep))


def _training_nodes(graph: Graph) -> set[str]:
    """Returns updates by gradients and savers, all that waits for them, gradients, and the state of these."""
    updates = [n.name for n in graph.nodes if _family(n) in _UPDATE_FAMILIES or n.op in CHECKPOINT_OPS]
    removed = set(descendants(graph.nodes, updates))
    if not removed:
        return removed
    removed.update(node.name for node in graph.nodes if _GRADIENTS.match(node.name))
    readers_of = readers(graph.nodes)
    fed = descendants(graph.nodes, [node.name for node in graph.nodes if node.op in INPUTS])
    stack = [endpoint(text).node for name in removed for text in graph[name].inputs]
    while stack:
        name = stack.pop()
        others = [other for other in readers_of.get(name, ()) if other not in removed]
        if name in removed or name in fed or not all(_is_first_value(graph[o], name) for o in others):
            continue
        gone = {name, *others}
        removed |= gone
        stack += [endpoint(text).node for one in gone for text in graph[one].inputs]
    return removed


def _is_first_value(node: Node, variable: str) -> bool:
    """Returns True for an assignment to a variable, which goes with the variable."""
    return node.op in ASSIGNMENTS and endpoint(node.inputs[0]).node == variable


def _strip_asserts(graph: Graph, keep: frozenset[str]) -> Graph:
    return _without(graph, {node.name for node in graph.nodes if node.op == "Assert"}, keep, conditions=True)


def _strip_debug(graph: Graph, keep: frozenset[str]) -> Graph:
    passed_on = [node for node in graph.nodes if node.op in _PASS_ON_DEBUG]
    identities = {node.name: _as_identity(node) for node in passed_on}
    graph = graph.with_nodes(identities.get(node.name, node) for node in graph.nodes)
    removed = {
        node.name
        for node in graph.nodes
        if node.op == "PrintV2" or (_family(node) in _DEBUG_FAMILIES and node.name not in keep)
    }
    return _without(graph, removed, keep, conditions=False)


def _as_identity(node: Node) -> Node:
    controls = [f"^{endpoint(text).node}" for text in node.inputs[1:]] if node.op != "Print" else []
    controls += [text for text in node.inputs if text.startswith("^")]
    inputs = (node.inputs[0], *dict.fromkeys(controls))
    return replace(node, op="Identity", inputs=inputs, attrs={"T": node.attrs["T"]}, debug=b"")


def _without(graph: Graph, removed: set[str], keep: Collection[str], *, conditions: bool) -> Graph:
    """Returns the graph without some nodes, the data readers of them, and constants that only they read; with
    ``conditions``, without anything that only they needed."""
    readers_of = readers(graph.nodes)
    stack = list(removed)
    while stack:
        name = stack.pop()
        for reader in readers_of.get(name, ()):
            if reader not in removed and _reads_data(graph[reader], name):
                removed.add(reader)
                stack.append(reader)
    left = [_without_controls(node, removed) for node in graph.nodes if node.name not in removed]
    read = {endpoint(text).node for node in left for text in node.inputs}
    lost = {endpoint(text).node for name in removed for text in graph[name].inputs}
    ends = [
        node.name
        for node in left
        if node.name not in read and (node.name not in lost or not (conditions or node.op in CONSTANTS))
    ]
    graph = graph.with_nodes(left)
    needed = ancestors(graph, [*ends, *keep, *(node.name for node in left if node.op in INPUTS)])
    return graph.with_nodes(without_lost_requests(node, needed) for node in left if node.name in needed)


def _reads_data(node: Node, name: str) -> bool:
    return any(source.node == name for source in node.data_inputs)


def _without_controls(node: Node, removed: Collection[str]) -> Node:
    inputs = tuple(text for text in node.inputs if not (text.startswith("^") and text[1:] in removed))
    return node if inputs == node.inputs else replace(node, inputs=inputs)


def _family(node: Node) -> str:
    op = registry.find(node.op)
    return op.family if op is not None else ""


KINDS: Mapping[str, Callable[[Graph, frozenset[str]], Graph]] = {
    "training": _strip_training,
    "asserts": _strip_asserts,
    "debug": _strip_debug,
}
