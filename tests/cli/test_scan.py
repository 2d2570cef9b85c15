"""``tfg scan``: what a graph could do, and exit statuses for CI."""

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


def test_findings_stand_in_a_table_with_their_lines() -> None:
    outcome = run_tfg("scan", "reads.pbtxt")
    assert outcome.status == 0
    assert "files read: 1\n  secret  ReadFile  /etc/hostname  (the constant" in outcome.out
    assert "line " in outcome.out
    assert "none: files written, network" in outcome.out


@pytest.mark.parametrize(
    ("deny", "status"), [("files", 1), ("reads,network", 1), ("writes,network", 0), ("all", 1)]
)
def test_denied_kinds_set_the_exit_status(deny: str, status: int) -> None:
    assert run_tfg("scan", "reads.pbtxt", "--deny", deny).status == status


def test_an_unknown_kind_is_a_wrong_command_line() -> None:
    outcome = run_tfg("scan", "reads.pbtxt", "--deny", "file")
    assert outcome.status == 2
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "file", "did you mean 'files'?")


def test_a_graph_with_unknown_operations_is_scanned_without_an_estimate() -> None:
    Path("odd.pbtxt").write_text('node { name: "f" op: "PyFunc" }\n')
    outcome = run_tfg("scan", "odd.pbtxt", "--json", "--deny", "unknown")
    assert outcome.status == 1
    document = outcome.json
    assert document["denied"] == ["unknown"]
    assert document["estimate"] is None


def test_a_fetch_that_is_not_there_is_an_error() -> None:
    outcome = run_tfg("scan", "reads.pbtxt", "--fetch", "nothing")
    assert outcome.status == 1
    assert is_diagnostic(outcome, "NOT_FOUND", "nothing")
