"""``tfg bench``: what is timed, under which settings, against what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tfg

from .command import is_diagnostic, run_tfg

FAST = ("--steps", "3", "--warm-up", "0")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 2], name="x")
    w = g.VariableV2(shape=[2, 2], dtype="float", name="w")
    g.Assign(w, np.eye(2, dtype=np.float32), name="init")
    g.MatMul(x, g.Identity(w), name="y")
    tfg.save(g.graph(), "g.pbtxt")


def test_a_row_per_setting() -> None:
    outcome = run_tfg("bench", "g.pbtxt", *FAST, "--batch", "1,4", "--threads", "1,2")
    assert outcome.status == 0, outcome.err
    rows = [line.split() for line in outcome.out.splitlines()]
    assert rows[0][:3] == ["graph", "batch", "threads"]
    assert [row[1:3] for row in rows[1:]] == [["1", "1"], ["1", "2"], ["4", "1"], ["4", "2"]]
    assert outcome.err == "computes y; feeds are made up unless they are given\n"


def test_the_numbers_as_json() -> None:
    document = run_tfg("bench", "g.pbtxt", *FAST, "--batch", "8", "--json").json
    (setting,) = document["settings"]
    (timing,) = setting["timings"]
    assert (document["computed"], setting["batch"], timing["steps"]) == (["y"], 8, 3)
    assert 0 < timing["p50"] <= timing["p90"] <= timing["p99"]
    assert timing["throughput"] == pytest.approx(8 / timing["p50"])


def test_two_graphs_take_turns() -> None:
    run_tfg("optimize", "g.pbtxt", "-o", "o.pb")
    setting = run_tfg("bench", "g.pbtxt", *FAST, "--against", "o.pb", "--json").json["settings"][0]
    assert len(setting["timings"]) == 2
    assert setting["ratio"]["low"] <= setting["ratio"]["median"] <= setting["ratio"]["high"]


def test_a_model_is_timed_by_its_signature() -> None:
    run_tfg("run", "g.pbtxt", "--target", "init", "--state", "s.h5")
    run_tfg("convert", "g.pbtxt", "--state", "s.h5", "--outputs", "y", "-o", "model")
    assert run_tfg("bench", "model", *FAST, "--json").json["computed"] == ["y"]


def test_given_feeds_and_bad_requests() -> None:
    assert run_tfg("bench", "g.pbtxt", *FAST, "--feed", "x=[[1,2]]", "--fetch", "y").status == 0
    assert run_tfg("bench", "g.pbtxt", "--batch", "0").status == 2
    assert run_tfg("bench", "g.pbtxt", "--threads", "two").status == 2
    assert is_diagnostic(run_tfg("bench", "g.pbtxt", "--fetch", "z"), "NOT_FOUND")
    assert is_diagnostic(run_tfg("bench", "none.pbtxt"), "NOT_FOUND")


def test_several_steps_at_once_have_a_rate_of_their_own(training: Path) -> None:
    line = ("bench", training, "--fetch", "mean", "--workers", "1,3", "--steps", "12", "--json")
    one, three = run_tfg(*line).json["settings"]
    assert (one["workers"], three["workers"]) == (1, 3)
    assert three["timings"][0]["steps"] == 12
    assert three["timings"][0]["throughput"] > 0


def test_a_graph_is_timed_against_another_setting(training: Path) -> None:
    line = ("bench", training, "--fetch", "mean", "--steps", "5", "--json")
    document = run_tfg(*line, "--b-optimize", "off").json
    assert document["graphs"] == [str(training), str(training)]
    assert document["settings"][0]["ratio"]["median"] > 0
    outcome = run_tfg(*line, "--b-optimize", "off", "--workers", "2")
    assert outcome.status == 2
    assert "--workers excludes" in outcome.err
