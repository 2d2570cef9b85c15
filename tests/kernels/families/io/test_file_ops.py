"""Files that a graph reads, writes and looks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.errors import TfgError


def text(value: object) -> Any:
    return np.array(str(value).encode(), object)


def test_a_file_is_written_with_its_folders_and_read_back(tmp_path: Path) -> None:
    g = tfg.GraphBuilder()
    path = text(tmp_path / "a" / "b" / "c.txt")
    g.WriteFile(path, text("some\0text"), name="write")
    g.ReadFile(path, name="read")
    session = tfg.Session(g.graph())
    with pytest.raises(TfgError, match="NOT_FOUND"):
        session.run(["read"])
    session.run(targets=["write"])
    assert session.run(["read"])[0] == b"some\0text"


def test_patterns_name_files_in_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c.bin"):
        (tmp_path / name).touch()
    g = tfg.GraphBuilder()
    g.MatchingFiles(
        np.array([f"{tmp_path}/*.txt".encode(), f"{tmp_path}/[c]*".encode()], object), name="several"
    )
    g.MatchingFiles(text(tmp_path / "*.none"), name="none")
    several, none = tfg.Session(g.graph()).run(["several", "none"])
    assert [Path(name.decode()).name for name in several] == ["a.txt", "b.txt", "c.bin"]
    assert none.shape == (0,)
