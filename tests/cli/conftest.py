"""Files that several tests read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tfg

from .command import write
from .graphs import FEEDS


@pytest.fixture
def feeds_graph(tmp_path: Path) -> Path:
    return write(tmp_path, "feeds.pbtxt", FEEDS)


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """A graph that updates a variable with what is fed and what is random: ``train``, ``init``, ``w``."""
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 2], name="x")
    w = g.VariableV2(shape=[2], dtype="float", name="w")
    count = g.VariableV2(shape=[], dtype="int64", name="count")
    start = g.Assign(w, g.RandomUniform([2], dtype="float", seed=1, seed2=2))
    g.group(start, g.Assign(count, np.int64(0)), name="init")
    mean = g.Mean(x, np.int32(0), name="mean")
    noise = g.RandomUniform([2], dtype="float", seed=3, seed2=4, name="noise")
    changes = [g.AssignAdd(w, mean * noise), g.AssignAdd(count, np.int64(1))]
    g.group(*changes, name="train")
    with g.control_dependencies(changes):
        g.Identity(w, name="after")
    g.FloorDiv(g.constant([7, 9]), g.placeholder("int32", [None], name="by"), name="quotient")
    tfg.save(g.graph(), tmp_path / "train.pbtxt")
    rows = np.random.default_rng(0).random((10, 2), np.float32)
    np.savez(tmp_path / "data.npz", x=rows, by=np.ones(7, np.int32))
    return tmp_path / "train.pbtxt"
