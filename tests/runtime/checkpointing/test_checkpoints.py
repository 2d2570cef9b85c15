"""Checkpoints of a running session: which there are, which is the newest, and what is in them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tfg.graphfmt.checkpoints.hdf5 import state_file
from tfg.graphfmt.checkpoints.hdf5.chunks import yielding_between_strides
from tfg.graphfmt.checkpoints.hdf5.state_file import SavedState
from tfg.graphfmt.errors import TfgError
from tfg.runtime.checkpointing.checkpoints import (
    JOB,
    Checkpointer,
    CheckpointSeries,
    WriterPace,
    newest_in,
    no_checkpoint,
)
from tfg.runtime.checkpointing.intervals import AUTO, CheckpointInterval, CheckpointSchedule

from ..execution.test_state_lock import twins


def silent(text: str) -> None:
    raise AssertionError(text)


def state(step: int) -> SavedState:
    return SavedState({("", "Variable", "v"): {"value": np.float32([step])}}, {"step": step})


def step_of(path: Path) -> Any:
    return state_file.read(path).notes["step"]


def age(path: Path, seconds: int) -> None:
    os.utime(path, ns=(10**18 - seconds * 10**9,) * 2)


def test_without_keep_there_is_one_file(tmp_path: Path) -> None:
    series = CheckpointSeries(tmp_path / "m.h5")
    for step in (1, 2, 3):
        series.write(state(step), step)
    assert [path.name for path in tmp_path.iterdir()] == ["m.h5"]
    assert step_of(series.path) == 3


def test_keep_leaves_the_newest_under_their_steps(tmp_path: Path) -> None:
    (tmp_path / "m-notes.h5").write_text("somebody else's")
    (tmp_path / "m-7.h5").write_text("somebody else's")
    state_file.write(tmp_path / "m-2024.h5", state(31))
    series = CheckpointSeries(tmp_path / "m.h5", keep=2)
    for step in (100, 200, 300, 1000):
        series.write(state(step), step)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["m-1000.h5", "m-2024.h5", "m-300.h5", "m-7.h5", "m-notes.h5", "m.h5"]
    assert step_of(series.path) == 1000
    assert series.path.samefile(tmp_path / "m-1000.h5")


def test_the_newest_that_verifies_is_found(tmp_path: Path) -> None:
    series = CheckpointSeries(tmp_path / "m.h5", keep=3)
    for seconds, step in ((30, 1), (20, 2), (10, 3)):
        series.write(state(step), step)
        age(series.numbered(step), seconds)
    series.path.unlink()
    os.truncate(series.numbered(3), series.numbered(3).stat().st_size // 2)
    said: list[str] = []
    assert newest_in(tmp_path, said.append) == series.numbered(2)
    assert "m-3.h5" in said[0]


def test_nothing_to_find(tmp_path: Path) -> None:
    assert newest_in(tmp_path, silent) is None
    assert no_checkpoint(tmp_path).hint is None
    (tmp_path / "model.ckpt-7.index").touch()
    assert no_checkpoint(tmp_path).hint == f"--restore {tmp_path} takes TensorFlow's newest"
    assert CheckpointSeries(tmp_path / "m.h5").newest("mine", silent) is None


def test_a_job_goes_on_from_its_own_checkpoints_alone(tmp_path: Path) -> None:
    series = CheckpointSeries(tmp_path / "m.h5", keep=3)
    for seconds, step, job in ((30, 1, "mine"), (20, 2, "mine"), (10, 3, "another")):
        found = state(step)
        series.write(SavedState(found.resources, {**found.notes, JOB: job}), step)
        age(series.numbered(step), seconds)
    assert series.newest("mine", silent) == series.numbered(2)
    assert series.newest("a third", silent) is None


def run(series: CheckpointSeries, every: CheckpointInterval, steps: int) -> None:
    session = twins()
    done = 0

    def notes() -> Mapping[str, Any]:
        return {"step": done}

    checkpointer = Checkpointer(session, series, CheckpointSchedule(every, 3600, lambda: 0.0), 0)
    for _ in range(steps):
        session.run(targets=["both"])
        done += 1
        checkpointer.after_step(done, notes)
    checkpointer.finish(done, notes)


def test_every_so_many_steps_and_at_the_end(tmp_path: Path) -> None:
    run(CheckpointSeries(tmp_path / "m.h5", keep=9), CheckpointInterval(steps=3), 8)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m-3.h5", "m-6.h5", "m-8.h5", "m.h5"]
    for step in (3, 6, 8):
        saved = state_file.read(tmp_path / f"m-{step}.h5")
        assert saved.notes["step"] == step
        assert saved.resources["", "Variable", "a"]["value"][0] == step


def test_a_checkpoint_that_cannot_be_written_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(TfgError):
        run(CheckpointSeries(tmp_path / "no" / "m.h5"), CheckpointInterval(steps=3), 8)


def test_a_run_that_is_too_short_for_an_interval_writes_one_all_the_same(tmp_path: Path) -> None:
    run(CheckpointSeries(tmp_path / "m.h5"), AUTO, 2)
    assert step_of(tmp_path / "m.h5") == 2


def test_a_writer_rests_most_of_the_time_unless_it_is_in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    pace, rests = WriterPace(), list[float]()
    monkeypatch.setattr(pace.hurry, "wait", rests.append)
    pace.begin()
    pace.rest()
    assert 0 < rests[0] < 1
    pace.hurry.set()
    pace.rest()
    assert len(rests) == 1


def test_files_are_the_same_at_any_pace(tmp_path: Path) -> None:
    rests: list[int] = []
    big = SavedState({("", "Variable", "v"): {"value": np.arange(1 << 20, dtype=np.float32)}})
    state_file.write(tmp_path / "a.h5", big)
    with yielding_between_strides(lambda: rests.append(1)):
        state_file.write(tmp_path / "b.h5", big)
    # Four strides are written and as many verified.
    assert len(rests) >= 8
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
