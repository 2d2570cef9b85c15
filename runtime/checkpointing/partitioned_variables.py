"""Variables that were cut in parts along one axis: ``w/part_0``, ``w/part_1``, … of a whole ``w``.

TensorFlow's partitioners name them so, and the slots that optimizers make for them: ``w/part_0/Adam`` is a
part of ``w/Adam``.
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
    """The parts of each whole, in their order. Where a number is left out there is no whole."""
    found: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for name in names:
        match = _PART.fullmatch(name)
        if match is not None:
            found[match[1] + (match[3] or "")][int(match[2])] = name
    return {
        whole: [parts[number] for number in sorted(parts)]
        for whole, parts in found.items()
        if max(parts) == len(parts) - 1
    }


def partition_axis(parts: Sequence[tuple[int, ...]], whole: Shape) -> int | None:
    """The axis along which parts of these shapes make a whole of that one; None where there is none, or where
    not enough is known of the whole to tell which."""
    if not parts or len({len(shape) for shape in parts}) > 1:
        return None
    fitting: dict[tuple[int, ...], int] = {}
    for axis in range(len(parts[0])):
        joined = joined_shape(parts, axis)
        if joined is not None and whole.is_compatible(Shape(joined)):
            fitting.setdefault(joined, axis)
    return next(iter(fitting.values())) if len(fitting) == 1 else None


def joined_shape(parts: Sequence[tuple[int, ...]], axis: int) -> tuple[int, ...] | None:
    """The shape of the whole; None where the parts differ along another axis."""
    if len({(shape[:axis], shape[axis + 1 :]) for shape in parts}) > 1:
        return None
    first = parts[0]
    return (*first[:axis], sum(shape[axis] for shape in parts), *first[axis + 1 :])
