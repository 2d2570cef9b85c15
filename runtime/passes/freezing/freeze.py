"""Freezing pass: replaces variables by constants, so that the graph needs no state.

Readers of a variable get its value under unchanged names. Nodes that write a frozen variable, take its
reference or handle otherwise, or save and restore checkpoints are removed, with all nodes that depend on them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ....graphfmt.errors import Status, TfgError
from ....graphfmt.graph import Graph, Node, endpoint
from ....graphfmt.names import counted
from ....graphfmt.traversal import ancestors, descendants, readers
from ....kernels.core.op_sets import INPUTS, VARIABLES
from ..colocation_requests import without_lost_requests
from . import node_rules
from .rewrite import Freezer
from .variable_constants import variable_name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ....graphfmt.tensors import Array
    from .body import FrozenBody

# The number of names shown in a message.
_SHOWN = 5


def freeze(
    graph: Graph, values: Mapping[str, Array], *, keep: Sequence[str] = (), partly: bool = False
) -> Graph:
    """Returns the graph with constants in place of variables, and without functions that are no longer called.

    Args:
        values: values of variables, by the names that a session has for them.
        keep: nodes or outputs that the graph is for; nodes that none of them needs are removed. If empty, everything
            that can stay does, except for nodes that served only removed ones (initial values, for example).
        partly: allows variables without a value to remain.

    Raises:
        TfgError: NOT_FOUND for a name in ``keep`` that is not in the graph; FAILED_PRECONDITION where a kept node
            writes a frozen variable, a variable has no value, or nothing remains; INVALID_ARGUMENT for a value
            whose dtype or shape differs from its variable's.
    """
    ends = [graph[endpoint(name).node].name for name in keep]
    if ends:
        needed = ancestors(graph, ends)
        graph = graph.with_nodes(node for node in graph.nodes if node.name in needed)
    freezer = Freezer(graph, values)
    body = freezer.propagate_values(graph, {})
    removed = descendants(graph.nodes, body.blocked)
    if any(name in removed for name in ends):
        raise _in_the_way(graph, body, ends)
    stays = ancestors(graph, ends or _ends(graph, removed))
    if not stays:
        raise _in_the_way(graph, body, [])
    kept = [node for node in graph.nodes if node.name in stays]
    try:
        nodes = [without_lost_requests(node, stays) for node in freezer.replaced_nodes(body, kept)]
    except TfgError as error:
        raise graph.error_at(error, error.node) if error.node else error from None
    functions = freezer.functions(nodes)
    if not partly:
        _check_complete(graph, nodes)
    names = {function.name for function in functions}
    gradients = {f: g for f, g in graph.gradients.items() if f in names and g in names}
    return replace(graph, nodes=tuple(nodes), functions=functions, gradients=gradients)


def _ends(graph: Graph, removed: Collection[str]) -> list[str]:
    """Returns the outputs of a graph among the nodes that can stay: nodes without readers, and nodes that read
    inputs or variables and have lost their readers. Plain reads of variables count only if there is nothing
    else."""
    readers_of = readers(graph.nodes)
    sources = [node.name for node in graph.nodes if node.op in INPUTS or node.op in VARIABLES]
    fed = descendants(graph.nodes, sources)
    sinks = [
        node
        for node in graph.nodes
        if node.name not in removed
        and node.op not in VARIABLES
        and all(reader in removed for reader in readers_of.get(node.name, ()))
        and (node.name not in readers_of or (node.name in fed and node.op not in INPUTS))
    ]
    outputs = [node.name for node in sinks if not _only_reads(node, graph)]
    return outputs or [node.name for node in sinks if not node_rules.is_initialization_check(node)]


def _only_reads(node: Node, graph: Graph) -> bool:
    """Returns True if a node only reads a variable, or asks whether it is initialised."""
    if node.op not in ("Identity", "RefIdentity") and not node_rules.is_variable_read(node):
        return False
    return graph[endpoint(node.inputs[0]).node].op in VARIABLES


def _check_complete(graph: Graph, nodes: Sequence[Node]) -> None:
    """Raises FAILED_PRECONDITION where variables remain."""
    left = [node for node in nodes if node.op in VARIABLES]
    if left:
        names = _listed([variable_name(node) for node in left])
        error = TfgError(
            Status.FAILED_PRECONDITION,
            f"there is no value for {counted(len(left), 'variable')} of the graph: {names}",
        )
        raise graph.error_at(error, left[0].name)


def _in_the_way(graph: Graph, body: FrozenBody, ends: Sequence[str]) -> TfgError:
    """Returns the error for a node that must stay but cannot."""
    name, why = next(iter(body.blocked.items())) if body.blocked else ("", "")
    if not name:
        return TfgError(Status.FAILED_PRECONDITION, "nothing of the graph remains after freezing")
    dependents = descendants(graph.nodes, [name])
    lost = [end for end in dict.fromkeys(ends) if end != name and end in dependents]
    others = [other for other in body.blocked if other != name]
    more = f"; also blocked: {_listed(others)}" if others else ""
    needing = f", and {_listed(lost)} {'needs' if len(lost) == 1 else 'need'} it" if lost else ""
    error = TfgError(
        Status.FAILED_PRECONDITION,
        f"the graph cannot be frozen: node {name!r} {why}{needing}{more}",
        hint="freeze only other variables, or another part of the graph",
    )
    return graph.error_at(error, name)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN]))
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
