"""Pruning: reduces a graph to the nodes that a step's fetches and targets depend on.

White paper section 4.2. A fed placeholder keeps its name; any other fed output is replaced, for its readers, by
a new placeholder.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt.errors import Status, TfgError, invalid
from ...graphfmt.graph import Endpoint, Graph, Node, endpoint
from ...graphfmt.names import did_you_mean
from ...graphfmt.traversal import reachable_from
from ...kernels.core.op_sets import PLACEHOLDERS
from .ref_reads import reread_updated_references

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class StepSignature(NamedTuple):
    """Fetches, feeds and targets of a step, by name. A session caches one plan per signature."""

    fetches: tuple[str, ...]
    feeds: tuple[str, ...]
    targets: tuple[str, ...]


class PrunedGraph(NamedTuple):
    """A step's graph: the nodes that run and one placeholder per feed.

    ``arguments`` are the names of those placeholders in the order of the feeds, None for a feed without
    readers.
    """

    graph: Graph
    arguments: tuple[str | None, ...]
    fetches: tuple[Endpoint, ...]
    targets: tuple[str, ...]


def prune(graph: Graph, asked: StepSignature) -> PrunedGraph:
    """Returns the subgraph that a step needs, with feeds as placeholders.

    Raises:
        TfgError: INVALID_ARGUMENT for an output that is fed twice, and where nothing is fetched or targeted;
            NOT_FOUND for names that the graph does not have.
    """
    if not asked.fetches and not asked.targets:
        raise invalid(
            "Must specify at least one target to fetch or execute.", hint="add --fetch NAME or --target NODE"
        )
    feeds = _feeds(graph, asked.feeds)
    stand_ins = {source: _stand_in(graph, source) for source in feeds}
    sources = [_known(graph, name, "fetch") for name in asked.fetches]
    # A fetch of a fed output is what was fed.
    fetches = tuple(Endpoint(stand_ins[s], 0) if s in stand_ins else s for s in sources)
    targets = tuple(_known(graph, name, "target").node for name in asked.targets)
    needed = _ancestors(graph, [*(f.node for f in fetches), *targets], stand_ins)
    added = [
        _placeholder(graph, source, name)
        for source, name in stand_ins.items()
        if name in needed and name not in graph
    ]
    nodes = [_rewired(node, stand_ins) for node in graph.nodes if node.name in needed]
    arguments = tuple(stand_ins[source] if stand_ins[source] in needed else None for source in feeds)
    return PrunedGraph(
        reread_updated_references(graph.with_nodes([*added, *nodes])), arguments, fetches, targets
    )


def _feeds(graph: Graph, names: Iterable[str]) -> list[Endpoint]:
    feeds: list[Endpoint] = []
    for name in names:
        source = _known(graph, name, "feed")
        if source in feeds:
            raise invalid(f"{name!r} is fed more than once")
        feeds.append(source)
    return feeds


def _known(graph: Graph, name: str, role: str) -> Endpoint:
    try:
        output = endpoint(name)
    except TfgError as error:
        raise invalid(f"the {role} {error.message}") from None
    if output.node not in graph:
        hint = _scope_hint(output, graph) or did_you_mean(output.node, graph.index)
        raise TfgError(Status.NOT_FOUND, f"the {role} {name!r} is not in the graph", hint=hint)
    if output.is_control and role != "target":
        raise invalid(f"the {role} {name!r} is a control output, which has no value")
    return output


def _scope_hint(output: Endpoint, graph: Graph) -> str | None:
    """Returns the hint for a name with a scope too many, such as TensorFlow's ``import/``, or with one too few."""
    rest = output.node
    while "/" in rest:
        rest = rest.partition("/")[2]
        if rest in graph:
            return f"did you mean {str(output._replace(node=rest))!r}?"
    inner = next((name for name in graph.index if name.endswith(f"/{output.node}")), None)
    return f"did you mean {str(output._replace(node=inner))!r}?" if inner else None


def _stand_in(graph: Graph, source: Endpoint) -> str:
    """Returns the name of the placeholder for a fed output."""
    if graph[source.node].op in PLACEHOLDERS and source.port == 0:
        return source.node
    return f"_feed/{source.node}/{source.port}"


def _ancestors(graph: Graph, ends: Iterable[str], stand_ins: Mapping[Endpoint, str]) -> dict[str, None]:
    """Returns the names of the nodes that the ends depend on, including placeholders of feeds."""
    fed_placeholders = {name for name in stand_ins.values() if name in graph}

    def producers(name: str) -> list[str]:
        node = graph.index.get(name)
        if node is None or name in fed_placeholders:
            return []
        sources = [(text, endpoint(text)) for text in node.inputs]
        for text, source in sources:
            if source.node not in graph:
                raise _unknown_input(graph, node, text)
        return [stand_ins.get(source, source.node) for _, source in sources]

    return reachable_from(ends, producers)


def _unknown_input(graph: Graph, node: Node, text: str) -> TfgError:
    hint = did_you_mean(endpoint(text).node, graph.index)
    error = invalid(f"node {node.name!r} has the unknown input {text!r}", hint=hint)
    return graph.error_at(error, node.name, input=node.inputs.index(text))


def _rewired(node: Node, stand_ins: Mapping[Endpoint, str]) -> Node:
    if not stand_ins:
        return node
    if Endpoint(node.name, 0) in stand_ins and node.op in PLACEHOLDERS:
        return replace(node, inputs=())
    inputs = tuple(stand_ins.get(endpoint(text), text) for text in node.inputs)
    return node if inputs == node.inputs else replace(node, inputs=inputs)


def _placeholder(graph: Graph, source: Endpoint, name: str) -> Node:
    """Returns a placeholder with the dtype and shape of a fed output."""
    from .fed_edges import fed_fact

    fact = fed_fact(graph, source)
    return Node(name, "Placeholder", attrs={"dtype": fact.dtype.base, "shape": fact.shape})
