"""``tfg draw``: draws a graph by scopes, as SVG or as an HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..graphfmt.errors import Location, invalid
from ..graphfmt.files import write_file
from ..graphfmt.load import read_graph_file
from ..graphfmt.names import counted
from ..runtime.passes.graph_checks import check_graph
from .common import completions, console
from .common.options import common_options, graph_argument, strict_option, tags_option
from .common.output_paths import check_output_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..graphfmt.graph import Graph

_COLORS = ("kind", "device", "time", "bytes")


def _check_suffix(context: click.Context, option: click.Parameter, path: Path) -> Path:
    if path.suffix not in (".svg", ".html"):
        raise click.BadParameter(f"{str(path)!r} must end in .svg or .html", context, option)
    return path


@click.command("draw")
@graph_argument
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="OUT.svg|.html",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_check_suffix,
    help="The drawing. In a page, a click opens or folds a scope.",
)
@click.option(
    "--color",
    type=click.Choice(_COLORS),
    help="Color by kind of operation, device, time in --trace, or bytes of results. Default: time with --trace, else "
    "kind.",
)
@click.option(
    "--trace", metavar="TRACE.json", help="Measured times of nodes: a trace written by tfg run --trace."
)
@click.option(
    "--around", metavar="NODE", shell_complete=completions.nodes, help="Draw the nodes near this one only."
)
@click.option(
    "--depth",
    metavar="N",
    type=click.IntRange(min=0),
    help="With --around: nodes at most N edges away.  [default: 2]",
)
@click.option(
    "--boxes",
    metavar="N",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Fold inner scopes until at most N boxes are visible.",
)
@tags_option
@strict_option
@common_options
def command(
    graph: str,
    output: Path,
    color: str | None,
    trace: str | None,
    around: str | None,
    depth: int | None,
    boxes: int,
    tags: tuple[str, ...] | None,
    as_json: bool,
    verbose: int,
) -> None:
    """Draw GRAPH by name scopes, with shapes on the edges; loops, branches and functions are boxes, too.

    \b
    tfg draw model.pb -o model.html
    tfg draw train.pbtxt --around loss --depth 3 -o loss.svg
    tfg run train.pbtxt … --trace t.json; tfg draw train.pbtxt --trace t.json -o times.html
    """
    if depth is not None and around is None:
        raise console.UsageError("--depth needs --around")
    if color == "time" and trace is None:
        raise console.UsageError("--color time needs --trace")
    check_output_path(output.absolute())
    drawn = read_graph_file(graph, tags).graph
    check_graph(drawn)
    seconds = _measured(trace, drawn) if trace is not None else {}
    if around is not None:
        from ..runtime.visualization.neighbourhood import neighbourhood

        whole, drawn = drawn, neighbourhood(drawn, around, 2 if depth is None else depth)
    else:
        whole = drawn
    key = color or ("time" if trace is not None else "kind")
    count, visible = _draw(drawn, whole, seconds, key, boxes, output, Path(graph).name)
    if as_json:
        console.print_json({"file": str(output), "nodes": count, "boxes": visible})
    else:
        console.note(f"{output}: {counted(count, 'node')}, {visible} boxes visible at first")


def _draw(
    drawn: Graph, whole: Graph, seconds: Mapping[str, float], key: str, boxes: int, output: Path, title: str
) -> tuple[int, int]:
    """Writes the drawing; returns the number of nodes, and of boxes that are visible at first."""
    from ..runtime.passes.validation import shapes
    from ..runtime.visualization.scope_colors import color_items
    from ..runtime.visualization.scope_page import scopes_page
    from ..runtime.visualization.scope_picture import draw_scopes, summary_of
    from ..runtime.visualization.scope_tree import scope_tree
    from ..runtime.visualization.scope_view import open_scopes, positions

    tree = scope_tree(drawn, shapes(whole), seconds)
    opened = open_scopes(tree, boxes)
    visible = len(positions(tree, opened))
    write = scopes_page if output.suffix == ".html" else draw_scopes
    text = write(tree, opened, color_items(tree, key), title, summary_of(tree, visible))
    write_file(output, text.encode("utf-8", "replace"))
    return tree.items[0].count, visible


def _measured(path: str, graph: Graph) -> Mapping[str, float]:
    """Returns the seconds per step of each node in a trace. Raises INVALID_ARGUMENT for a trace of another graph."""
    from ..runtime.passes.placement.costs.measured_costs import read_measurements

    costs = read_measurements(path).costs
    if not any(name in graph for name in costs):
        error = invalid("the trace is of another graph: the graph has none of its nodes")
        error.location = Location(path)
        raise error
    return costs
