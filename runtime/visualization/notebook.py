"""Drawings of graphs that show themselves in a notebook."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt.errors import invalid
from ...graphfmt.files import write_file
from .neighbourhood import neighbourhood
from .scope_colors import COLOR_KEYS, color_items
from .scope_page import scopes_page
from .scope_picture import draw_scopes, summary_of
from .scope_tree import scope_tree
from .scope_view import open_scopes, positions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...graphfmt.graph import Graph
    from ..execution.trace import StepTrace


class GraphDrawing(NamedTuple):
    """A drawing as a picture and as a page on which scopes open and fold; Jupyter shows the page."""

    svg: str
    html: str

    def save(self, path: str | Path) -> None:
        """Writes the picture or the page, by the suffix. Raises INVALID_ARGUMENT for another one."""
        suffix = Path(path).suffix
        if suffix not in (".svg", ".html"):
            raise invalid(f"{str(path)!r} must end in .svg or .html")
        write_file(path, (self.svg if suffix == ".svg" else self.html).encode("utf-8", "replace"))

    def _repr_html_(self) -> str:
        # A frame keeps the styles and scripts of the page from those of the notebook.
        return f'<iframe srcdoc="{escape(self.html)}" style="width:100%;height:600px;border:0"></iframe>'


def draw_graph(
    graph: Graph,
    *,
    color: str = "",
    around: str | None = None,
    depth: int = 2,
    boxes: int = 100,
    trace: StepTrace | None = None,
    title: str = "graph",
) -> GraphDrawing:
    """Draws a graph by scopes, as ``tfg draw`` does.

    Args:
        color: ``kind``, ``device``, ``time`` or ``bytes``; time if there is a trace, else kind.
        around: draws the nodes at most ``depth`` edges from this node only.
        boxes: inner scopes are folded until at most so many boxes are visible.
        trace: the times of nodes.
        title: stands above the drawing.

    Raises:
        TfgError: NOT_FOUND for a node that the graph does not have, INVALID_ARGUMENT for another colour.
    """
    from ..passes.validation import shapes

    key = color or ("kind" if trace is None else "time")
    if key not in COLOR_KEYS:
        raise invalid(f"the color {key!r} is none of {', '.join(COLOR_KEYS)}")
    drawn = graph if around is None else neighbourhood(graph, around, depth)
    tree = scope_tree(drawn, shapes(graph), _seconds(trace))
    opened = open_scopes(tree, boxes)
    coloring = color_items(tree, key)
    summary = summary_of(tree, len(positions(tree, opened)))
    return GraphDrawing(
        draw_scopes(tree, opened, coloring, title, summary),
        scopes_page(tree, opened, coloring, title, summary),
    )


def _seconds(trace: StepTrace | None) -> Mapping[str, float]:
    """Returns the mean time per step of each node."""
    if trace is None:
        return {}
    steps = len({event.step for event in trace.events}) or 1
    seconds: dict[str, float] = {}
    for event in trace.events:
        seconds[event.node] = seconds.get(event.node, 0.0) + (event.end - event.start) / 1e9 / steps
    return seconds
