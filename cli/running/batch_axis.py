"""Which fetches have the rows of a batch as their first axis, as far as a graph tells before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt.errors import TfgError
from ...graphfmt.traversal import descendants
from ...kernels.core.inference import infer_graph
from ...runtime.passes.prune import StepSignature, prune

if TYPE_CHECKING:
    from collections.abc import Collection

    from ...graphfmt.graph import Endpoint, Graph
    from ...kernels.core.facts import Fact


def may_follow_batch(
    graph: Graph, fetches: tuple[str, ...], feeds: tuple[str, ...], batched: Collection[str]
) -> list[bool]:
    """Returns, for each fetch, False if its first axis cannot be the rows of the ``batched`` feeds.

    That is so for a fetch that does not depend on them, for a scalar, and for a first dimension that the graph fixes,
    unless it also fixes the same for a batched feed. For others the shapes of the values decide.
    """
    pruned = prune(graph, StepSignature(fetches, feeds, ()))
    sources = [name for name, feed in zip(pruned.arguments, feeds) if name is not None and feed in batched]
    dependent = descendants(pruned.graph.nodes, sources)
    try:
        facts = infer_graph(pruned.graph)
    except TfgError:
        return [fetch.node in dependent for fetch in pruned.fetches]
    sizes = {dims[0] for name in sources if (dims := facts[name][0].shape.dims)}
    return [
        fetch.node in dependent and _first_dimension_fits(facts, fetch, sizes) for fetch in pruned.fetches
    ]


def _first_dimension_fits(
    facts: dict[str, tuple[Fact, ...]], fetch: Endpoint, sizes: Collection[int | None]
) -> bool:
    dims = facts[fetch.node][fetch.port].shape.dims
    return dims is None or (len(dims) > 0 and (dims[0] is None or dims[0] in sizes))
