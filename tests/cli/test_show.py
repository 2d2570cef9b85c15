"""``tfg show``: what is inside a graph, whatever file it is in."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import tfg
from tfg.graphfmt.proto import graph_pb2, meta_graph_pb2
from tfg.graphfmt.proto.binary import graph_to_bytes

from .command import is_diagnostic, matches_golden, run_tfg, write
from .graphs import FLOAT, node

MLP = Path(__file__).parents[2] / "samples" / "digits" / "mlp.pbtxt"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_graph_for_a_person(training: Path) -> None:
    outcome = run_tfg("show", training.name)
    assert (outcome.status, outcome.err) == (0, "")
    assert matches_golden("show.txt", outcome.out)


def test_a_graph_as_json(training: Path) -> None:
    document = run_tfg("show", training.name, "--json").json
    assert document["nodes"] == len(tfg.load(training).nodes)
    assert document["parameters"] == 3
    assert document["inputs"][0] == {
        "name": "x", "op": "Placeholder", "dtype": "float", "shape": [None, 2], "bytes": None
    }  # fmt: skip
    assert {v["name"]: v["bytes"] for v in document["variables"]} == {"w": 8, "count": 8}


def test_the_line_it_shows_runs(training: Path) -> None:
    line = run_tfg("show", training.name, "--json").json["run"]
    outcome = run_tfg(*shlex.split(line)[1:])
    assert outcome.status == 0, outcome.err


CASES = Path(__file__).parents[1] / "cases"
SAMPLES = Path(__file__).parents[2] / "samples"
FILES = [
    *sorted(SAMPLES.rglob("*.pbtxt")),
    *sorted((CASES / "files").iterdir()),
    *sorted(path for path in (CASES / "saved_models").iterdir()),
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_line_it_prints_runs(path: Path) -> None:
    document = run_tfg("show", path, "--json").json
    lines = [s["run"] for s in document["signatures"].values()] or [document["run"]]
    for line in filter(None, lines):
        assert f"  {line}\n" in run_tfg("show", path).out
        if path.name not in FAIL_AS_WRITTEN:
            outcome = run_tfg(*shlex.split(line)[1:])
            assert outcome.status == 0, f"{line}\n{outcome.err}"


# What these files lack is what they are cases of.
FAIL_AS_WRITTEN = {"sm_variables_folder_gone"}


def test_outputs_are_what_a_person_would_fetch() -> None:
    document = run_tfg("show", CASES / "files" / "show_run_line.pbtxt", "--json").json
    assert [entry["name"] for entry in document["outputs"]] == ["y"]
    assert document["run"].endswith("--feed x=random --fetch y")


def test_updates_are_targets_and_initial_values_are_not(tmp_path: Path) -> None:
    g = tfg.GraphBuilder()
    w = g.VarHandleOp(dtype="float", shape=[2], shared_name="w", name="w")
    g.AssignVariableOp(w, g.constant([1.0, 2.0]), name="w/assign")
    g.AssignAddVariableOp(w, g.placeholder("float", [2], name="x"), name="step")
    g.ReadVariableOp(w, dtype="float", name="w/read")
    g.VarIsInitializedOp(w, name="w/is_initialized")
    tfg.save(g.graph(), "g.pbtxt")
    document = run_tfg("show", "g.pbtxt", "--json").json
    assert (document["targets"], [e["name"] for e in document["outputs"]]) == (["step"], ["w/read"])
    assert document["run"] == "tfg run g.pbtxt --init w/assign --fetch w/read"
    assert run_tfg(*shlex.split(document["run"])[1:]).out == "w/read = float[2]\n[1. 2.]\n"


def test_a_graph_whose_variables_have_no_value_needs_a_checkpoint(tmp_path: Path) -> None:
    g = tfg.GraphBuilder()
    w = g.VarHandleOp(dtype="float", shape=[], shared_name="w", name="w")
    g.Neg(g.ReadVariableOp(w, dtype="float"), name="y")
    tfg.save(g.graph(), "g.pbtxt")
    out = run_tfg("show", "g.pbtxt").out
    assert (
        "to run it, with a checkpoint CKPT of its variables:\n  tfg run g.pbtxt --restore CKPT --fetch y\n"
        in out
    )
    assert run_tfg("show", "g.pbtxt", "--json").json["run"] is None


def test_a_graph_with_nothing_to_run_shows_no_line(tmp_path: Path) -> None:
    graph = write(tmp_path, "g.pbtxt", node("v", "VariableV2", dtype=FLOAT, shape="shape { }"))
    assert "to run it" not in run_tfg("show", graph).out
    assert run_tfg("show", graph, "--json").json["run"] is None
    empty = write(tmp_path, "e.pbtxt", "")
    assert is_diagnostic(run_tfg("show", empty), "INVALID_ARGUMENT", "e.pbtxt is an empty file")


def test_a_graph_with_a_structural_fault_is_refused(tmp_path: Path) -> None:
    graph = write(tmp_path, "g.pbtxt", node("a", "Neg", "a", T=FLOAT))
    assert is_diagnostic(run_tfg("show", graph), "INVALID_ARGUMENT", "cycle", ":1:1", '"a"')


def test_every_kind_of_file_shows_the_same(training: Path, tmp_path: Path) -> None:
    graph = tfg.load(training)
    meta = meta_graph_pb2.MetaGraphDef()
    meta.meta_info_def.tags.append("serve")
    meta.graph_def.CopyFrom(graph_pb2.GraphDef.FromString(graph_to_bytes(graph)))
    model = meta_graph_pb2.SavedModel(saved_model_schema_version=1, meta_graphs=[meta])
    (tmp_path / "g.pb").write_bytes(graph_to_bytes(graph))
    (tmp_path / "g.meta").write_bytes(meta.SerializeToString())
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").write_bytes(model.SerializeToString())
    expected = run_tfg("show", "train.pbtxt").out
    for name in ("g.pb", "g.meta", "model"):
        assert run_tfg("show", name).out == expected.replace("train.pbtxt", name)
    for data in ((tmp_path / "g.pb").read_bytes(), training.read_bytes()):
        assert run_tfg("show", "-", stdin=data).out == expected.replace("train.pbtxt", "-")


def test_layers_of_a_sample() -> None:
    outcome = run_tfg("show", MLP, "--layers", "--batch", "64")
    assert outcome.status == 0, outcome.err
    (hidden,) = (line.split() for line in outcome.out.splitlines() if line.startswith("hidden "))
    assert hidden[3] == "1,064,960"
    document = run_tfg("show", MLP, "--layers", "--json").json
    assert document["layers"][-1]["name"] == "total"
    assert document["layers"][-1]["parameters"] == 64 * 128 + 128 + 128 * 10 + 10


def test_a_batch_is_for_layers() -> None:
    outcome = run_tfg("show", MLP, "--batch", "64")
    assert outcome.status == 2
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "--batch needs --layers")
