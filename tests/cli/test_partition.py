"""``tfg partition``: parts in a folder, and the proof that they compute what the graph does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tfg
from tfg.runtime.passes.partitioning.folder import read_parts

from .command import is_diagnostic, run_tfg


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that trains a little, on two devices, as ``placed.pbtxt``; without devices as ``plain.pbtxt``."""
    monkeypatch.chdir(tmp_path)
    g = tfg.GraphBuilder()
    here, there = (f"/job:localhost/replica:0/task:0/device:CPU:{n}" for n in (0, 1))
    with g.device(here):
        x = g.placeholder("float", [None, 3], name="x")
        w = g.VariableV2(shape=[3, 2], dtype="float", name="w")
        g.group(g.Assign(w, np.linspace(0, 1, 6, dtype=np.float32).reshape(3, 2)), name="init")
        read = g.Identity(w, name="read")
    with g.device(there):
        y = g.MatMul(x, read, name="y")
        step = g.Mul(g.MatMul(x, y, transpose_a=True), g.constant(0.1), name="step")
    with g.device(here):
        g.group(g.AssignSub(w, step), name="train")
    tfg.save(g.graph(), "placed.pbtxt")
    text = Path("placed.pbtxt").read_text()
    Path("plain.pbtxt").write_text(re.sub(r"\n\s*device: .*", "", text))


def test_a_placed_graph_is_cut_and_proved() -> None:
    outcome = run_tfg("partition", "placed.pbtxt", "-o", "parts", "--prove")
    assert (outcome.status, outcome.out) == (0, "")
    assert outcome.err == "parts: 2 parts, 3 transfers\ncompared: 1 value; different: 0\n"
    assert len(read_parts("parts").graphs) == 2


def test_what_is_proved_is_what_is_asked_for() -> None:
    proved = ("--prove", "--init", "init", "--target", "train", "--fetch", "y", "--feed", "x=[[1,2,3]]")
    outcome = run_tfg("partition", "placed.pbtxt", "-o", "parts", *proved, "--json")
    assert outcome.status == 0
    assert outcome.json["proof"] == {"compared": 2, "differences": []}
    assert outcome.json["transfers"] == 3
    assert [part["file"] for part in outcome.json["parts"]] == ["parts/CPU_0.pbtxt", "parts/CPU_1.pbtxt"]


def test_a_graph_without_devices_is_placed_first() -> None:
    outcome = run_tfg("partition", "plain.pbtxt", "--devices", "cpu:2", "-o", "parts", "--prove")
    assert outcome.status == 0, outcome.err
    assert outcome.err.endswith("; different: 0\n")


def test_through_a_pipe() -> None:
    text = Path("placed.pbtxt").read_bytes()
    outcome = run_tfg("partition", "-", "-o", "parts/", stdin=text)
    assert (outcome.status, outcome.err) == (0, "parts/: 2 parts, 3 transfers\n")


def test_a_wire_that_loses_something_is_told_by_the_proof() -> None:
    feed = ("--init", "init", "--feed", "x=[[0.1,0.2,0.3]]", "--fetch", "y")
    outcome = run_tfg("partition", "placed.pbtxt", "-o", "parts", "--wire", "bf16", "--prove", *feed)
    assert outcome.status == 1
    assert outcome.out.startswith("differs: value 'y': 2 of 2 elements differ, first at [0, 0]: ")
    assert outcome.err.endswith("compared: 2 values; different: 1\n")
    assert json.loads(Path("parts/manifest.json").read_text())["wire"] == "bf16"


def test_bad_input_is_one_diagnostic() -> None:
    outcome = run_tfg("partition", "plain.pbtxt", "-o", "parts")
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "has no device", "plain.pbtxt:", "tfg place")
    Path("parts").mkdir()
    Path("parts/notes.txt").write_text("mine")
    outcome = run_tfg("partition", "placed.pbtxt", "-o", "parts")
    assert is_diagnostic(outcome, "FAILED_PRECONDITION", "'notes.txt'") and outcome.status == 1
    assert run_tfg("partition", "placed.pbtxt", "-o", "-").status == 2
    assert run_tfg("partition", "placed.pbtxt", "-o", "new", "--fetch", "y").status == 2
    assert run_tfg("partition", "placed.pbtxt", "-o", "new", "--wire", "fp8").status == 2
    assert not Path("new").exists()


@pytest.mark.parametrize("devices", ["cpu:1", "cpu:2"])
def test_the_proof_seeds_random_operations_alike(tmp_path: Path, devices: str) -> None:
    graph = Path(__file__).parents[1] / "cases" / "files" / "prove_unseeded_random.pbtxt"
    outcome = run_tfg("partition", graph, "--devices", devices, "-o", tmp_path / "parts", "--prove")
    assert outcome.status == 0 and "different: 0" in outcome.err
