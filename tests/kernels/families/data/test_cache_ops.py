"""Caches in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.checkpoints.bundle.reader import BundleReader
from tfg.graphfmt.errors import Status, TfgError

_ONE: dict[str, Any] = {"output_types": ["int64"], "output_shapes": [[]]}


def _graph(prefix: Path, stop: int) -> tfg.Graph:
    """Returns the graph of an iterator over a range that is cached in a file."""
    g = tfg.GraphBuilder()
    limits = [g.constant(value, "int64") for value in (0, stop, 1)]
    cached = g.CacheDataset(g.RangeDataset(*limits, **_ONE), g.constant(str(prefix).encode()), **_ONE)
    iterator = g.IteratorV2(shared_name="", container="", name="iterator", **_ONE)
    g.MakeIterator(cached, iterator, name="init")
    g.IteratorGetNext(iterator, name="next", **_ONE)
    return g.graph()


def _all(session: tfg.Session) -> list[int]:
    elements: list[int] = []
    while True:
        try:
            elements.append(int(session.run(["next"])[0]))
        except TfgError as error:
            assert error.status is Status.OUT_OF_RANGE
            return elements


def test_a_whole_pass_writes_the_file_that_later_ones_read(tmp_path: Path) -> None:
    for stop in (12, 5):
        with tfg.Session(_graph(tmp_path / "cache", stop)) as session:
            for _ in range(2):
                session.run([], targets=["init"])
                assert _all(session) == list(range(12))
    with BundleReader(str(tmp_path / "cache")) as reader:
        assert list(reader.entries)[:2] == ["      0_0", "      1_0"]


def test_a_part_of_a_pass_writes_nothing(tmp_path: Path) -> None:
    with tfg.Session(_graph(tmp_path / "cache", 12)) as session:
        session.run([], targets=["init"])
        session.run(["next"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("steps", [3, 8])
def test_a_restart_goes_on_writing_and_reading(steps: int, tmp_path: Path) -> None:
    graph = _graph(tmp_path / "cache", 5)
    with tfg.Session(graph) as session:
        session.run([], targets=["init"])
        for step in range(steps):
            if step == 5:
                assert _all(session) == []
                session.run([], targets=["init"])
            assert session.run(["next"])[0] == step % 5
        session.save(tmp_path / "state.h5")
    with tfg.Session(graph) as session:
        session.restore(tmp_path / "state.h5")
        session.run([], targets=["init"])
        assert _all(session) == list(range(steps % 5, 5))


def test_a_lockfile_stops_a_second_writer(tmp_path: Path) -> None:
    (tmp_path / "cache_0.lockfile").touch()
    with tfg.Session(_graph(tmp_path / "cache", 3)) as session:
        session.run([], targets=["init"])
        with pytest.raises(TfgError, match="lockfile") as caught:
            session.run(["next"])
    assert caught.value.status is Status.ALREADY_EXISTS


def test_a_cache_of_other_elements_is_refused(tmp_path: Path) -> None:
    from tfg.graphfmt.checkpoints.bundle.writer import write_bundle
    from tfg.graphfmt.checkpoints.entries import StoredTensor

    write_bundle(str(tmp_path / "cache"), [StoredTensor("      0_0", np.float32(1).reshape(()))])
    with tfg.Session(_graph(tmp_path / "cache", 3)) as session:
        session.run([], targets=["init"])
        with pytest.raises(TfgError, match="is of float32"):
            session.run(["next"])
