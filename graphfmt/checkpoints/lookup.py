"""The tensor of a name in a checkpoint, or an error that helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Location, Status, TfgError
from ..names import did_you_mean

if TYPE_CHECKING:
    from .entries import Entry, Reader


def entry_of(reader: Reader, name: str) -> Entry:
    """What a checkpoint says of a tensor. Raises NOT_FOUND, with the likeliest name as the hint."""
    entry = reader.entries.get(name)
    if entry is not None:
        return entry
    raise TfgError(
        Status.NOT_FOUND,
        f"there is no tensor {name!r} in {reader.path}",
        location=Location(reader.path),
        hint=did_you_mean(name, reader.entries),
    )
