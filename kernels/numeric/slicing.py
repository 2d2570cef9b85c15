"""Strided slices as TensorFlow defines them (strided_slice_op.cc): masks, negative indices, ellipses; no tensors
are read.

A slice consists of one (begin, end, stride) per written index and five bit masks over these indices. Bit i of
``begin`` or ``end`` means "from the start" or "to the end"; of ``ellipsis`` "as many whole axes as fit"; of
``new_axis`` "an axis of size 1 here"; of ``shrink`` "a single element, and the axis is removed". An ellipsis takes
precedence over a new axis, and that over a removed one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ...graphfmt.errors import TfgError, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...graphfmt.shapes import Dim

Index = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Masks:
    """The five masks of a strided slice."""

    begin: int = 0
    end: int = 0
    ellipsis: int = 0
    new_axis: int = 0
    shrink: int = 0


def masks_from_attrs(attrs: Mapping[str, Any]) -> Masks:
    """Returns the masks among the attributes of a node."""
    return Masks(
        attrs["begin_mask"],
        attrs["end_mask"],
        attrs["ellipsis_mask"],
        attrs["new_axis_mask"],
        attrs["shrink_axis_mask"],
    )


@dataclass(frozen=True, slots=True)
class StridedSlice:
    """A strided slice as written. Elements are None where they are not known yet."""

    begin: tuple[Dim, ...]
    end: tuple[Dim, ...]
    strides: tuple[Dim, ...]
    masks: Masks


# Marks an input axis that is kept whole; other axes are sliced by the index of that position.
_WHOLE = -1
# Marks an output axis of size 1 that no input axis belongs to.
_NEW = -2


@lru_cache(maxsize=1024)
def axis_layout(masks: Masks, count: int, rank: int) -> tuple[int, ...]:
    """Returns, for each axis of input and output in order, the index that slices it, or _WHOLE or _NEW.

    Raises INVALID_ARGUMENT for two ellipses and for more indices than axes.
    """
    ellipses = [i for i in range(count) if masks.ellipsis >> i & 1]
    if len(ellipses) > 1:
        raise invalid("a slice can have only one ellipsis")
    written = [i for i in range(count) if i not in ellipses]
    used = sum(1 for i in written if not masks.new_axis >> i & 1)
    if used > rank:
        raise invalid(f"{used} indices are too many for a tensor of rank {rank}")
    places: list[int] = []
    for i in range(count):
        if i in ellipses:
            places.extend([_WHOLE] * (rank - used))
        else:
            places.append(_NEW if masks.new_axis >> i & 1 else i)
    if not ellipses:
        places.extend([_WHOLE] * (rank - used))
    return tuple(places)


def sliced_dims(spec: StridedSlice, dims: Sequence[Dim]) -> tuple[Dim, ...]:
    """Returns the dimensions of a slice of a tensor of these dimensions, as far as both are known.

    Raises INVALID_ARGUMENT where the slice is not within the tensor.
    """
    sizes: list[Dim] = []
    axis = 0
    for place in axis_layout(spec.masks, len(spec.strides), len(dims)):
        if place == _NEW:
            sizes.append(1)
            continue
        size = dims[axis]
        if place == _WHOLE:
            sizes.append(size)
        elif spec.masks.shrink >> place & 1:
            _check_single(spec, place, axis, size)
        else:
            sizes.append(_axis_size(spec, place, axis, size))
        axis += 1
    return tuple(sizes)


def _check_single(spec: StridedSlice, place: int, axis: int, size: Dim) -> None:
    stride, at = spec.strides[place], spec.begin[place]
    if stride is not None:
        _check_stride(stride, place)
        if stride < 0:
            raise invalid(f"a single index must have stride 1, but index {place} has stride {stride}")
    if at is not None and size is not None:
        _wrap_index(at, axis, size)


def _wrap_index(at: int, axis: int, size: int) -> int:
    position = at + size if at < 0 else at
    if not 0 <= position < size:
        raise invalid(f"slice index {at} of dimension {axis} out of bounds: its size is {size}")
    return position


def _check_stride(stride: int, place: int) -> None:
    if stride == 0:
        raise invalid(f"strides[{place}] must not be zero")


def _axis_size(spec: StridedSlice, place: int, axis: int, size: Dim) -> Dim:
    stride = spec.strides[place]
    if stride is not None:
        _check_stride(stride, place)
    from_start = spec.masks.begin >> place & 1
    to_end = spec.masks.end >> place & 1
    if from_start and to_end and stride in (1, -1):
        return size
    begin, end = spec.begin[place], spec.end[place]
    if size is None:
        # The size may cut off either bound, so nothing is known of the extent.
        return None
    if stride is None or (begin is None and not from_start) or (end is None and not to_end):
        return None
    return len(_bounds(spec, place, size))


def _bounds(spec: StridedSlice, place: int, size: int) -> range:
    """Returns the positions that an index of a fully known slice selects along an axis."""
    stride = spec.strides[place]
    assert stride is not None
    low, high = (0, size) if stride > 0 else (-1, size - 1)
    start = (
        (low if stride > 0 else high)
        if spec.masks.begin >> place & 1
        else _clamp(spec.begin[place], size, low, high)
    )
    stop = (
        (high if stride > 0 else low)
        if spec.masks.end >> place & 1
        else _clamp(spec.end[place], size, low, high)
    )
    return range(start, stop, stride)


def _clamp(at: Dim, size: int, low: int, high: int) -> int:
    assert at is not None
    return min(max(at + size if at < 0 else at, low), high)


def numpy_index(spec: StridedSlice, dims: Sequence[int]) -> Index:
    """Converts a slice of a tensor of these dimensions to an index for numpy: slices, integers and None.

    Raises INVALID_ARGUMENT where the slice is not within the tensor.
    """
    sliced_dims(spec, dims)
    items: list[Any] = []
    axis = 0
    for place in axis_layout(spec.masks, len(spec.strides), len(dims)):
        if place == _NEW:
            items.append(None)
            continue
        items.append(_axis_index(spec, place, axis, dims[axis]))
        axis += 1
    return tuple(items)


def _axis_index(spec: StridedSlice, place: int, axis: int, size: int) -> slice | int:
    if place == _WHOLE:
        return slice(None)
    if spec.masks.shrink >> place & 1:
        at = spec.begin[place]
        assert at is not None
        return _wrap_index(at, axis, size)
    picked = _bounds(spec, place, size)
    if not picked:
        return slice(0, 0)
    return slice(picked.start, None if picked.stop < 0 else picked.stop, picked.step)


def slice_from_values(begin: Any, end: Any, strides: Any, masks: Masks) -> StridedSlice:
    """Returns the slice that three vectors state. Raises INVALID_ARGUMENT where they are not vectors of one size."""
    if not (begin.ndim == end.ndim == strides.ndim == 1 and begin.shape == end.shape == strides.shape):
        raise length_mismatch(begin.shape, end.shape, strides.shape)
    return StridedSlice(tuple(begin.tolist()), tuple(end.tolist()), tuple(strides.tolist()), masks)


def length_mismatch(begin: object, end: object, strides: object) -> TfgError:
    """Returns the error for begin, end and strides that are not vectors of one size."""
    return invalid(
        "begin, end and strides must be vectors of equal size, "
        f"but are of shapes {begin}, {end} and {strides}"
    )
