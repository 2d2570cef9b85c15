"""Optimizes a graph: runs the passes in order until none changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ....graphfmt.errors import invalid
from ....graphfmt.graph import endpoint
from ....graphfmt.names import did_you_mean
from .batch_norm_folding import fold_batch_norm
from .candidates import PassContext
from .common_subexpressions import merge_common_subexpressions
from .constant_folding import fold_constants
from .epilogue_fusion import fuse_epilogues
from .redundant_nodes import remove_gradient_annotations, remove_redundant_nodes
from .transposes import combine_casts, combine_transposes
from .unused_nodes import remove_unused_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ....graphfmt.graph import Graph
    from ....kernels.functions.library import Library

    Pass = Callable[[Graph, PassContext], Graph]

# The passes by name, in the order in which they run.
PASSES: Mapping[str, Pass] = {
    "unused": remove_unused_nodes,
    "gradient-annotations": remove_gradient_annotations,
    "constants": fold_constants,
    "redundant": remove_redundant_nodes,
    "transposes": combine_transposes,
    "casts": combine_casts,
    "common": merge_common_subexpressions,
    "batch-norm": fold_batch_norm,
    "epilogues": fuse_epilogues,
}
# Fused nodes have no gradients, so a graph that is still to be differentiated does without.
_INFERENCE_ONLY = frozenset({"gradient-annotations", "batch-norm", "epilogues"})
PURPOSES = ("inference", "training")
_MAX_ROUNDS = 8


class PassReport(NamedTuple):
    """The effect of a pass over all rounds: how many nodes it removed (added, if negative)."""

    name: str
    changed: bool
    removed: int


class Optimized(NamedTuple):
    """An optimized graph, and what each pass did to it."""

    graph: Graph
    reports: Sequence[PassReport]


def optimize(
    graph: Graph, keep: Collection[str], *, purpose: str = "inference", without: Collection[str] = ()
) -> Optimized:
    """Returns a graph that computes the same values under the kept names with fewer nodes.

    For training, every result is the same bit for bit; for inference, folding batch normalization changes rounding.

    Args:
        keep: names of nodes or outputs that survive.
        purpose: ``inference``, or ``training`` for a graph that has gradients or will get them.
        without: names of passes that are not run.

    Raises:
        TfgError: NOT_FOUND for a name that the graph does not have, INVALID_ARGUMENT for an unknown pass, and the first
            fault of the graph.
    """
    for name in without:
        if name not in PASSES:
            raise invalid(f"there is no pass {name!r}", hint=did_you_mean(name, PASSES) or ", ".join(PASSES))
    context = PassContext(frozenset(graph[endpoint(name).node].name for name in keep), _library(graph))
    chosen = {
        name: run
        for name, run in PASSES.items()
        if name not in without and not (purpose == "training" and name in _INFERENCE_ONLY)
    }
    return _until_unchanged(graph, context, chosen)


def _until_unchanged(graph: Graph, context: PassContext, passes: Mapping[str, Pass]) -> Optimized:
    removed = dict.fromkeys(passes, 0)
    changed = dict.fromkeys(passes, False)
    for _ in range(_MAX_ROUNDS):
        before = graph
        for name, run in passes.items():
            after = run(graph, context)
            changed[name] |= after is not graph and after.nodes != graph.nodes
            removed[name] += len(graph.nodes) - len(after.nodes)
            graph = after
        if graph is before or graph.nodes == before.nodes:
            break
    return Optimized(graph, [PassReport(name, changed[name], removed[name]) for name in passes])


def _library(graph: Graph) -> Library | None:
    if not graph.functions:
        return None
    from ....kernels.functions.library import graph_library

    return graph_library(graph)
