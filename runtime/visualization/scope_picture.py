"""SVG drawing of a graph by scopes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt.names import counted
from ...graphfmt.units import human_bytes, human_seconds
from . import style, svg
from .scope_view import BOX_WIDTH, positions, visible_edges

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from .scope_colors import Coloring
    from .scope_tree import ScopeEdge, ScopeItem, ScopeTree
    from .scope_view import BoxPosition

_MARGIN, _HEAD, _LEGEND = 24.0, 66.0, 18.0
# With more edges than this, their labels are left to tooltips.
_MOST_LABELS = 400

SCOPE_CSS = """
.scope { stroke-width: 1; rx: 6px }
.loop { stroke-dasharray: 7 3; stroke-width: 1.6 }
.branch { stroke-dasharray: 2 3; stroke-width: 1.6 }
.function { stroke-width: 2 }
.edge-label { font-size: 8px; fill: #59636e; stroke: #ffffff; stroke-width: 2.5; paint-order: stroke }
@media (prefers-color-scheme: dark) { .edge-label { fill: #9198a1; stroke: #0d1117 } }
"""


def draw_scopes(
    tree: ScopeTree, opened: Collection[int], coloring: Coloring, title: str, summary: str
) -> str:
    """Returns an SVG document; it is the same for the same arguments."""
    boxes = {box.item: box for box in positions(tree, opened)}
    edges = visible_edges(tree, opened)
    right = max((box.left + box.width for box in boxes.values()), default=0.0)
    bottom = max((box.top + box.height for box in boxes.values()), default=0.0)
    width = max(right, 640.0) + 2 * _MARGIN
    height = _HEAD + bottom + _LEGEND * len(coloring.legend) + 3 * _MARGIN
    content = [
        *(_edge(tree, edge, boxes) for edge in edges),
        *(_box(tree, box, coloring) for box in boxes.values()),
        *(_edge_labels(edges, boxes) if len(edges) <= _MOST_LABELS else ()),
    ]
    legend = [
        _legend_line(name, color, _HEAD + bottom + 2 * _MARGIN + _LEGEND * number)
        for number, (name, color) in enumerate(coloring.legend.items())
    ]
    return svg.element(
        "svg",
        svg.element("title", svg.plain(title)),
        svg.element("style", style.CSS + SCOPE_CSS),
        svg.element("rect", class_="ground", width=width, height=height),
        svg.text(_MARGIN, _MARGIN + 14, title, class_="head"),
        svg.text(_MARGIN, _MARGIN + 36, summary, class_="muted"),
        svg.element("g", *content, transform=f"translate({svg.number(_MARGIN)} {svg.number(_HEAD)})"),
        *legend,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {svg.number(width)} {svg.number(height)}",
        width=width,
        height=height,
    )


def summary_of(tree: ScopeTree, visible: int) -> str:
    """Returns a line about the graph: nodes, boxes, bytes and measured time."""
    whole = tree.items[0]
    parts = [counted(whole.count, "node"), f"{visible} boxes"]
    if whole.bytes:
        parts.append(f"results of {human_bytes(whole.bytes)}")
    if whole.seconds:
        parts.append(f"a step took {human_seconds(whole.seconds)}")
    return "  ·  ".join(parts)


def tooltip(item: ScopeItem) -> str:
    """Returns what is known of an item, a line each."""
    lines = [item.node.name if item.node is not None else item.label]
    if item.node is not None:
        lines.append(item.node.op)
        lines += [item.node.device] if item.node.device else []
    else:
        lines.append(f"{item.kind}, {counted(item.count, 'node')}")
    lines += [human_bytes(item.bytes)] if item.bytes else []
    lines += [human_seconds(item.seconds)] if item.seconds else []
    return "\n".join(lines)


def box_label(item: ScopeItem) -> str:
    """Returns the text in a box: scopes tell how many nodes are in them."""
    closed = bool(item.children) and item.node is None
    return f"{item.label} ({item.count:,})" if closed else item.label


def _box(tree: ScopeTree, box: BoxPosition, coloring: Coloring) -> str:
    item, paint = tree.items[box.item], coloring.paints[box.item]
    rectangle = svg.element(
        "rect",
        class_=f"box {item.kind}" if item.kind != "node" else "box",
        x=box.left, y=box.top, width=box.width, height=box.height, rx=4,
        fill=paint.color, stroke=paint.color,
        fill_opacity=f"{0.05 if box.is_open else paint.opacity:.2f}",
    )  # fmt: skip
    middle = box.left + box.width / 2
    baseline = box.top + (15 if box.is_open else box.height / 2 + (-1 if item.node is not None else 4))
    texts = [
        svg.text(
            middle, baseline, svg.shortened(box_label(item), box.width - 8, style.FONT), text_anchor="middle"
        )
    ]
    if item.node is not None and not box.is_open:
        op = svg.shortened(item.node.op, BOX_WIDTH - 8, style.SMALL)
        texts.append(
            svg.text(middle, box.top + box.height - 4, op, text_anchor="middle", class_="small muted")
        )
    return svg.element("g", svg.title(tooltip(item)), rectangle, *texts)


def _edge(tree: ScopeTree, edge: ScopeEdge, boxes: dict[int, BoxPosition]) -> str:
    (x, y), (to_x, to_y) = _ends(edge, boxes)
    kind = "flow waits" if edge.is_control else "flow"
    label = svg.title(edge.label) if edge.label else ""
    return svg.element("path", label, class_=kind, d=svg.path([(x, y), (to_x, to_y)]))


def _ends(edge: ScopeEdge, boxes: dict[int, BoxPosition]) -> tuple[tuple[float, float], tuple[float, float]]:
    source, target = boxes[edge.source], boxes[edge.target]
    return (source.left + source.width / 2, source.top + source.height), (
        target.left + target.width / 2,
        target.top,
    )


def _edge_labels(edges: Sequence[ScopeEdge], boxes: dict[int, BoxPosition]) -> Iterator[str]:
    for edge in edges:
        if edge.label:
            (x, y), (to_x, to_y) = _ends(edge, boxes)
            at = (x + 7 * to_x) / 8, (y + 7 * to_y) / 8
            yield svg.text(*at, edge.label, class_="edge-label", text_anchor="middle")


def _legend_line(name: str, color: str, y: float) -> str:
    square = svg.element("rect", x=_MARGIN, y=y - 10, width=12, height=12, fill=color, fill_opacity=".5")
    return square + svg.text(_MARGIN + 18, y, name)
