"""Recognizes checkpoints by path and content, for commands that take graphs or checkpoints."""

from __future__ import annotations

import os
import re
from pathlib import Path

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
# The last bytes of a sorted table: the index of a bundle, or a V1 checkpoint.
_TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
_DATA = re.compile(r".+\.data-\d{5,}-of-\d{5,}")
_MODELS = ("saved_model.pb", "saved_model.pbtxt")


def is_checkpoint(path: str) -> bool:
    """Returns True for a name ending in .h5, an HDF5 file, a table, the prefix or a file of a bundle, and a folder of
    checkpoints that is not a SavedModel."""
    place = Path(path)
    try:
        if place.is_dir():
            names = {entry.name for entry in place.iterdir()}
            return bool(names & {"checkpoint", "variables.index"}) and not names.intersection(_MODELS)
        if not place.is_file():
            return place.suffix == ".h5" or Path(f"{path}.index").is_file()
        return place.suffix == ".h5" or _DATA.fullmatch(path) is not None or _has_magic(place)
    except (OSError, ValueError):
        return False


def _has_magic(path: Path) -> bool:
    with path.open("rb") as file:
        if file.read(len(_HDF5_MAGIC)) == _HDF5_MAGIC:
            return True
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - len(_TABLE_MAGIC), 0))
        return file.read() == _TABLE_MAGIC
