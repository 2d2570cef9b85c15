"""Looks up tensors by name, and reads them from their stored slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Location, Status, TfgError
from ..names import did_you_mean
from .slices import assemble, region_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..tensors import Array
    from .entries import CheckpointReader, Slice, TensorEntry
    from .slices import Region


def entry_of(reader: CheckpointReader, name: str) -> TensorEntry:
    """Returns the entry of a tensor. Raises NOT_FOUND, with the most similar name as a hint."""
    entry = reader.entries.get(name)
    if entry is not None:
        return entry
    raise TfgError(
        Status.NOT_FOUND,
        f"there is no tensor {name!r} in {reader.path}",
        location=Location(reader.path),
        hint=did_you_mean(name, reader.entries),
    )


def read_slices(
    reader: CheckpointReader,
    name: str,
    part: Slice | None,
    kept: Sequence[Slice | None],
    locate: Callable[[int, Region], Callable[[Array], None]],
) -> Array:
    """Reads a part of a tensor (None: all of it) from its stored slices ``kept``.

    ``locate`` is that of ``assemble``, with the region of the slice as second argument. Raises as
    ``CheckpointReader.read``, and INTERNAL for overlapping slices.
    """
    entry = entry_of(reader, name)
    try:
        wanted = region_of(part, entry.shape)
        regions = [region_of(stored, entry.shape) for stored in kept]
        return assemble(entry.dtype, wanted, regions, lambda place: locate(place, regions[place]))
    except TfgError as error:
        if error.location is None:
            error.message = f"{name!r}: {error.message}"
        raise error.at(None, Location(reader.path)) from None
    except MemoryError:
        raise TfgError(
            Status.RESOURCE_EXHAUSTED,
            f"{name!r} of shape {list(entry.shape)} does not fit in memory",
            location=Location(reader.path),
        ) from None
