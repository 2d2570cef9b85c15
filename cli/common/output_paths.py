"""Files that a command is to write, looked at before it does anything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ...graphfmt.errors import Location, Status, TfgError
from .console import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable


def check_place(path: str | Path) -> None:
    """Raises NOT_FOUND where there is no folder for the file, INVALID_ARGUMENT for what is no name."""
    place = Path(path)
    try:
        found = place.parent.is_dir() and (place.exists() or True)
    except (OSError, ValueError) as error:
        raise TfgError(Status.INVALID_ARGUMENT, f"{str(path)!r} is no name for a file: {error}") from None
    if not found:
        raise TfgError(
            Status.NOT_FOUND, f"there is no folder {str(place.parent)!r}", location=Location(str(path))
        )


def check_apart(written: str | Path, read: Iterable[str | Path | None]) -> None:
    """Raises for a file that would be written over one of those that it is made of."""
    for path in read:
        if path is not None and os.path.realpath(path) == os.path.realpath(written):
            raise UsageError(f"{str(written)!r} is to be both read and written")
