"""The order in which the C++ library sorts equal elements: introsort with insertion sort of at most 16 elements.

For operations whose result depends on it. Musser: Introspective sorting and selection algorithms. 1997.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_FEW = 16


def argsort_descending(keys: Sequence[float]) -> list[int]:
    """Returns the positions of the keys, the largest first, with equal ones in the order of ``std::sort``."""
    order = list(range(len(keys)))
    if len(set(keys)) == len(keys) or len(keys) <= _FEW:
        return sorted(order, key=lambda i: -keys[i])
    spans = [(0, len(order))]
    while spans:
        first, last = spans.pop()
        while last - first > _FEW:
            cut = _partition(keys, order, first, last)
            spans.append((first, cut))
            first = cut
    # Insertion sort, which the algorithm ends with, keeps the order of equal elements.
    return sorted(order, key=lambda i: -keys[i])


def _partition(keys: Sequence[float], order: list[int], first: int, last: int) -> int:
    """Moves the keys that come before a median of three to the front of a span; returns where the others begin."""
    _move_median_to(keys, order, first, (first + 1, first + (last - first) // 2, last - 1))
    pivot = keys[order[first]]
    low, high = first + 1, last
    while True:
        while keys[order[low]] > pivot:
            low += 1
        high -= 1
        while pivot > keys[order[high]]:
            high -= 1
        if low >= high:
            return low
        order[low], order[high] = order[high], order[low]
        low += 1


def _move_median_to(
    keys: Sequence[float], order: list[int], target: int, places: tuple[int, int, int]
) -> None:
    a, b, c = places
    x, y, z = (keys[order[place]] for place in places)
    if x > y:
        median = b if y > z else c if x > z else a
    else:
        median = a if x > z else c if y > z else b
    order[target], order[median] = order[median], order[target]
