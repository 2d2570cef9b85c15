"""Folders of parts: one text graph per device, and a manifest.

A folder is written under a temporary name and then renamed, so that it is never visible half-written.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ....graphfmt.errors import Location, Status, TfgError
from ....graphfmt.files import file_error, read_file
from ....graphfmt.load import load
from ....graphfmt.text.writer import write_graph
from . import manifest
from .parts import Parts, with_received_facts

if TYPE_CHECKING:
    from collections.abc import Generator

    from ....graphfmt.graph import Graph

MANIFEST = "manifest.json"


def is_folder_of_parts(path: str | Path) -> bool:
    """Returns True if a path is a folder written by ``write_parts``."""
    try:
        return (Path(path) / MANIFEST).is_file()
    except (OSError, ValueError):
        return False


def write_parts(
    parts: Parts, folder: str | Path, graph: Graph, *, name: str = "", wire: str | None = None
) -> list[Path]:
    """Writes a folder of parts, replacing an older one; returns the paths of its files.

    Args:
        graph: the graph that was partitioned.
        name: name of its file, for the manifest.
        wire: compression that was passed to ``partition``.

    Raises:
        TfgError: NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION (a folder with other files);
            nothing has changed then.
    """
    folder = Path(os.path.normpath(folder))
    text, files = manifest.render_manifest(parts, graph, name, wire)
    try:
        with _in_place_of(folder) as new:
            for device, file in files.items():
                _write(new / file, write_graph(parts.graphs[device]))
            _write(new / MANIFEST, text)
    except (OSError, ValueError) as error:
        raise file_error(error, "written", str(folder)) from error
    return [folder / file for file in (*files.values(), MANIFEST)]


@contextmanager
def _in_place_of(folder: Path) -> Generator[Path]:
    """Provides a temporary folder that replaces ``folder`` on success and is removed on failure."""
    _check_replaceable(folder)
    new = folder.with_name(f".{folder.name[:100]}.{os.urandom(6).hex()}.tmp")
    new.mkdir()
    try:
        yield new
        old = new.with_suffix(".old")
        if is_folder_of_parts(folder):
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _check_replaceable(folder: Path) -> None:
    """Raises FAILED_PRECONDITION unless a path is unused, an empty folder, or a folder of parts without other
    files."""
    if not folder.name:
        raise _kept(folder, "it cannot be replaced")
    if not folder.exists():
        return
    if not folder.is_dir() or folder.is_symlink():
        raise _kept(folder, "it is not a folder")
    present = {path.name for path in folder.iterdir()}
    if present and not is_folder_of_parts(folder):
        raise _kept(folder, f"it contains other files, such as {min(present)!r}")
    if present:
        known = {entry.file for entry in manifest.parse_manifest(*read_file(folder / MANIFEST))}
        others = present - known - {MANIFEST}
        if others:
            raise _kept(folder, f"it contains other files, such as {min(others)!r}")


def _kept(folder: Path, why: str) -> TfgError:
    return TfgError(
        Status.FAILED_PRECONDITION,
        f"{folder} cannot be written: {why}",
        location=Location(str(folder)),
        hint="give the name of a new folder",
    )


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_parts(folder: str | Path) -> Parts:
    """Reads a folder of parts, and checks that they can run together.

    Raises:
        TfgError: NOT_FOUND for a missing file; INVALID_ARGUMENT, with file, line and node, for faults of
            ``part_faults`` and of inference; what ``load`` raises.
    """
    path = Path(folder) / MANIFEST
    listed = manifest.parse_manifest(*read_file(path))
    graphs = {entry.device: load(_existing(Path(folder) / entry.file, path)) for entry in listed}
    return with_received_facts(Parts(dict(sorted(graphs.items()))))


def _existing(file: Path, listed_in: Path) -> Path:
    if not file.is_file():
        raise TfgError(
            Status.NOT_FOUND,
            f"the part {file} is missing",
            location=Location(str(listed_in)),
            hint="partition the graph again",
        )
    return file
