"""The file ``checkpoint`` of a folder, in which TensorFlow's Saver keeps the names of its checkpoints: a
CheckpointState in text format (tensorflow/python/checkpoint/checkpoint_management.py)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import read_file, write_file
from ..text.tokens import read_string
from ..text.writer import quoted
from .data_file import data_loss

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = "checkpoint"
_QUOTED = r"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
_LATEST = re.compile(rf"^\s*model_checkpoint_path\s*:\s*{_QUOTED}", re.MULTILINE)
_ALL = re.compile(rf"^\s*all_model_checkpoint_paths\s*:\s*{_QUOTED}", re.MULTILINE)


def read_latest(file: Path) -> str:
    """Returns the name of the latest checkpoint: absolute, or relative to the file's folder.

    Raises DATA_LOSS for a file without one.
    """
    names = _names(file, _LATEST)
    if not names or not Path(names[0]).name:
        raise data_loss(str(file), "the file names no checkpoint", hint="name the checkpoint itself")
    return names[0]


def record_latest(prefix: str | Path, exists: Callable[[Path], bool]) -> None:
    """Makes a checkpoint the latest of its folder. The others that the file names are kept if they still exist; names
    are relative, so that the folder can be moved.

    Raises the errors of writing a file.
    """
    place = Path(prefix)
    file = place.parent / FILE
    before = _names(file, _ALL) if file.is_file() else []
    others = [name for name in before if Path(name).name != place.name and exists(place.parent / name)]
    lines = [f"model_checkpoint_path: {quoted(place.name)}"]
    lines += [f"all_model_checkpoint_paths: {quoted(name)}" for name in (*others, place.name)]
    write_file(file, "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))


def _names(file: Path, pattern: re.Pattern[str]) -> list[str]:
    """The strings of a field, as far as they can be read."""
    text = read_file(str(file))[0].decode("utf-8", "surrogateescape")
    names: list[str] = []
    for match in pattern.finditer(text):
        try:
            names.append(read_string(match[1]))
        except ValueError:
            continue
    return names
