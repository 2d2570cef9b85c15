"""The passes that a session runs on the graph of a step, before it is planned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .candidates import PassContext
from .common_subexpressions import merge_common_subexpressions
from .constant_folding import fold_constants
from .transposes import combine_transposes

if TYPE_CHECKING:
    from ....graphfmt.graph import Graph
    from ....kernels.functions.library import Library
    from ..prune import PrunedGraph

# The passes that keep every result bit for bit. Identities and unused nodes cost a plan nothing.
_EXACT = (fold_constants, combine_transposes, merge_common_subexpressions)


def optimize_step(pruned: PrunedGraph, library: Library | None) -> PrunedGraph:
    """Returns a step's graph with fewer nodes and the same results, bit for bit.

    Fetches, targets and fed placeholders keep their names.
    """
    kept = {*pruned.targets, *(fetch.node for fetch in pruned.fetches)}
    kept.update(name for name in pruned.arguments if name is not None)
    context = PassContext(frozenset(kept), library)
    graph: Graph = pruned.graph
    for run in _EXACT:
        graph = run(graph, context)
    return pruned._replace(graph=graph)
