"""``--signature``: SavedModels by the names that they have for their inputs and outputs."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from tfg.graphfmt.proto import meta_graph_pb2

from tests.runtime.models import meta_graph, saved_model

from .command import Outcome, is_diagnostic, run_tfg

CASES = Path(__file__).parents[1] / "cases" / "saved_models"

X = "in=[[1, 10]]"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved_model(Path("model"))


def run(*args: str) -> Outcome:
    return run_tfg("run", "model", "--signature", "scale", *args)


def test_all_outputs_under_their_keys() -> None:
    assert run("--feed", X, "--json").json["values"]["out"]["value"] == [[2, 30]]
    assert run("--feed", X).out.startswith("out = float[1,2]")
    assert run("--feed", X, "-o", "out.npz").status == 0
    assert np.load("out.npz")["out"].tolist() == [[2, 30]]
    assert run("--feed", X, "--fetch", "out", "-o", "out.npy").status == 0
    assert np.load("out.npy").tolist() == [[2, 30]]


def test_names_of_the_graph_too() -> None:
    found = run("--feed", "x=[[1, 10]]", "--fetch", "out", "--fetch", "z", "--json").json["values"]
    assert {name: field["value"] for name, field in found.items()} == {"out": [[2, 30]], "z": [[-1, -10]]}
    assert run_tfg("run", "model", "--feed", "x=[[1, 10]]", "--fetch", "y", "--json").status == 0


def test_batches(tmp_path: Path) -> None:
    np.save("rows.npy", np.ones((4, 2), np.float32))
    outcome = run("--feed", "in=@rows.npy", "--batch", "2", "-o", "out.npz")
    assert outcome.status == 0
    assert np.load("out.npz")["out"].shape == (4, 2)


def test_a_state_goes_before_the_models_variables() -> None:
    assert run("--feed", X, "--state", "s.h5").status == 0
    for file in Path("model/variables").iterdir():
        file.unlink()
    assert run("--feed", X, "--state", "s.h5", "--json").json["values"]["out"]["value"] == [[2, 30]]


@pytest.mark.parametrize(
    ("args", "status", "text"),
    [
        (["--fetch", "outt", "--feed", X], "NOT_FOUND", "did you mean 'out'?"),
        (["--feed", "inn=3"], "NOT_FOUND", "did you mean 'in'?"),
        ([], "INVALID_ARGUMENT", "needs the input 'in' (float[?,2])"),
        (
            ["--feed", X, "--feed", "x=3"],
            "INVALID_ARGUMENT",
            "'in' and 'x' are one tensor, 'x', which is fed twice",
        ),
        (["--feed", X, "--signature", "scales"], "NOT_FOUND", "did you mean 'scale'?"),
    ],
)
def test_what_it_says(args: list[str], status: str, text: str) -> None:
    assert is_diagnostic(run(*args), status, text)


def test_only_a_graph() -> None:
    Path("g.pbtxt").write_text("node { name: 'a' op: 'NoOp' }")
    for command in ("run", "show"):
        assert is_diagnostic(
            run_tfg(command, "g.pbtxt", "--signature", "s"), "INVALID_ARGUMENT", "plain graph"
        )
    assert is_diagnostic(run_tfg("run", "nothing", "--signature", "s"), "NOT_FOUND", "nothing")


def test_show() -> None:
    document = run_tfg("show", "model", "--json").json
    assert list(document["signatures"]) == ["negate", "scale"]
    shown = document["signatures"]["scale"]
    assert shown["inputs"] == {"in": {"tensor": "x:0", "dtype": "float", "shape": [None, 2]}}
    assert shown["outputs"]["out"]["tensor"] == "y:0"
    outcome = run_tfg(*shlex.split(shown["run"])[1:])
    assert (outcome.status, outcome.err) == (0, "")
    text = run_tfg("show", "model", "--signature", "scale").out
    assert "signature scale:\n  in   in   float[?,2]  x:0\n  out  out  float[?,2]  y:0\n  tfg run" in text
    assert "negate" not in text
    Path("g.meta").write_bytes(meta_graph(scale=("x:0", "y:0")).SerializeToString())
    assert "signature scale" in run_tfg("show", "g.meta").out


# Without --signature.


def test_the_only_signature_is_taken_where_nothing_is_fetched() -> None:
    saved_model(Path("single"), meta_graph(scale=("x:0", "y:0")))
    assert run_tfg("run", "single", "--feed", X).out.startswith("out = float[1,2]")
    assert run_tfg("run", "single", "--feed", X, "-o", "out.npz").status == 0
    assert np.load("out.npz")["out"].tolist() == [[2, 30]]
    assert is_diagnostic(run_tfg("run", "single"), "INVALID_ARGUMENT", "needs the input 'in'")


def test_keys_that_are_no_names_of_the_graph_mean_the_signature() -> None:
    saved_model(Path("single"), meta_graph(scale=("x:0", "y:0")))
    for feed, fetch in ((X, "out"), (X, "y"), ("x=[[1, 10]]", "out"), ("x=[[1, 10]]", "y")):
        arguments = ("run", "single", "--feed", feed, "--fetch", fetch, "--json")
        assert run_tfg(*arguments).json["values"][fetch]["value"] == [[2, 30]]


def test_serving_default_is_taken_among_several() -> None:
    saved_model(Path("several"), meta_graph(other=("x:0", "z:0"), serving_default=("x:0", "y:0")))
    assert run_tfg("run", "several", "--feed", X, "--json").json["values"]["out"]["value"] == [[2, 30]]
    outcome = run_tfg("run", "model", "--feed", X)
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "nothing to run", "negate, scale")


def test_tags_select_one_of_several_graphs() -> None:
    train, serve = meta_graph(step=("x:0", "z:0")), meta_graph(scale=("x:0", "y:0"))
    train.meta_info_def.tags[:] = ["train", "gpu"]
    saved_model(Path("tagged"), train)
    data = Path("tagged/saved_model.pb").read_bytes()
    two = meta_graph_pb2.SavedModel.FromString(data)
    two.meta_graphs.append(serve)
    Path("tagged/saved_model.pb").write_bytes(two.SerializeToString())
    assert "graphs, by tags:\n  train,gpu\n  serve\n" in run_tfg("show", "tagged").out
    assert run_tfg("show", "tagged", "--json").json["tags"] == [["train", "gpu"], ["serve"]]
    assert list(run_tfg("show", "tagged", "--tags", "gpu,train", "--json").json["signatures"]) == ["step"]
    assert run_tfg("run", "tagged", "--feed", X, "--json").json["values"]["out"]["value"] == [[2, 30]]
    outcome = run_tfg("run", "tagged", "--tags", "train,gpu", "--feed", X, "--json")
    assert outcome.json["values"]["out"]["value"] == [[-1, -10]]
    outcome = run_tfg("run", "tagged", "--tags", "eval")
    assert is_diagnostic(outcome, "NOT_FOUND", "tags 'eval'", "'train,gpu', 'serve'")


# Models as others write them.


def test_an_output_that_is_an_input_is_what_was_fed() -> None:
    outcome = run_tfg("run", CASES / "sm_pass_through", "--feed", "x=2", "--feed", "key=7")
    assert (outcome.out, outcome.err) == ("key = 7\ny = 4.0\n", "")


def test_two_keys_of_one_tensor_are_named() -> None:
    model = CASES / "sm_two_keys_one_tensor"
    outcome = run_tfg("run", model, "--feed", "a=2", "--feed", "b=2")
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "inputs 'a' and 'b'", "are one tensor, 'x'")
    assert run_tfg("run", model, "--feed", "b=2").out == "y = 4.0\n"


def test_variables_that_are_gone_are_missed() -> None:
    outcome = run_tfg("run", CASES / "sm_variables_folder_gone", "--feed", "x=2")
    assert is_diagnostic(
        outcome, "NOT_FOUND", "variables are missing", "sm_variables_folder_gone/variables/variables"
    )
