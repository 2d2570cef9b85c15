"""kill -9 at the system calls of a save: the old state or the new one is there, every time."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tfg.graphfmt.checkpoints.hdf5 import state_file
from tfg.graphfmt.checkpoints.hdf5.state_file import SavedState

from ..graphfmt.checkpoints.killed import kill, spread
from ..graphfmt.checkpoints.states import same, variables

# TFG_KILLS=100000 kills at every one, which takes minutes.
KILLS = int(os.environ.get("TFG_KILLS", "50"))


@pytest.mark.parametrize("compress", [False, True])
def test_a_killed_save_leaves_the_old_state_or_the_new_one(tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "s.h5"
    w = np.arange(5000)
    old, new = (
        SavedState(variables(w=w).resources, {"step": 1}),
        SavedState(variables(w=w + 1, v=w).resources, {"step": 2}),
    )
    state_file.write(path, old)
    total = kill(lambda: state_file.write(path, new, compress=compress))
    assert total and state_file.read(path).notes == {"step": 2}
    found: set[int] = set()
    # The last one ends by itself: how often a save stops differs a little from run to run.
    for at in (*spread(total, KILLS // 2), 2 * total):
        state_file.write(path, old)
        kill(lambda: state_file.write(path, new, compress=compress), at)
        assert state_file.verify(path) == []
        state = state_file.read(path)
        assert same(state, old if state.notes["step"] == 1 else new)
        found.add(state.notes["step"])
    assert found == {1, 2}
    state_file.write(path, old)
    assert [p.name for p in tmp_path.iterdir()] == ["s.h5"]
