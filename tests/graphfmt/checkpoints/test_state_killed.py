"""kill -9 at the system calls of a save: the old state or the new one is there, every time."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tfg.graphfmt.checkpoints import statefile
from tfg.graphfmt.checkpoints.statefile import State

from .killed import kill, spread
from .states import same, variables

# TFG_KILLS=100000 kills at every one, which takes minutes.
KILLS = int(os.environ.get("TFG_KILLS", "50"))


@pytest.mark.parametrize("compress", [False, True])
def test_a_killed_save_leaves_the_old_state_or_the_new_one(tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "s.h5"
    w = np.arange(5000)
    old, new = (
        State(variables(w=w).resources, {"step": 1}),
        State(variables(w=w + 1, v=w).resources, {"step": 2}),
    )
    statefile.write(path, old)
    total = kill(lambda: statefile.write(path, new, compress=compress))
    assert total and statefile.read(path).notes == {"step": 2}
    found: set[int] = set()
    for at in spread(total, KILLS // 2):
        statefile.write(path, old)
        kill(lambda: statefile.write(path, new, compress=compress), at)
        assert statefile.verify(path) == []
        state = statefile.read(path)
        assert same(state, old if state.notes["step"] == 1 else new)
        found.add(state.notes["step"])
    assert found == {1, 2}
    statefile.write(path, old)
    assert [p.name for p in tmp_path.iterdir()] == ["s.h5"]
