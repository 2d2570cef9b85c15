"""A run with the state of another graph says what the state has and lacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tfg

from .command import is_diagnostic, run_tfg


def variables(path: str, *names: str) -> None:
    g = tfg.GraphBuilder()
    for name in names:
        handle = g.VarHandleOp(dtype="float", shape=[], name=name, shared_name=name)
        g.AssignVariableOp(handle, np.float32(1), name=f"{name}_init")
        g.ReadVariableOp(handle, dtype="float", name=f"{name}_read")
    tfg.save(g.graph(), path)


def test_names_of_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    variables("first.pbtxt", "a", "b", "c", "d", "e", "f")
    variables("second.pbtxt", "b", "x")
    targets = [option for name in "abcdef" for option in ("--target", f"{name}_init")]
    assert run_tfg("run", "first.pbtxt", *targets, "--state", "s.h5").status == 0
    outcome = run_tfg("run", "second.pbtxt", "--fetch", "x_read", "--state", "s.h5")
    assert is_diagnostic(outcome, "FAILED_PRECONDITION")
    assert "hint: s.h5 lacks x; it has a, b, c, d and 2 more" in outcome.err
    assert run_tfg("run", "second.pbtxt", "--fetch", "b_read", "--state", "s.h5").status == 0


def test_without_a_state_the_initialiser_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    variables("g.pbtxt", "x")
    assert "--init NODE" in run_tfg("run", "g.pbtxt", "--fetch", "x_read").err
