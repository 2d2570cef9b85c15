"""Rows of the items of a scope: each item below those that it depends on, near to its neighbours.

An item's row is the length of the longest path to it (edges that close a cycle do not count); within a row, items are
ordered by the mean position of their neighbours, alternately above and below (Sugiyama, Tagawa and Toda, 1981).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The most items in a row; a longer one is broken.
_WIDEST = 14
_SWEEPS = 6


def arrange_rows(items: Sequence[int], edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Returns the items in rows from top to bottom."""
    above: dict[int, list[int]] = defaultdict(list)
    below: dict[int, list[int]] = defaultdict(list)
    for source, target in edges:
        above[target].append(source)
        below[source].append(target)
    layer = _layers(items, above, below)
    rows: dict[int, list[int]] = defaultdict(list)
    for item in items:
        rows[layer[item]].append(item)
    ordered = [rows[at] for at in sorted(rows)]
    _order(ordered, above, below)
    return [row[start : start + _WIDEST] for row in ordered for start in range(0, len(row), _WIDEST)]


def _layers(
    items: Sequence[int], above: Mapping[int, Sequence[int]], below: Mapping[int, Sequence[int]]
) -> dict[int, int]:
    missing = {item: len(above.get(item, ())) for item in items}
    waiting = dict.fromkeys(items)
    ready = [item for item in items if not missing[item]]
    layer = dict.fromkeys(items, 0)
    while waiting:
        if not ready:
            # Scopes may depend on each other; the first one of a cycle goes first.
            ready.append(next(iter(waiting)))
        item = ready.pop()
        if item not in waiting:
            continue
        del waiting[item]
        for target in below.get(item, ()):
            if target in waiting:
                layer[target] = max(layer[target], layer[item] + 1)
                missing[target] -= 1
                if not missing[target]:
                    ready.append(target)
    for item in items:
        # A constant or a variable stands next to what reads it.
        if not above.get(item) and below.get(item):
            layer[item] = max(0, min(layer[target] for target in below[item]) - 1)
    return layer


def _order(
    rows: Sequence[list[int]], above: Mapping[int, Sequence[int]], below: Mapping[int, Sequence[int]]
) -> None:
    at: dict[int, float] = {}
    for row in rows:
        _place(row, at)
    for sweep in range(_SWEEPS):
        neighbours = above if sweep % 2 == 0 else below
        for row in rows if sweep % 2 == 0 else reversed(rows):
            aims = {item: _mean([at[n] for n in neighbours.get(item, ())], at[item]) for item in row}
            row.sort(key=aims.__getitem__)
            _place(row, at)


def _place(row: Sequence[int], at: dict[int, float]) -> None:
    for number, item in enumerate(row):
        at[item] = number - (len(row) - 1) / 2


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
