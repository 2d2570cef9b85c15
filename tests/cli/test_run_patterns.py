"""``tfg run --fetch PATTERN``."""

from __future__ import annotations

from pathlib import Path

import pytest
import tfg

from .command import is_diagnostic, run_tfg


def test_patterns_of_fetches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [], name="h/x")
    y = g.Neg(x, name="h/y")
    taken = g.Switch(y, g.placeholder("bool", [], name="h/c"), name="h/switch")[1]
    g.Abs(taken, name="h/branch")
    g.Split(0, g.constant([1.0, 2.0]), num_split=2, name="h/parts")
    tfg.save(g.graph(), "g.pbtxt")
    outcome = run_tfg("run", "g.pbtxt", "--feed", "h/x=3", "--fetch", "h/*", "--fetch", "h/y")
    assert outcome.status == 0, outcome.err
    assert [line.split()[0] for line in outcome.out.splitlines() if " = " in line] == [
        "h/y",
        "h/parts",
        "h/parts:1",
    ]
    assert is_diagnostic(run_tfg("run", "g.pbtxt", "--fetch", "k*"), "NOT_FOUND", "'k*'")
