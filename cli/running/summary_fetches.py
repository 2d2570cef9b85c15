"""Fetches the Summary operations of a graph, for event files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt.graph import Endpoint, endpoint
from ...graphfmt.traversal import reachable_from
from ...kernels.core import registry
from ...kernels.core.op_sets import PLACEHOLDERS

if TYPE_CHECKING:
    from collections.abc import Collection

    from ...graphfmt.graph import Graph
    from .step_request import RunRequest

# The families that declare them.
_FAMILIES = ("debug.summary_ops", "debug.media_summary_ops")


def with_summaries(request: RunRequest, graph: Graph) -> RunRequest:
    """Returns the request with more fetches behind its own: each Summary operation that no other one merges, and whose
    placeholders are all fed."""
    merged = {
        endpoint(text).node for node in graph.nodes if node.op == "MergeSummary" for text in node.inputs
    }
    fed = {endpoint(name) for name in request.fed}
    names = [
        node.name
        for node in graph.nodes
        if _is_summary(node.op) and node.name not in merged and _is_fed(graph, node.name, fed)
    ]
    added = [name for name in names if endpoint(name) not in map(endpoint, request.fetches)]
    return request._replace(fetches=(*request.fetches, *added))


def _is_summary(op_name: str) -> bool:
    if not op_name.endswith(("Summary", "SummaryV2")):
        return False
    op = registry.find(op_name)
    return op is not None and op.family in _FAMILIES


def _is_fed(graph: Graph, name: str, fed: Collection[Endpoint]) -> bool:
    """Returns True if all placeholders that a node depends on are fed."""

    def producers(node: str) -> list[str]:
        sources = map(endpoint, graph[node].inputs)
        return [s.node for s in sources if s not in fed and s.node in graph]

    return not any(graph[node].op in PLACEHOLDERS for node in reachable_from([name], producers))
