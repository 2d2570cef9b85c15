"""Patterns of fetches: names with wildcards, operations, and everything, among the values that can be fetched."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ...graphfmt.errors import Status, TfgError, invalid
from ...graphfmt.graph import endpoint
from ...graphfmt.traversal import ancestors, descendants
from ...kernels.core.op_sets import PLACEHOLDERS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ...graphfmt.graph import Graph
    from .options import DumpOptions
    from .step_request import RunRequest

_WILD = frozenset("*?[")


def expand_fetches(graph: Graph | None, names: Sequence[str]) -> tuple[str, ...]:
    """Returns the names, with every pattern replaced by those it matches, each once, in execution order.

    Values in loops or in branches that may not be taken are left out, and so are resources, variants and references.
    Raises NOT_FOUND for a pattern that matches none.
    """
    if graph is None or not any(_WILD.intersection(name) for name in names):
        return tuple(names)
    fetchable = _fetchable(graph)
    found: dict[str, None] = {}
    for name in names:
        matches = [name]
        if _WILD.intersection(name):
            matches = [one for one in fetchable if fnmatchcase(one, name)]
        if not matches:
            raise TfgError(Status.NOT_FOUND, f"no value that can be fetched matches {name!r}")
        found.update(dict.fromkeys(matches))
    return tuple(found)


def with_dumped(request: RunRequest, graph: Graph | None, dump: DumpOptions) -> RunRequest:
    """Returns the request with the values of ``--fetch-all`` and ``--fetch-kind`` behind its own fetches, in execution
    order: those that its fetches and targets need, or else all whose placeholders are fed.

    Raises INVALID_ARGUMENT for a folder of parts, NOT_FOUND if there are none.
    """
    if not any(dump):
        return request
    if graph is None:
        raise invalid("--fetch-all and --fetch-kind need a graph, not a folder of parts")
    reachable = _needed(graph, request)
    added = [
        name
        for name in _fetchable(graph)
        if endpoint(name).node in reachable
        and name not in request.fetches
        and (dump.fetch_all or graph[endpoint(name).node].op in dump.fetch_kinds)
    ]
    if not added and not (dump.fetch_all and request.fetches):
        kinds = " or ".join(map(repr, dump.fetch_kinds)) or "that can be fetched"
        raise TfgError(Status.NOT_FOUND, f"the step computes no value {kinds}")
    return request._replace(labels=(*request.labels, *added), fetches=(*request.fetches, *added))


def _needed(graph: Graph, request: RunRequest) -> Collection[str]:
    """Returns the nodes of the step; without fetches and targets, all that need no placeholder besides the fed ones."""
    fed = {endpoint(name).node for name in request.fed}
    ends = [endpoint(name).node for name in (*request.fetches, *request.targets)]
    if ends:
        return ancestors(graph, ends).keys() - fed
    missing = [node.name for node in graph.nodes if node.op in PLACEHOLDERS and node.name not in fed]
    return {node.name for node in graph.nodes} - descendants(graph.nodes, missing).keys() - fed


def _fetchable(graph: Graph) -> list[str]:
    from ...graphfmt.graph import Endpoint
    from ...kernels.functions.library import graph_library
    from ...runtime.plan.control_flow.nesting import NodeNesting
    from ...runtime.plan.typed_graph import type_graph

    nesting = NodeNesting(graph)
    names: list[str] = []
    for typed in type_graph(graph, graph_library(graph)):
        if typed.node.op in PLACEHOLDERS or nesting.frame(typed.name):
            continue
        for port, fact in enumerate(typed.output_facts):
            is_value = not (fact.dtype.is_ref or fact.dtype.name in ("resource", "variant"))
            if is_value and not nesting.conditions(Endpoint(typed.name, port)):
                names.append(typed.name if port == 0 else f"{typed.name}:{port}")
    return names
