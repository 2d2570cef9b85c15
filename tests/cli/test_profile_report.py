"""``tfg run --profile``."""

from __future__ import annotations

from pathlib import Path

import pytest
import tfg
from tfg.graphfmt.attributes import Function

from .command import run_tfg


def test_a_profile_has_the_nodes_of_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    g = tfg.GraphBuilder()
    g.function("Twice", lambda inner, a: inner.Add(a, a, name="sum"), "float")
    x = g.placeholder("float", [2], name="x")
    g.PartitionedCall([x], f=Function("Twice"), Tout=["float"], name="call")
    tfg.save(g.graph(), "calls.pbtxt")
    line = ("run", "calls.pbtxt", "--feed", "x=[1,2]", "--fetch", "call", "--json")
    step, profile = run_tfg(*line, "--profile", "--trace", "t.json").json_lines
    assert step == run_tfg(*line).json
    assert "call/sum" in {one["node"] for one in profile["profile_nodes"]}
    assert "call" in {one["scope"] for one in profile["profile_scopes"]}
    drawn = run_tfg("draw", "calls.pbtxt", "--trace", "t.json", "-o", "calls.svg")
    assert drawn.status == 0, drawn.err
    # A saved state is that of the graph as it is.
    (*_, kept) = run_tfg(*line, "--profile", "--state", "s.h5").json_lines
    assert {one["node"] for one in kept["profile_nodes"]} == {"call"}


def test_tables_of_operations_nodes_and_scopes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [64, 64], name="x")
    for number in range(30):
        x = g.MatMul(x, x, name=f"layer/product{number}")
    tfg.save(g.graph(), "g.pbtxt")
    line = ("run", "g.pbtxt", "--feed", "x=zeros", "--fetch", "layer/product29", "--steps", "2", "--profile")
    outcome = run_tfg(*line)
    rows = {words[0]: words for words in map(str.split, outcome.err.splitlines()) if words}
    assert {"operation", "node", "scope", "MatMul", "layer"} <= set(rows)
    assert rows["MatMul"][1] == rows["layer"][1] == "60"
    assert float(rows["MatMul"][5]) > 0
    assert "… 10 more; -v prints all" in outcome.err
    assert "This machine reaches" in outcome.err
    assert "more; -v" not in run_tfg(*line, "-v").err
