"""``--fetch 'hidden/*'``: patterns of names stand for all values of a graph that can be fetched."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ...graphfmt.errors import Status, TfgError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphfmt.graph import Graph

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


def _fetchable(graph: Graph) -> list[str]:
    from ...graphfmt.graph import Endpoint
    from ...kernels.core.op_sets import PLACEHOLDERS
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
