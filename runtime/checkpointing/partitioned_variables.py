"""Partitioned variables: ``w/part_0``, ``w/part_1``, … are slices of ``w`` along one axis.

TensorFlow's partitioners use these names, also for optimizer slots: ``w/part_0/Adam`` is a slice of ``w/Adam``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from ...graphfmt.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PART = re.compile(r"(.+)/part_(0|[1-9][0-9]{0,8})(/.+)?", re.DOTALL)


def part_groups(names: Iterable[str]) -> dict[str, list[str]]:
    """Returns the parts of each partitioned variable in order; incomplete sequences of parts are left out."""
    groups: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for name in names:
        match = _PART.fullmatch(name)
        if match is not None:
            groups[match[1] + (match[3] or "")][int(match[2])] = name
    return {
        whole: [parts[number] for number in sorted(parts)]
        for whole, parts in groups.items()
        if max(parts) == len(parts) - 1
    }


def partition_axis(parts: Sequence[tuple[int, ...]], whole: Shape) -> int | None:
    """Returns the axis along which parts of these shapes form the whole; None if there is none or it is ambiguous."""
    if not parts or len({len(shape) for shape in parts}) > 1:
        return None
    fitting: dict[tuple[int, ...], int] = {}
    for axis in range(len(parts[0])):
        joined = joined_shape(parts, axis)
        if joined is not None and whole.is_compatible(Shape(joined)):
            fitting.setdefault(joined, axis)
    return next(iter(fitting.values())) if len(fitting) == 1 else None


def joined_shape(parts: Sequence[tuple[int, ...]], axis: int) -> tuple[int, ...] | None:
    """Returns the shape of parts joined along an axis; None if they differ in another dimension."""
    if len({(shape[:axis], shape[axis + 1 :]) for shape in parts}) > 1:
        return None
    first = parts[0]
    return (*first[:axis], sum(shape[axis] for shape in parts), *first[axis + 1 :])
