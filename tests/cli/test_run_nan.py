"""``tfg run`` where a step makes NaN: it stops, and the file keeps the last good state."""

from __future__ import annotations

from pathlib import Path

import pytest
import tfg

from .command import run_tfg


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """w = 3, from which each step takes 1; the loss is log(w)."""
    g = tfg.GraphBuilder()
    w = g.VariableV2(shape=[], dtype="float", name="w")
    g.Assign(w, 3.0, name="init")
    g.Log(g.AssignSub(w, 1.0, name="up"), name="loss")
    tfg.save(g.graph(), tmp_path / "g.pbtxt")
    return tmp_path / "g.pbtxt"


def test_training_stops_at_nan_and_keeps_the_good_state(graph: Path) -> None:
    state, checkpoint = graph.parent / "s.h5", graph.parent / "c.h5"
    line = ["--init", "init", "--fetch", "loss", "--target", "up", "--steps", "9"]
    files = ["--state", state, "--checkpoint", checkpoint, "--every", "1"]
    outcome = run_tfg("run", graph, *line, *files, "--json")
    assert outcome.status == 1
    steps = outcome.json_lines
    assert [step.get("step") for step in steps[:-1]] == [1, 2, 3]
    error = steps[-1]["error"]
    assert error["message"] == "step 4: NaN in loss; the first node that made it is 'loss' (Log)"
    assert error["node"] == "loss"
    assert run_tfg("run", graph, "--state", state, "--fetch", "w").out == "w = 0.0\n"
    assert run_tfg("run", graph, "--restore", checkpoint, "--fetch", "w").out == "w = 0.0\n"
    assert "step 3" in run_tfg("show", state).out


def test_nan_can_be_allowed(graph: Path) -> None:
    state = graph.parent / "s.h5"
    line = ["--init", "init", "--fetch", "loss", "--target", "up", "--steps", "9", "--state", state]
    outcome = run_tfg("run", graph, *line, "--allow-nan")
    assert (outcome.status, outcome.out) == (0, "loss = nan\n")
    assert run_tfg("run", graph, "--state", state, "--fetch", "w").out == "w = -6.0\n"


def test_inference_does_not_stop_at_nan_unless_asked(tmp_path: Path) -> None:
    g = tfg.GraphBuilder()
    g.Log(g.placeholder("float", [], name="x"), name="y")
    tfg.save(g.graph(), tmp_path / "g.pbtxt")
    line = ["run", tmp_path / "g.pbtxt", "--feed", "x=-1", "--fetch", "y"]
    assert run_tfg(*line).out == "y = nan\n"
    outcome = run_tfg(*line, "--stop-on", "nan")
    assert outcome.status == 1
    assert "step 1: NaN in y; the first node that made it is 'y' (Log)" in outcome.err
    assert run_tfg(*line, "--stop-on", "nan", "--allow-nan").status == 2
