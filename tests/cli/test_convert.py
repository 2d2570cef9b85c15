"""``tfg convert``: formats, extents, names, and SavedModels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tfg
from tfg.graphfmt.load import read_graph_file

from .command import is_diagnostic, run_tfg

X = "[[1, 2]]"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 2], name="x")
    w = g.VariableV2(shape=[2, 2], dtype="float", name="w")
    h = g.VarHandleOp(shape=[2], dtype="float", shared_name="h", name="h")
    g.group(
        g.Assign(w, np.array([[1, 2], [3, 4]], np.float32)),
        g.AssignVariableOp(h, np.array([10, 20], np.float32)),
        name="init",
    )
    hidden = g.MatMul(x, g.Identity(w), name="hidden")
    g.AddV2(hidden, g.ReadVariableOp(h, dtype="float"), name="y")
    tfg.save(g.graph(), tmp_path / "g.pbtxt")
    run_tfg("run", "g.pbtxt", "--init", "init", "--target", "init", "--state", "s.h5")


def y_of(graph: str, *options: str) -> str:
    outcome = run_tfg("run", graph, *options)
    assert outcome.status == 0, outcome.err
    return outcome.out


@pytest.mark.parametrize("name", ["o.pbtxt", "o.pb", "o.meta", "o.txt", "model"])
def test_a_graph_survives_every_format(name: str) -> None:
    values = ("--state", "s.h5") if name == "model" else ()
    assert run_tfg("convert", "g.pbtxt", "-o", name, *values).status == 0
    back = run_tfg("convert", name, "--outputs", "y", "-o", "back.pbtxt")
    assert back.status == 0, back.err
    assert (
        y_of("back.pbtxt", "--state", "s.h5", "--feed", f"x={X}", "--fetch", "y")
        == "y = float[1,2]\n[[17. 30.]]\n"
    )


def test_text_and_binary_on_standard_output() -> None:
    assert run_tfg("convert", "g.pbtxt", "-o", "-").out.startswith("node {")
    binary = run_tfg("convert", "g.pbtxt", "-o", "-", "--to", "binary").raw
    Path("b.pb").write_bytes(binary)
    assert tfg.load("b.pb").nodes == tfg.load("g.pbtxt").nodes


def test_a_saved_model_has_values_and_a_signature() -> None:
    outcome = run_tfg("convert", "g.pbtxt", "--state", "s.h5", "--outputs", "y", "-o", "model")
    assert outcome.status == 0, outcome.err
    assert (
        y_of("model", "--signature", "serving_default", "--feed", f"x={X}") == "y = float[1,2]\n[[17. 30.]]\n"
    )
    meta = read_graph_file("model").meta
    assert meta is not None
    assert (meta.tags, set(meta.signatures["serving_default"].inputs)) == (("serve",), {"x"})


def test_a_saved_model_is_renamed_as_a_whole() -> None:
    run_tfg("convert", "g.pbtxt", "--state", "s.h5", "--outputs", "y", "-o", "model")
    outcome = run_tfg("convert", "model", "--prefix", "net", "--rename", "y=result", "-o", "other")
    assert outcome.status == 0, outcome.err
    assert (
        y_of("other", "--signature", "serving_default", "--feed", f"x={X}") == "y = float[1,2]\n[[17. 30.]]\n"
    )
    assert {"net/result", "net/x"} <= set(tfg.load("other").index)


def test_what_is_dropped_is_said() -> None:
    run_tfg("convert", "g.pbtxt", "--state", "s.h5", "--outputs", "y", "-o", "model")
    outcome = run_tfg("convert", "model", "-o", "plain.pbtxt")
    assert "dropped signature 'serving_default', the saver, the values of variables" in outcome.err
    assert run_tfg("convert", "model", "-o", "plain.pbtxt", "--json").json["dropped"]


def test_a_part_with_a_fixed_batch() -> None:
    options = ("--inputs", "hidden", "--outputs", "y", "--batch-size", "1", "-o", "part.pbtxt")
    assert run_tfg("convert", "g.pbtxt", *options).status == 0
    shown = run_tfg("show", "part.pbtxt").out
    assert "hidden  float[1,2]" in shown
    assert y_of("part.pbtxt", "--state", "s.h5", "--feed", f"hidden={X}", "--fetch", "y").endswith(
        "[[11. 22.]]\n"
    )


def test_bad_requests_leave_nothing_behind() -> None:
    assert run_tfg("convert", "g.pbtxt", "-o", "model").status == 1  # no values for the variables
    assert not Path("model").exists()
    assert run_tfg("convert", "g.pbtxt", "-o", "-", "--to", "savedmodel").status == 2
    assert run_tfg("convert", "g.pbtxt", "-o", "o.pb", "--state", "s.h5").status == 2
    assert run_tfg("convert", "g.pbtxt", "-o", "o.pb", "--rename", "y").status == 2
    assert is_diagnostic(run_tfg("convert", "g.pbtxt", "-o", "o.pb", "--outputs", "nope"), "NOT_FOUND")
    assert not Path("o.pb").exists()
    Path("full").mkdir()
    Path("full", "file").touch()
    refused = run_tfg("convert", "g.pbtxt", "-o", "full", "--state", "s.h5")
    assert is_diagnostic(refused, "FAILED_PRECONDITION", "exists already")
