"""Slices of tensors: TensorFlow's notation for them, their intersections, and the assembly of stored slices.

A *region* is a slice with known bounds: one Python ``slice`` per dimension, which indexes an array.
"""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import Status, TfgError, invalid
from .entries import Slice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..dtypes import DType
    from ..tensors import Array

Region = tuple[slice, ...]

_LARGEST = 2**63 - 1
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,30}\s*")
ALL = -1


def parse_shape_and_slice(text: str) -> tuple[tuple[int, ...], Slice]:
    """Parses a ``shape_and_slices`` element of Save and Restore into the full shape and the slice.

    ``10 20 0,5:-`` is rows 0 to 4 of 10, and all 20 columns. As in TensorFlow, raises INVALID_ARGUMENT, or INTERNAL for
    a slice outside the shape.
    """
    *dims, last = text.split(" ")
    if not dims:
        raise invalid(f"Need least two elements in shape_and_slice specification: {text}")
    part = parse_slice(last)
    shape = tuple(_dimension(dim, text) for dim in dims)
    try:
        region_of(part, shape)
    except TfgError as error:
        error.status = Status.INTERNAL
        raise
    return shape, part


def parse_slice(text: str) -> Slice:
    """Parses ``0,5:-:3,1``: start and length per dimension, ``-`` for all. Raises INVALID_ARGUMENT."""
    extents = [_extent(item, text) for item in text.split(":") if item]
    return Slice(tuple(start for start, _ in extents), tuple(length for _, length in extents))


def slice_text(part: Slice) -> str:
    return ":".join("-" if (s, n) == (0, ALL) else f"{s},{n}" for s, n in zip(*part))


def shape_and_slice_text(shape: tuple[int, ...], part: Slice) -> str:
    """Returns the notation that ``parse_shape_and_slice`` parses."""
    return " ".join([*map(str, shape), slice_text(part)])


def _extent(item: str, text: str) -> tuple[int, int]:
    if item == "-":
        return 0, ALL
    numbers = [_integer(number) for number in item.split(",") if number]
    start, length = numbers if len(numbers) == 2 else (None, None)
    if start is None or length is None:
        raise invalid(f"Expected a pair of numbers or '-' but got '{item}': string = {text}")
    if start < 0 or length <= 0:
        raise invalid(
            f"Expected non-negative start and positive length but got start = {start}, length = {length}: "
            f"string = {text}"
        )
    return start, length


def _dimension(item: str, text: str) -> int:
    size = _integer(item)
    if size is None or size < 0:
        raise invalid(f"Non numerical dimension in shape_and_slice: {text}")
    return size


def _integer(text: str) -> int | None:
    number = int(text) if _INTEGER.fullmatch(text) else None
    return None if number is None or abs(number) > _LARGEST else number


def region_of(part: Slice | None, shape: tuple[int, ...]) -> Region:
    """Returns the region of a slice in a tensor; None is the whole tensor. Raises INVALID_ARGUMENT if it is outside."""
    if part is None:
        return tuple(slice(0, size) for size in shape)
    if not len(part.starts) == len(part.lengths) == len(shape):
        raise invalid(f"Mismatching ranks: shape = {_shape_text(shape)}, slice = {slice_text(part)}")
    for place, (start, length, size) in enumerate(zip(*part, shape)):
        whole = (start, length) == (0, ALL)
        if not whole and (start < 0 or length < 0 or start + length > size):
            raise invalid(
                f"Extent in dimension {place} out of bounds: shape = {_shape_text(shape)}, slice = {slice_text(part)}"
            )
    return tuple(
        slice(0, size) if (start, length) == (0, ALL) else slice(start, start + length)
        for start, length, size in zip(*part, shape)
    )


def _shape_text(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"


def shape_of(region: Region) -> tuple[int, ...]:
    return tuple(extent.stop - extent.start for extent in region)


def is_whole(part: Slice | None, shape: tuple[int, ...]) -> bool:
    """Returns True for a slice that is the whole tensor. Raises INVALID_ARGUMENT for one outside it."""
    return shape_of(region_of(part, shape)) == shape


def intersection(a: Region, b: Region) -> Region | None:
    """Returns the intersection of two regions, or None."""
    common = tuple(slice(max(x.start, y.start), min(x.stop, y.stop)) for x, y in zip(a, b))
    return None if any(extent.start >= extent.stop for extent in common) else common


def check_disjoint(regions: Sequence[Region]) -> None:
    """Raises INTERNAL for overlapping regions, as TensorFlow does."""
    starts = np.array([[extent.start for extent in region] for region in regions], np.int64)
    stops = np.array([[extent.stop for extent in region] for region in regions], np.int64)
    for place in range(1, len(regions)):
        shared = (starts[:place] < stops[place]) & (stops[:place] > starts[place])
        clash = np.flatnonzero(shared.all(axis=1))
        if clash.size:
            raise TfgError(
                Status.INTERNAL,
                f"Overlapping slices: existing slice = {_region_text(regions[clash[0]])}, "
                f"new slice = {_region_text(regions[place])}",
            )


def _region_text(region: Region) -> str:
    return ":".join(f"{extent.start},{extent.stop - extent.start}" for extent in region)


def assemble(
    dtype: DType, wanted: Region, stored: Sequence[Region], locate: Callable[[int], Callable[[Array], None]]
) -> Array:
    """Assembles a region of a tensor from stored regions.

    ``locate`` takes the position of a stored region, verifies that the file holds it before memory is allocated, and
    returns a function that fills an array of the region's shape. Raises INVALID_ARGUMENT if the stored regions do not
    cover the wanted one, INTERNAL if they overlap.
    """
    shared = [
        (place, common)
        for place, region in enumerate(stored)
        if (common := intersection(region, wanted)) is not None
    ]
    check_disjoint([stored[place] for place, _ in shared])
    if sum(prod(shape_of(common)) for _, common in shared) != prod(shape_of(wanted)):
        raise invalid(f"the stored slices do not cover {_region_text(wanted)}")
    readers = [locate(place) for place, _ in shared]
    result = np.empty(shape_of(wanted), dtype.numpy)
    for (place, common), read_into in zip(shared, readers):
        _copy(result[_within(common, wanted)], common, stored[place], read_into)
    return result


def _copy(target: Array, common: Region, region: Region, read_into: Callable[[Array], None]) -> None:
    if common == region and target.flags.c_contiguous:
        read_into(target)
        return
    whole = np.empty(shape_of(region), target.dtype)
    read_into(whole)
    target[...] = whole[_within(common, region)]


def _within(part: Region, whole: Region) -> Any:
    """Returns the index of a region in an array that holds a larger one; it selects a view."""
    return (*(slice(x.start - y.start, x.stop - y.start) for x, y in zip(part, whole)), ...)
