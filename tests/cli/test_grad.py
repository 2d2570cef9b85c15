"""``tfg grad``: gradients and training steps from the shell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import tfg

from .command import is_diagnostic, run_tfg, write
from .graphs import FLOAT, ONE, node, placeholder

CASES = Path(__file__).parents[1] / "cases" / "gradients"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [], name="x")
    w = g.VariableV2(shape=[], dtype="float", name="w")
    g.Assign(w, 2.0, name="assign")
    g.Mul(g.Identity(w), x * x, name="y")
    g.Floor(x, name="steps")
    tfg.save(g.graph(), tmp_path / "g.pbtxt")


def test_the_gradient_of_a_placeholder_through_a_pipe() -> None:
    text = run_tfg("grad", "g.pbtxt", "--loss", "y", "--wrt", "x", "-o", "-")
    assert (text.status, text.err) == (0, "")
    line = ("--feed", "w=2", "--feed", "x=3", "--fetch", "grad/x")
    assert run_tfg("run", "-", *line, stdin=text.out).out == "grad/x = 12.0\n"


@pytest.mark.parametrize("name", ["o.pbtxt", "o.pb"])
def test_variables_are_the_default_and_either_format_will_do(name: str) -> None:
    outcome = run_tfg("grad", "g.pbtxt", "--loss", "y", "-o", name)
    assert outcome.status == 0
    assert outcome.out == ""
    assert "nodes added, including grad/w" in outcome.err
    assert (
        run_tfg("run", name, "--feed", "x=3", "--init", "assign", "--fetch", "grad/w").out == "grad/w = 9.0\n"
    )


def test_several_by_pattern_as_json() -> None:
    outcome = run_tfg("grad", "g.pbtxt", "--loss", "y:0", "--wrt", "[wx]", "-o", "o.pb", "--json")
    assert outcome.json["results"] == ["grad/x", "grad/w"]
    assert outcome.err == ""


def test_a_training_step() -> None:
    options = ("--optimizer", "sgd:learning_rate=0.5", "-o", "o.pbtxt")
    assert run_tfg("grad", "g.pbtxt", "--loss", "y", *options).status == 0
    line = ("run", "o.pbtxt", "--init", "init", "--target", "train", "--feed", "x=1", "--state", "s.h5")
    assert run_tfg(*line, "--steps", "3").status == 0
    assert run_tfg("run", "o.pbtxt", "--state", "s.h5", "--fetch", "w").out == "w = 0.5\n"
    assert run_tfg("validate", "o.pbtxt").status == 0


@pytest.mark.parametrize(
    ("options", "status", "why"),
    [
        (["--loss", "Y"], "NOT_FOUND", "did you mean 'y'?"),
        (["--loss", "y:7"], "INVALID_ARGUMENT", "no output 'y:7'"),
        (["--loss", "^y"], "INVALID_ARGUMENT", "no output '^y'"),
        (["--loss", ""], "INVALID_ARGUMENT", "is not of the form"),
        (["--loss", "y", "--wrt", "z"], "NOT_FOUND", "no variable or placeholder"),
        (["--loss", "y", "--wrt", ""], "INVALID_ARGUMENT", "is not of the form"),
        (["--loss", "y", "--wrt", "x:2"], "INVALID_ARGUMENT", "no output 'x:2'"),
        (["--loss", "x"], "INVALID_ARGUMENT", "name one: --wrt NAME"),
        (["--loss", "steps", "--wrt", "w"], "INVALID_ARGUMENT", "does not depend on 'w'"),
    ],
)
def test_what_has_no_gradient(options: list[str], status: str, why: str) -> None:
    outcome = run_tfg("grad", "g.pbtxt", *options, "-o", "o.pbtxt")
    assert outcome.status == 1
    assert is_diagnostic(outcome, status, why)
    assert not Path("o.pbtxt").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--optimizer", "adm"], "did you mean 'adam'?"),
        (["--optimizer", "adam:rate=1"], "no hyperparameter 'rate'"),
        (["--optimizer", "adam:learning_rate=x"], "is not a number"),
        (["--optimizer", "adam:1e-3"], "hint: write adam:learning_rate=1e-3"),
        (["--optimizer", "adam:fast"], "hint: write adam:learning_rate=0.1"),
        (["--optimizer", "sgd", "--replicas", "cpu:x"], "'x' is not a number of devices"),
        (["--replicas", "cpu:2"], "--replicas needs --optimizer"),
        (["--optimizer", "sgd", "--asynchronous"], "--asynchronous needs --replicas"),
        (["--optimizer", "sgd", "--servers", "ps:1"], "--servers needs --replicas"),
        (["--optimizer", "sgd", "--replicas", "worker:0"], "a job has at least 1 task"),
    ],
)
def test_a_wrong_option_is_a_wrong_command_line(options: list[str], why: str) -> None:
    outcome = run_tfg("grad", "g.pbtxt", "--loss", "y", *options, "-o", "o.pbtxt")
    assert outcome.status == 2
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", why)


def test_the_operation_without_gradient_is_named() -> None:
    text = placeholder("x", shape="") + node("u", "NextAfter", "x", "one", T=FLOAT) + ONE
    text += node("y", "Angle", "z", T="type: DT_COMPLEX64", Tout=FLOAT) + placeholder("z", "DT_COMPLEX64", "")
    write(Path(), "g.pbtxt", text)
    for loss, wrt in (("u", "x"), ("y", "z")):
        outcome = run_tfg("grad", "g.pbtxt", "--loss", loss, "--wrt", wrt, "-o", "o.pb")
        assert outcome.status == 0 or is_diagnostic(outcome, "INVALID_ARGUMENT", f'node "{loss}"')


@pytest.mark.parametrize("place", ["none/o.pbtxt", ".", "o.pbtxt/x"])
def test_a_place_that_cannot_be_written(place: str) -> None:
    Path("o.pbtxt").touch()
    outcome = run_tfg("grad", "g.pbtxt", "--loss", "y", "-o", place)
    assert outcome.status == 1
    assert "INTERNAL" not in outcome.err
    assert "cannot be written" in outcome.err


def fetched(case: str, loss: str, *wrt: str, fetch: str, feeds: Sequence[str] = ()) -> str:
    """What ``tfg run`` prints of a gradient of a graph."""
    made = run_tfg("grad", CASES / f"{case}.pbtxt", "--loss", loss, *wrt, "-o", "made.pbtxt")
    assert made.status == 0, made.err
    outcome = run_tfg("run", "made.pbtxt", *feeds, "--fetch", fetch, "--json")
    assert outcome.status == 0, outcome.err
    return outcome.out


def test_variables_that_do_not_matter_are_skipped() -> None:
    options = ("--feed", "x=2", "--init", "init")
    assert '"grad/w"' in fetched("grad_call_unused_var", "call", fetch="grad/w", feeds=options)
    assert "grad/v" not in Path("made.pbtxt").read_text(encoding="utf-8")
    named = run_tfg(
        "grad", CASES / "grad_call_unused_var.pbtxt", "--loss", "call", "--wrt", "v", "-o", "o.pb"
    )
    assert is_diagnostic(named, "INVALID_ARGUMENT", "'call' does not depend on 'v'")
    pattern = run_tfg(
        "grad", CASES / "grad_call_unused_var.pbtxt", "--loss", "call", "--wrt", "v*", "-o", "o.pb"
    )
    assert is_diagnostic(pattern, "INVALID_ARGUMENT", "'call' depends on none of 'v'")


def test_the_gradient_of_singular_vectors_that_are_not_computed_is_zero() -> None:
    assert "[[0.0, 0.0], [0.0, 0.0]]" in fetched("svd_no_uv_grad", "s:1", "--wrt", "x", fetch="grad/x")


def test_each_of_several_maxima_has_the_gradient() -> None:
    assert "[[[[[1.0], [2.0]], [[2.0], [4.0]]], [[[2.0], [4.0]], [[4.0], [8.0]]]]]" in fetched(
        "maxpool3d_ties_grad", "y", "--wrt", "x", fetch="grad/x"
    )


def test_functions_that_call_the_one_before_twice() -> None:
    fetched("g02_grad_function_doubling", "y", "--wrt", "x", fetch="grad/x", feeds=("--feed", "x=2"))
    assert Path("made.pbtxt").stat().st_size < 200_000


def test_a_second_order_gradient_of_a_loop_names_the_loop() -> None:
    run_tfg("grad", CASES / "second_order_v1_loop.pbtxt", "--loss", "y", "--wrt", "x", "-o", "a.pbtxt")
    outcome = run_tfg("grad", "a.pbtxt", "--loss", "grad/x", "--wrt", "x", "-o", "b.pbtxt")
    assert is_diagnostic(
        outcome, "INVALID_ARGUMENT", "second-order gradients of while loops are not supported"
    )
