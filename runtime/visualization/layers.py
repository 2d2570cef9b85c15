"""Layered layout of boxes after Sugiyama, Tagawa and Toda ("Methods for visual understanding of hierarchical
system structures", 1981), with a lane for each device.

A box's layer is the length of the longest path to it; boxes of no duration (variables and their reads) are as
low as their readers permit. Within a lane, boxes are ordered by the mean position of their neighbours,
alternately above and below. An edge over several layers passes each at a point of its own, shared by all edges
from the same box, so that it does not cross boxes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .blocks import Blocks

# Widths in pixels: of a box, of a passing edge, of the gaps between them, and between lanes.
BOX, PASSING, GAP, BETWEEN = 150.0, 7.0, 14.0, 70.0
# The most boxes in a row over all lanes; at least three per lane.
WIDEST = 12
SWEEPS = 12
STRAIGHTENING = 30
# Weight of passing edges relative to boxes, so that boxes yield and edges stay straight.
STIFFNESS = 6.0


class Lane(NamedTuple):
    device: int
    left: float
    width: float


class Layout(NamedTuple):
    """Positions of blocks: ``x`` of their centres and their ``layer``; ``passes`` are the positions at which edges
    from a block pass a layer, by block and layer."""

    lanes: Sequence[Lane]
    x: Sequence[float]
    layer: Sequence[int]
    passes: dict[tuple[int, int], float]
    layers: int


class _Item:
    """A box, or a point where an edge passes a layer; ``above`` and ``below`` are its neighbours."""

    __slots__ = ("above", "below", "weight", "width", "x")

    def __init__(self, width: float, weight: float = 1.0) -> None:
        self.width = width
        self.weight = weight
        self.x = 0.0
        self.above: list[_Item] = []
        self.below: list[_Item] = []


def lay_out(blocks: Blocks) -> Layout:
    """Computes the position of every block."""
    layer = _layers(blocks)
    boxes = [_Item(BOX) for _ in blocks.blocks]
    passes: dict[tuple[int, int], _Item] = {}
    rows: dict[tuple[int, int], list[_Item]] = defaultdict(list)
    for number, block in enumerate(blocks.blocks):
        rows[block.device, layer[number]].append(boxes[number])
    for flow in blocks.flows:
        device = blocks.blocks[flow.source].device
        if device != blocks.blocks[flow.target].device or layer[flow.target] <= layer[flow.source]:
            continue
        before = boxes[flow.source]
        for at in range(layer[flow.source] + 1, layer[flow.target]):
            item = passes.get((flow.source, at))
            if item is None:
                item = passes[flow.source, at] = _Item(PASSING, STIFFNESS)
                rows[device, at].append(item)
                _join(before, item)
            before = item
        _join(before, boxes[flow.target])
    lanes, left = list[Lane](), 0.0
    for device in sorted({block.device for block in blocks.blocks}):
        inside = [rows[key] for key in sorted(rows) if key[0] == device]
        width = _arrange(inside, left)
        lanes.append(Lane(device, left, width))
        left += width + BETWEEN
    return Layout(
        lanes,
        [box.x for box in boxes],
        layer,
        {key: item.x for key, item in passes.items()},
        max(layer, default=-1) + 1,
    )


def _join(upper: _Item, lower: _Item) -> None:
    upper.below.append(lower)
    lower.above.append(upper)


def _layers(blocks: Blocks) -> list[int]:
    """Returns the layer of every block.

    Blocks are ordered by time; edges against it are ignored. A full layer of a lane defers a block to the next
    one (as Coffman and Graham bound the width).
    """
    room = max(3, WIDEST // max(1, len({block.device for block in blocks.blocks})))
    sources: dict[int, list[int]] = defaultdict(list)
    targets: dict[int, list[int]] = defaultdict(list)
    for flow in blocks.flows:
        if flow.source < flow.target:
            sources[flow.target].append(flow.source)
            targets[flow.source].append(flow.target)
    layer = [0] * len(blocks.blocks)
    taken: Counter[tuple[int, int]] = Counter()
    for number, block in enumerate(blocks.blocks):
        layer[number] = max((layer[source] + 1 for source in sources[number]), default=0)
        while taken[block.device, layer[number]] >= room:
            layer[number] += 1
        taken[block.device, layer[number]] += 1
    for number in sorted(targets, reverse=True):
        block = blocks.blocks[number]
        if not block.seconds:
            lowest = min(layer[target] for target in targets[number]) - 1
            free = (at for at in range(lowest, layer[number], -1) if taken[block.device, at] < room)
            at = next(free, layer[number])
            taken[block.device, layer[number]] -= 1
            taken[block.device, at] += 1
            layer[number] = at
    return _without_gaps(layer)


def _without_gaps(layer: list[int]) -> list[int]:
    place = {at: number for number, at in enumerate(sorted(set(layer)))}
    return [place[at] for at in layer]


def _arrange(rows: Sequence[list[_Item]], left: float) -> float:
    """Positions the items of a lane, in rows from top to bottom; returns the lane's width."""
    width = max(_packed(row) for row in rows)
    for row in rows:
        _put(row, [0.0] * len(row), width)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            aims = [_aim(item.above if down else item.below, item.x) for item in row]
            order = sorted(range(len(row)), key=lambda i: aims[i])
            row[:] = [row[i] for i in order]
            _put(row, [aims[i] for i in order], width)
    for sweep in range(STRAIGHTENING):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            _put(row, [_aim(item.above + item.below, item.x) for item in row], width)
    items = [item for row in rows for item in row]
    least = min(item.x - item.width / 2 for item in items)
    most = max(item.x + item.width / 2 for item in items)
    for item in items:
        item.x += left - least
    return most - least


def _aim(neighbours: Sequence[_Item], otherwise: float) -> float:
    return sum(item.x for item in neighbours) / len(neighbours) if neighbours else otherwise


def _packed(row: Sequence[_Item]) -> float:
    """Returns the minimum width of a row."""
    return sum(item.width for item in row) + GAP * (len(row) - 1)


def _put(row: Sequence[_Item], aims: Sequence[float], width: float) -> None:
    """Positions items as close to their targets as order and widths permit, from 0 to ``width``, by least squares.

    Neighbours that would overlap are pooled and take their mean (as in isotonic regression).
    """
    offsets, at = list[float](), 0.0
    for before, item in zip([None, *row], row):
        at += (before.width + item.width) / 2 + GAP if before is not None else 0.0
        offsets.append(at)
    pools: list[tuple[float, float, int]] = []
    for item, aim, offset in zip(row, aims, offsets):
        total, weight, count = (aim - offset) * item.weight, item.weight, 1
        while pools and pools[-1][0] / pools[-1][1] > total / weight:
            more, heavier, others = pools.pop()
            total, weight, count = total + more, weight + heavier, count + others
        pools.append((total, weight, count))
    first, last = row[0].width / 2, width - row[-1].width / 2 - offsets[-1]
    places = [min(max(total / weight, first), last) for total, weight, count in pools for _ in range(count)]
    for item, place, offset in zip(row, places, offsets):
        item.x = place + offset
