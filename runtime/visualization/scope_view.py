"""A view of a tree of scopes: which are open, and the position of everything visible."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from .scope_tree import ScopeEdge, ScopeTree

# Pixels: of a box, between boxes of a row, between rows, and inside of an open scope.
BOX_WIDTH, BOX_HEIGHT = 150.0, 30.0
GAP, PITCH, PADDING, HEADER = 16.0, 30.0, 12.0, 24.0


class BoxPosition(NamedTuple):
    """The rectangle of an item; ``is_open`` if the items inside of it are visible."""

    item: int
    left: float
    top: float
    width: float
    height: float
    is_open: bool


def open_scopes(tree: ScopeTree, most: int) -> set[int]:
    """Returns the scopes to open, outer ones first, so that at most so many boxes are visible; always the whole
    graph."""
    opened, level = {0}, [0]
    visible = len(tree.items[0].children)
    while level:
        inside = [child for number in level for child in tree.items[number].children]
        level = []
        for number in sorted(inside, key=lambda child: len(tree.items[child].children)):
            added = len(tree.items[number].children)
            # The functions of a call are opened by hand.
            if added and tree.items[number].node is None and visible + added <= most:
                visible += added
                opened.add(number)
                level.append(number)
    return opened


def positions(tree: ScopeTree, opened: Collection[int]) -> list[BoxPosition]:
    """Returns the rectangles of everything visible, outer ones first."""
    sizes = _sizes(tree, opened)
    found: list[BoxPosition] = []
    stack = [(0, 0.0, 0.0)]
    while stack:
        number, left, top = stack.pop()
        width, height = sizes[number]
        is_open = number in opened
        if number:
            found.append(BoxPosition(number, left, top, width, height, is_open))
        if is_open:
            stack.extend(_inside(tree, sizes, number, left, top))
    return found


def visible_edges(tree: ScopeTree, opened: Collection[int]) -> list[ScopeEdge]:
    """Returns the edges between visible boxes, each once."""
    shown = _visible_of_each(tree, opened)
    edges: dict[tuple[int, int, bool], ScopeEdge] = {}
    for edge in tree.edges:
        source, target = shown[edge.source], shown[edge.target]
        if source != target:
            moved = edge._replace(source=source, target=target)
            edges.setdefault((source, target, edge.is_control), moved)
    return [
        edge
        for edge in edges.values()
        if not edge.is_control or (edge.source, edge.target, False) not in edges
    ]


def _visible_of_each(tree: ScopeTree, opened: Collection[int]) -> list[int]:
    """Returns for every item the box that shows it: itself, or the outermost closed scope around it."""
    shown = [-1] * len(tree.items)
    stack = [(0, -1)]
    while stack:
        number, closed = stack.pop()
        shown[number] = closed if closed >= 0 else number
        inside = closed if closed >= 0 or number in opened else number
        stack.extend((child, inside) for child in tree.items[number].children)
    return shown


def _sizes(tree: ScopeTree, opened: Collection[int]) -> dict[int, tuple[float, float]]:
    sizes: dict[int, tuple[float, float]] = {}
    for number in _inner_first(tree, opened):
        if number not in opened:
            sizes[number] = BOX_WIDTH, BOX_HEIGHT
            continue
        rows = [[sizes[child] for child in row] for row in tree.items[number].rows]
        width = max((_row_width(row) for row in rows), default=0.0)
        height = sum(max(h for _, h in row) + PITCH for row in rows) - PITCH
        sizes[number] = max(BOX_WIDTH, width) + 2 * PADDING, HEADER + height + PADDING
    return sizes


def _inner_first(tree: ScopeTree, opened: Collection[int]) -> Iterator[int]:
    stack, order = [0], list[int]()
    while stack:
        number = stack.pop()
        order.append(number)
        if number in opened:
            stack.extend(tree.items[number].children)
    return reversed(order)


def _row_width(row: Sequence[tuple[float, float]]) -> float:
    return sum(width for width, _ in row) + GAP * (len(row) - 1)


def _inside(
    tree: ScopeTree, sizes: dict[int, tuple[float, float]], number: int, left: float, top: float
) -> Iterator[tuple[int, float, float]]:
    """Yields number, left and top of the items in an open scope: rows are centered."""
    y = top + HEADER
    middle = left + sizes[number][0] / 2
    for row in tree.items[number].rows:
        x = middle - _row_width([sizes[child] for child in row]) / 2
        tallest = max(sizes[child][1] for child in row)
        for child in row:
            yield child, x, y + (tallest - sizes[child][1]) / 2
            x += sizes[child][0] + GAP
        y += tallest + PITCH
