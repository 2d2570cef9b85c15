"""Graphs given on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt.load import load
from ...runtime.passes.graph_checks import check_graph

if TYPE_CHECKING:
    from ...graphfmt.graph import Graph


def load_checked(path: str) -> Graph:
    """Loads a graph. Raises as ``load``, and the first fault that ``check_graph`` finds."""
    graph = load(path)
    check_graph(graph)
    return graph
