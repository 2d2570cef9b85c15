"""``tfg restore``: checkpoints back into states, and into graphs as constants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tfg
from tfg.graphfmt.checkpoints.entries import StoredTensor
from tfg.graphfmt.checkpoints.hdf5 import state_file
from tfg.graphfmt.checkpoints.open import write_checkpoint
from tfg.graphfmt.proto import graph_pb2, meta_graph_pb2
from tfg.graphfmt.proto.binary import graph_to_bytes

from .command import Outcome, is_diagnostic, run_tfg

FEED = ("--feed", "x=@data.npz[x]", "--batch", "2")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def steps(state: str, count: int) -> None:
    outcome = run_tfg(
        "run",
        "train.pbtxt",
        "--state",
        state,
        "--init",
        "init",
        "--target",
        "train",
        "--steps",
        str(count),
        *FEED,
    )
    assert outcome.status == 0, outcome.err


@pytest.fixture
def ckpt(training: Path) -> str:
    """A checkpoint of ``train.pbtxt`` after three steps."""
    steps("run.h5", 3)
    assert run_tfg("checkpoint", "train.pbtxt", "--state", "run.h5", "-o", "ck.h5").status == 0
    return "ck.h5"


def restore(*args: str) -> Outcome:
    return run_tfg("restore", *args)


def restored(*args: str) -> Outcome:
    outcome = restore(*args)
    assert outcome.status == 0, outcome.err
    return outcome


def variable(state: str, name: str) -> object:
    return state_file.read(Path(state)).resources["", "Variable", name]["value"].tolist()


# Into a state.


def test_a_job_goes_on_as_if_nothing_had_been(ckpt: str) -> None:
    outcome = restored("train.pbtxt", ckpt, "--state", "again.h5")
    assert (outcome.out, outcome.err) == ("", "again.h5: 2 tensors, 16 B, step 3\n")
    for state in ("run.h5", "again.h5"):
        steps(state, 4)
    assert Path("run.h5").read_bytes() == Path("again.h5").read_bytes()
    assert state_file.read(Path("again.h5")).notes["step"] == 7


def test_a_state_is_replaced(ckpt: str) -> None:
    steps("run.h5", 2)
    restored("train.pbtxt", ckpt, "--state", "run.h5")
    assert (variable("run.h5", "count"), state_file.read(Path("run.h5")).notes["step"]) == (3, 3)


def test_a_part_goes_into_what_is_there(ckpt: str) -> None:
    steps("run.h5", 2)
    w = variable("run.h5", "w")
    outcome = restored("train.pbtxt", ckpt, "--state", "run.h5", "--only", "count")
    assert outcome.err.startswith("run.h5: 1 tensor, 8 B\n")
    assert (variable("run.h5", "count"), variable("run.h5", "w")) == (3, w)
    assert state_file.read(Path("run.h5")).notes["step"] == 5
    assert ("", "Philox", "noise") in state_file.read(Path("run.h5")).resources


def test_what_is_missing_is_left_to_the_initialiser(training: Path) -> None:
    write_checkpoint("w", [StoredTensor("w", np.array([8, 9], np.float32))])
    outcome = restore("train.pbtxt", "w", "--state", "s.h5")
    assert is_diagnostic(outcome, "NOT_FOUND", "'w' has no tensor for count (train.pbtxt:")
    outcome = restored("train.pbtxt", "w", "--state", "s.h5", "--allow-missing", "--init", "init")
    assert "variables without a value: count" in outcome.err
    assert (variable("s.h5", "w"), variable("s.h5", "count")) == ([8, 9], 0)


def test_a_state_keeps_what_is_missing(ckpt: str) -> None:
    write_checkpoint("w", [StoredTensor("w", np.array([8, 9], np.float32))])
    restored("train.pbtxt", "w", "--state", "run.h5", "--allow-missing")
    assert (variable("run.h5", "w"), variable("run.h5", "count")) == ([8, 9], 3)


def test_other_names(training: Path) -> None:
    tensors = [
        StoredTensor("net/w", np.ones(2, np.float32)),
        StoredTensor("n", np.int64(4)),
        StoredTensor("net/more", np.ones(1)),
    ]
    write_checkpoint("foreign", tensors)
    outcome = restore("train.pbtxt", "foreign", "--state", "s.h5")
    assert is_diagnostic(outcome, "NOT_FOUND", "--rename 'net/*=*'")
    outcome = restored(
        "train.pbtxt", "foreign", "--state", "s.h5", "--rename", "net/*=*", "--rename", "n=count"
    )
    assert outcome.err.splitlines()[1:] == ["tensors of foreign that the graph does not use: net/more"]
    assert (variable("s.h5", "w"), variable("s.h5", "count")) == ([1, 1], 4)


def test_the_step_of_a_tensorflow_checkpoint(training: Path) -> None:
    tensors = [
        StoredTensor("w", np.ones(2, np.float32)),
        StoredTensor("count", np.int64(4)),
        StoredTensor("global_step", np.int64(70)),
    ]
    write_checkpoint("ck-70", tensors)
    assert "step 70" in restored("train.pbtxt", "ck-70", "--state", "s.h5").err
    assert state_file.read(Path("s.h5")).notes["step"] == 70


def test_as_json(ckpt: str) -> None:
    assert restored("train.pbtxt", ckpt, "--state", "s.h5", "--only", "w", "--json").json == {
        "version": 1, "file": "s.h5", "count": 1, "bytes": 8, "step": None, "missing": [], "unused": []
    }  # fmt: skip


# Into a graph.


def test_a_frozen_graph_needs_no_state(ckpt: str) -> None:
    restored("train.pbtxt", ckpt, "-o", "frozen.pbtxt", "--fetch", "w")
    outcome = run_tfg("run", "frozen.pbtxt", "--fetch", "w", "--json")
    assert outcome.json["values"]["w"]["value"] == pytest.approx(variable(ckpt, "w"))
    assert not any(node.op == "VariableV2" for node in tfg.load("frozen.pbtxt").nodes)


def test_a_frozen_graph_can_be_piped(ckpt: str) -> None:
    outcome = restored("train.pbtxt", ckpt, "-o", "-", "--fetch", "w", "--json")
    assert run_tfg("run", "-", "--fetch", "w", stdin=outcome.out).status == 0


def model(folder: Path) -> Path:
    """A SavedModel: ``y = x * w``, with its variable in its own folder."""
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 2], name="x")
    w = g.VarHandleOp(dtype="float", shape=[2], shared_name="w", name="w")
    g.Mul(x, g.ReadVariableOp(w, dtype="float"), name="y")
    g.Neg(x, name="other")
    meta = meta_graph_pb2.MetaGraphDef()
    meta.meta_info_def.tags.append("serve")
    meta.graph_def.CopyFrom(graph_pb2.GraphDef.FromString(graph_to_bytes(g.graph())))
    meta.signature_def["serve"].inputs["in"].name = "x:0"
    meta.signature_def["serve"].outputs["out"].name = "y:0"
    (folder / "variables").mkdir(parents=True)
    made = meta_graph_pb2.SavedModel(saved_model_schema_version=1, meta_graphs=[meta])
    (folder / "saved_model.pb").write_bytes(made.SerializeToString())
    write_checkpoint(folder / "variables" / "variables", [StoredTensor("w", np.array([2, 3], np.float32))])
    return folder


def test_a_saved_model_has_its_own_variables() -> None:
    model(Path("model"))
    restored("model", "-o", "frozen.pb", "--signature", "serve")
    frozen = tfg.load("frozen.pb")
    assert "y" in frozen and "other" not in frozen
    with tfg.Session(frozen) as session:
        assert session.run(["y"], {"x": np.ones((1, 2), np.float32)})[0].tolist() == [[2, 3]]
    restored("model/saved_model.pb", "--state", "s.h5")
    assert variable("s.h5", "w") == [2, 3]
    outcome = restore("model", "-o", "f.pb", "--signature", "server")
    assert is_diagnostic(outcome, "NOT_FOUND", "did you mean 'serve'?")


def test_a_model_without_variables_is_frozen_already() -> None:
    model = Path(__file__).parents[1] / "cases" / "saved_models" / "sm_no_variables"
    restored(str(model), "-o", "frozen.pb", "--signature", "serving_default")
    assert run_tfg("run", "frozen.pb", "--feed", "x=2", "--fetch", "y").out == "y = 4.0\n"


def test_only_the_variables_of_the_fetches_are_needed(training: Path) -> None:
    write_checkpoint("w", [StoredTensor("w", np.array([8, 9], np.float32))])
    restored("train.pbtxt", "w", "-o", "frozen.pbtxt", "--fetch", "w")
    outcome = restore("train.pbtxt", "w", "-o", "frozen.pbtxt", "--fetch", "w", "--fetch", "count")
    assert is_diagnostic(outcome, "NOT_FOUND", "no tensor for count")


# What cannot be.


def test_another_graphs_checkpoint(ckpt: str) -> None:
    g = tfg.GraphBuilder()
    g.VariableV2(shape=[3], dtype="float", name="w")
    g.VariableV2(shape=[], dtype="float", name="count")
    g.VarHandleOp(shape=[2], dtype="float", name="alpha")
    tfg.save(g.graph(), "other.pbtxt")
    for to in (["--state", "s.h5"], ["-o", "f.pbtxt"]):
        outcome = restore("other.pbtxt", ckpt, *to)
        assert is_diagnostic(
            outcome, "INVALID_ARGUMENT", "no tensor for alpha (other.pbtxt:", "float[2] for w (other.pbtxt:",
            "which is float[3]", "int64[] for count (", "which is float[]",
        )  # fmt: skip
    assert not Path("s.h5").exists() and not Path("f.pbtxt").exists()


def test_a_later_format(ckpt: str) -> None:
    data = Path(ckpt).read_bytes()
    assert data.count(b"tfg checkpoint, format ") == 1
    Path("later.h5").write_bytes(data.replace(b"checkpoint, format 2", b"checkpoint, format 9"))
    outcome = restore("train.pbtxt", "later.h5", "--state", "s.h5")
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "later.h5", "format 9")


@pytest.mark.parametrize(
    ("args", "status", "parts"),
    [
        (["ck.h5"], 2, ["give either --state or -o"]),
        (["ck.h5", "--state", "s.h5", "-o", "f.pb"], 2, ["give either --state or -o"]),
        (["ck.h5", "--state", "s.h5", "--state", "t.h5"], 2, ["--state is given twice: 's.h5' and 't.h5'"]),
        (["ck.h5", "-o", "a.pb", "-o", "b.pb"], 2, ["-o is given twice"]),
        (["--state", "s.h5"], 2, ["CKPT is missing"]),
        (["ck.h5", "-o", "f.pb", "--init", "init"], 2, ["--init needs --state"]),
        (["ck.h5", "--state", "s.h5", "--fetch", "w"], 2, ["--fetch and --signature need -o"]),
        (["ck.h5", "--state", "ck.h5"], 2, ["'ck.h5' is both an input and the output"]),
        (["ck.h5", "-o", "train.pbtxt"], 2, ["'train.pbtxt' is both an input and the output"]),
        (["ck.h5", "--state", "no/s.h5"], 1, ["NOT_FOUND", "no folder 'no'"]),
        (["ck.h5", "-o", "no/f.pb"], 1, ["NOT_FOUND", "no folder 'no'"]),
        (["none.h5", "--state", "s.h5"], 1, ["NOT_FOUND", "none.h5"]),
        (
            ["train.pbtxt", "--state", "s.h5"],
            1,
            ["INVALID_ARGUMENT", "train.pbtxt is a GraphDef, not a checkpoint"],
        ),
        (["data.npz", "--state", "s.h5"], 1, ["INVALID_ARGUMENT", "data.npz is a NumPy archive"]),
        (["ck.h5", "--state", "s.h5", "--only", "v"], 1, ["NOT_FOUND", "no variable called 'v'"]),
        (["ck.h5", "--state", "s.h5", "--rename", "w"], 1, ["INVALID_ARGUMENT", "OLD=NEW"]),
        (["ck.h5", "--state", "s.h5", "--rename", "v=w"], 1, ["NOT_FOUND", "no tensor 'v' to rename"]),
        (["ck.h5", "--state", "s.h5", "--rename", "w=count"], 1, ["INVALID_ARGUMENT", "float[2] for count"]),
        (["ck.h5", "--state", "s.h5", "--init", "inti"], 1, ["NOT_FOUND", "did you mean 'init'?"]),
        (["ck.h5", "-o", "f.pb", "--signature", "s"], 2, ["'train.pbtxt' is a plain graph"]),
        (["ck.h5", "-o", "f.pb", "--fetch", "v"], 1, ["NOT_FOUND", "'v'"]),
    ],
)
def test_wrong_command_lines(ckpt: str, args: list[str], status: int, parts: list[str]) -> None:
    before = {path: path.read_bytes() for path in Path().iterdir()}
    outcome = restore("train.pbtxt", *args)
    assert outcome.status == status, outcome.err
    assert outcome.err.count("error[") == 1
    for part in parts:
        assert part in outcome.err
    assert {path: path.read_bytes() for path in Path().iterdir()} == before
