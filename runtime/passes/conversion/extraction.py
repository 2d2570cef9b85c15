"""Extracts the part of a graph between given inputs and outputs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ....graphfmt.graph import Endpoint, Node, endpoint
from ....graphfmt.traversal import reachable_from
from ....kernels.core.op_sets import PLACEHOLDERS
from .. import validation
from ..colocation_requests import without_lost_requests
from ..fed_edges import fed_fact

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ....graphfmt.graph import Graph
    from ....kernels.core.facts import Fact


def extract(graph: Graph, inputs: Sequence[str], outputs: Sequence[str]) -> Graph:
    """Returns the nodes that compute ``outputs`` from ``inputs``, which become placeholders.

    A placeholder takes the name of the node it replaces; that of an output other than the first, or of a node that is
    still needed, is ``NODE_PORT``. Without outputs, everything stays that does not lie behind the inputs alone.

    Raises NOT_FOUND for a name that the graph does not have, INVALID_ARGUMENT for an input whose dtype is not known.
    """
    cut = {endpoint(name): graph[endpoint(name).node] for name in inputs}
    ends = [graph[endpoint(name).node].name for name in outputs] or _sinks(graph)
    needed = _needed(graph, ends, cut)
    names = {source: _placeholder_name(graph, source, needed) for source in cut}
    facts = validation.shapes(graph)
    placeholders = [
        _placeholder(graph, source, name, facts)
        for source, name in names.items()
        if graph[source.node].op not in PLACEHOLDERS
    ]
    nodes = [
        without_lost_requests(_rewired(node, names), needed)
        for node in graph.nodes
        if node.name in needed and Endpoint(node.name, 0) not in names
    ]
    fed = [replace(node, inputs=()) for node in cut.values() if node.op in PLACEHOLDERS]
    return with_called_functions(graph.with_nodes([*fed, *placeholders, *nodes]))


def _sinks(graph: Graph) -> list[str]:
    read = {endpoint(text).node for node in graph.nodes for text in node.inputs}
    return [node.name for node in graph.nodes if node.name not in read]


def _needed(graph: Graph, ends: Sequence[str], cut: Collection[Endpoint]) -> dict[str, None]:
    """Returns the names of the nodes that the ends depend on, if the outputs in ``cut`` are given."""

    def producers(name: str) -> list[str]:
        sources = [endpoint(text) for text in graph[name].inputs]
        return [s.node for s in sources if s not in cut and Endpoint(s.node, 0) not in cut]

    return reachable_from(ends, producers)


def _placeholder_name(graph: Graph, source: Endpoint, needed: Collection[str]) -> str:
    if source.port == 0:
        return source.node
    name = f"{source.node}_{source.port}"
    while name in graph or name in needed:
        name += "_"
    return name


def _placeholder(graph: Graph, source: Endpoint, name: str, facts: Mapping[str, Sequence[Fact]]) -> Node:
    known = facts.get(source.node, ())
    fact = known[source.port] if source.port < len(known) else fed_fact(graph, source)
    return Node(name, "Placeholder", attrs={"dtype": fact.dtype.base, "shape": fact.shape})


def _rewired(node: Node, names: Mapping[Endpoint, str]) -> Node:
    replaced = {source.node for source in names if source.port == 0}
    inputs: list[str] = []
    for text in node.inputs:
        source = endpoint(text)
        if source in names:
            inputs.append(names[source])
        elif not source.is_control or source.node not in replaced:
            inputs.append(text)
    return node if tuple(inputs) == node.inputs else replace(node, inputs=tuple(inputs))


def with_called_functions(graph: Graph) -> Graph:
    """Returns the graph without functions that no node calls any more."""
    if not graph.functions:
        return graph
    from ....kernels.functions.library import graph_library

    library = graph_library(graph)
    assert library is not None
    called = library.reachable_functions(graph.nodes)
    functions = tuple(function for function in graph.functions if function.name in called)
    gradients = {f: g for f, g in graph.gradients.items() if f in called and g in called}
    return replace(graph, functions=functions, gradients=gradients)
