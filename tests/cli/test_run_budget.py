"""``tfg run --budget``."""

from __future__ import annotations

from pathlib import Path

import pytest
import tfg

from .command import is_diagnostic, run_tfg


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    g = tfg.GraphBuilder()
    g.ReadFile("/etc/hostname", name="secret")
    tfg.save(g.graph(), "reads.pbtxt")


def test_the_error_names_node_and_line() -> None:
    outcome = run_tfg("run", "reads.pbtxt", "--fetch", "secret", "--budget", "files=none")
    assert outcome.status == 1
    assert is_diagnostic(outcome, "PERMISSION_DENIED", "/etc/hostname", 'node "secret"', "reads.pbtxt:")


def test_a_budget_that_allows_it_changes_nothing() -> None:
    outcome = run_tfg(
        "run", "reads.pbtxt", "--fetch", "secret", "--budget", "memory=1GiB,time=60s,files=/etc"
    )
    assert outcome.status == 0, outcome.err


@pytest.mark.parametrize("text", ["memory=many", "cpu=1", "files"])
def test_a_wrong_budget_is_a_wrong_command_line(text: str) -> None:
    outcome = run_tfg("run", "reads.pbtxt", "--fetch", "secret", "--budget", text)
    assert outcome.status == 2
    assert is_diagnostic(outcome, "INVALID_ARGUMENT")
