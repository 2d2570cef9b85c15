"""kill -9 at the system calls of a bundle and of a merge: the old files or the new ones are there, every time."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from tfg.graphfmt.checkpoints.bundle.merge import merge_bundles
from tfg.graphfmt.checkpoints.bundle.reader import BundleReader
from tfg.graphfmt.checkpoints.bundle.writer import write_bundle
from tfg.graphfmt.checkpoints.entries import StoredTensor

from ..graphfmt.checkpoints.killed import kill, spread
from . import SCALE

KILLS = 20 * SCALE


def contents(prefix: Path) -> dict[str, float]:
    with BundleReader(str(prefix)) as reader:
        return {name: float(reader.read(name)[0]) for name in reader.entries}


def write(prefix: Path, **values: float) -> None:
    write_bundle(str(prefix), [StoredTensor(name, np.full(500, value)) for name, value in values.items()])


def test_a_killed_bundle_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    prefix = tmp_path / "c"
    write(prefix, x=1)
    total = kill(lambda: write(prefix, x=2, y=2))
    assert total
    found: set[int] = set()
    for at in spread(total, KILLS):
        write(prefix, x=1)
        kill(lambda: write(prefix, x=2, y=2), at)
        now = contents(prefix)
        assert now in ({"x": 1}, {"x": 2, "y": 2}), at
        found.add(len(now))
    assert found == {1, 2}
    write(prefix, x=1)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_killed_merge_leaves_the_parts_or_the_whole(tmp_path: Path) -> None:
    parts = [tmp_path / "parts" / name for name in "ab"]

    def prepare() -> None:
        shutil.rmtree(tmp_path, ignore_errors=True)
        tmp_path.mkdir()
        for value, part in enumerate(parts):
            write(part, **{part.name: value})

    def merge() -> None:
        merge_bundles(list(map(str, parts)), str(tmp_path / "c"), delete_old_dirs=True)

    prepare()
    total = kill(merge)
    assert total and contents(tmp_path / "c") == {"a": 0, "b": 1}
    found: set[bool] = set()
    for at in spread(total, KILLS):
        prepare()
        kill(merge, at)
        is_merged = (tmp_path / "c.index").exists()
        found.add(is_merged)
        if is_merged:
            assert contents(tmp_path / "c") == {"a": 0, "b": 1}, at
        else:
            assert [contents(part) for part in parts] == [{"a": 0}, {"b": 1}], at
    assert found == {False, True}
