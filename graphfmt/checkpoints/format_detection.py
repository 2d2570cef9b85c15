"""Recognizes checkpoints by path and content, for commands that take graphs or checkpoints."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..file_types import holds_graph

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
# tfg's own files begin with this text in a user block or have it as an attribute near the start.
_OWN = b"tfg checkpoint, format "
# The last bytes of a sorted table: the index of a bundle, or a V1 checkpoint.
_TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
_DATA = re.compile(r".+\.data-\d{5,}-of-\d{5,}")
_LATEST = re.compile(rb"\s*(?:#[^\n]*\n\s*)*(?:all_)?model_checkpoint_paths?\s*:")
_MODELS = ("saved_model.pb", "saved_model.pbtxt")


def is_checkpoint(path: str) -> bool:
    """Returns True for an HDF5 file, a table, the prefix or a file of a bundle, a folder of checkpoints that is not a
    SavedModel, and a name ending in .h5 unless it is a graph's."""
    place = Path(path)
    try:
        if place.is_dir():
            return _holds_checkpoints(place)
        if not place.is_file():
            return place.suffix == ".h5" or Path(f"{path}.index").is_file()
        if place.suffix == ".h5":
            return not holds_graph(place.read_bytes())
        return _DATA.fullmatch(path) is not None or _has_magic(place)
    except (OSError, ValueError):
        return False


def checkpoint_kind(path: str, data: bytes | None = None) -> str | None:
    """Returns the kind of a checkpoint, in words, by its bytes or else by its path; None for anything else."""
    if data is None:
        return "a checkpoint" if is_checkpoint(path) else None
    if data.endswith(_TABLE_MAGIC):
        return "a checkpoint of TensorFlow's"
    if data.startswith(_HDF5_MAGIC) and _OWN in data:
        return "a state or checkpoint of tfg's"
    if _DATA.fullmatch(path):
        return "the data of a checkpoint"
    return "the list of a folder's checkpoints" if _LATEST.match(data) else None


def _holds_checkpoints(folder: Path) -> bool:
    names = {entry.name for entry in folder.iterdir()}
    if names.intersection(_MODELS):
        return False
    return "checkpoint" in names or any(name.endswith(".index") for name in names)


def _has_magic(path: Path) -> bool:
    with path.open("rb") as file:
        if file.read(len(_HDF5_MAGIC)) == _HDF5_MAGIC:
            return True
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - len(_TABLE_MAGIC), 0))
        return file.read() == _TABLE_MAGIC
