"""Checks of output files before a command does any work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ...graphfmt.errors import Location, Status, TfgError
from .console import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


STATE_SUFFIXES = (".h5", ".hdf5")


def check_output_path(path: str | Path) -> None:
    """Raises NOT_FOUND for a file in a missing folder, INVALID_ARGUMENT for an impossible file name."""
    target = Path(path)
    try:
        # exists() raises for a name that the file system cannot hold.
        has_folder = target.parent.is_dir() and (target.exists() or True)
    except (OSError, ValueError) as error:
        raise TfgError(Status.INVALID_ARGUMENT, f"{str(path)!r} is not a file name: {error}") from None
    if not has_folder:
        raise TfgError(
            Status.NOT_FOUND,
            f"there is no folder {str(target.parent)!r}",
            location=Location(str(path)),
            hint=f"mkdir -p {target.parent}",
        )


def check_state_name(state: Path) -> None:
    """Raises UsageError for a state file whose name is that of another format."""
    if state.suffix.lower() not in STATE_SUFFIXES:
        raise UsageError(
            f"a state is an HDF5 file, which {state.name!r} is not called",
            hint=f"use a name that ends in {' or '.join(STATE_SUFFIXES)}",
        )


def check_distinct(outputs: Sequence[str | Path]) -> None:
    """Raises UsageError for two outputs with one file name."""
    if len({Path(path).absolute() for path in outputs}) < len(outputs):
        raise UsageError("two outputs have the same file name")


def check_not_input(output: str | Path, inputs: Iterable[str | Path | None]) -> None:
    """Raises UsageError for an output that would overwrite an input."""
    for path in inputs:
        if path is not None and os.path.realpath(path) == os.path.realpath(output):
            raise UsageError(f"{str(output)!r} is both an input and the output")
