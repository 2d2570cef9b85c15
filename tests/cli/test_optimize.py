"""``tfg optimize``: fewer nodes, the same results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tfg

from .command import is_diagnostic, run_tfg

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 2], name="x")
    w = g.constant(np.array([[1, 2], [3, 4]], np.float32))
    g.Relu(g.BiasAdd(g.MatMul(g.Identity(x), w), g.constant(np.array([1, -20], np.float32))), name="y")
    g.Exp(x, name="z")
    tfg.save(g.graph(), tmp_path / "g.pbtxt")


def test_the_report_names_what_each_pass_did() -> None:
    outcome = run_tfg("optimize", "g.pbtxt", "--fetch", "y", "-o", "o.pbtxt")
    assert (outcome.status, outcome.out) == (0, "")
    assert outcome.err.splitlines()[0] == "o.pbtxt: 4 nodes instead of 8, for inference"
    assert "epilogues" in outcome.err
    assert (
        run_tfg("run", "o.pbtxt", "--feed", "x=[[1,2]]", "--fetch", "y").out == "y = float[1,2]\n[[8. 0.]]\n"
    )


def test_without_names_every_end_is_kept() -> None:
    assert run_tfg("optimize", "g.pbtxt", "-o", "o.pb").status == 0
    assert {"x", "y", "z"} <= set(tfg.load("o.pb").index)


def test_passes_are_left_out_by_name() -> None:
    outcome = run_tfg("optimize", "g.pbtxt", "-o", "o.pbtxt", "--without", "epilogues", "--json")
    assert "epilogues" not in {one["name"] for one in outcome.json["passes"]}
    assert "MatMul" in {node.op for node in tfg.load("o.pbtxt").nodes}
    refused = run_tfg("optimize", "g.pbtxt", "-o", "o.pbtxt", "--without", "epilogue")
    assert is_diagnostic(refused, "INVALID_ARGUMENT")
    assert refused.status == 1


def test_a_training_graph_trains_to_the_same_state() -> None:
    grad = ("--loss", "loss", "--optimizer", "adam:learning_rate=1e-3", "-o", "train.pbtxt")
    assert run_tfg("grad", SAMPLES / "digits" / "mlp.pbtxt", *grad).status == 0
    assert run_tfg("optimize", "train.pbtxt", "--for", "training", "-o", "fast.pbtxt").status == 0
    assert len(tfg.load("fast.pbtxt").nodes) < len(tfg.load("train.pbtxt").nodes)
    data = SAMPLES / "digits" / "digits.npz"
    step = ("--init", "init", "--target", "train", "--steps", "3", "--batch", "16", "--fetch", "loss")
    feeds = ("--feed", f"x=@{data}[x_train]", "--feed", f"y=@{data}[y_train]")
    losses = [
        run_tfg("run", graph, *step, *feeds, "--json").json_lines for graph in ("train.pbtxt", "fast.pbtxt")
    ]
    assert losses[0]
    assert losses[0] == losses[1]


def test_bad_requests() -> None:
    assert is_diagnostic(run_tfg("optimize", "g.pbtxt", "--fetch", "nope", "-o", "o.pb"), "NOT_FOUND")
    assert run_tfg("optimize", "g.pbtxt", "-o", "-", "--json").status == 2
    assert run_tfg("optimize", "g.pbtxt", "--signature", "s", "-o", "o.pb").status == 2
    assert not Path("o.pb").exists()
