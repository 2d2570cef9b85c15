"""Where boxes go: a layered layout after Sugiyama, Tagawa and Toda ("Methods for visual understanding of
hierarchical system structures", 1981), with a lane for each device.

A box's layer is the longest way to it; what takes no time (variables, what reads and names values) stands as
low as those that need it allow. Within a lane, boxes are put in the order of the middle of their neighbours, from
above and from below by turns. What flows past layers passes them at points of its own, one for all that comes
from the same box, so that it does not run through boxes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .blocks import Blocks

# Widths in pixels: of a box, of a flow that passes, what is between them, and between lanes.
BOX, PASSING, GAP, BETWEEN = 150.0, 7.0, 14.0, 70.0
# How many boxes stand side by side, over all lanes; three in each lane, where there are many lanes.
WIDEST = 12
SWEEPS = 12
STRAIGHTENING = 30
# How much more the places of passing flows count than those of boxes, so that these give way and lines are straight.
STIFFNESS = 6.0


class Lane(NamedTuple):
    device: int
    left: float
    width: float


class Layout(NamedTuple):
    """``x`` of every block's middle and its ``layer``; ``passes`` are the layers and places at which what comes
    from a block passes others, by block and layer."""

    lanes: Sequence[Lane]
    x: Sequence[float]
    layer: Sequence[int]
    passes: dict[tuple[int, int], float]
    layers: int


class _Item:
    """A box, or a point where a flow passes a layer. ``above`` and ``below`` are its neighbours."""

    __slots__ = ("above", "below", "weight", "width", "x")

    def __init__(self, width: float, weight: float = 1.0) -> None:
        self.width = width
        self.weight = weight
        self.x = 0.0
        self.above: list[_Item] = []
        self.below: list[_Item] = []


def lay_out(blocks: Blocks) -> Layout:
    """Places every block."""
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
    """The layer of every block. Blocks are in the order of time; what flows against it is not minded. A layer that
    is full in a lane passes a block on to the next (Coffman and Graham's way to bound the width)."""
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
    """Gives the items of a lane their places, in rows from above to below; gives the lane's width."""
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
    """The width of a row without more space than there must be."""
    return sum(item.width for item in row) + GAP * (len(row) - 1)


def _put(row: Sequence[_Item], aims: Sequence[float], width: float) -> None:
    """As near to the aims as the order and the widths allow, from 0 to ``width``, by least squares:
    neighbours that would overlap are joined and take their mean (the pooling of isotonic regression)."""
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
