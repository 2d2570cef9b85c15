"""Help, wrong command lines, errors as JSON and completion of all commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from tfg.cli.main import COMMANDS

from .command import is_diagnostic, run_tfg

EXIT_USAGE = 2


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_a_terminal(command: str) -> None:
    outcome = run_tfg(*command.split(), "--help")
    assert (outcome.status, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert max(len(line) for line in lines if "tfg " not in line and "--feed " not in line) <= 80
    for option in ("--json", "--verbose") if command else COMMANDS:
        assert option in outcome.out
    assert run_tfg(*command.split(), "-h").out == outcome.out


def test_nothing_at_all_is_help_and_a_wrong_command_line() -> None:
    outcome = run_tfg()
    assert (outcome.status, outcome.out) == (EXIT_USAGE, "")
    assert outcome.err.startswith("Usage: tfg")


def test_the_version() -> None:
    outcome = run_tfg("--version")
    assert outcome.status == 0
    assert outcome.out.startswith("tfg, version ")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("rnu g", "did you mean 'run'?"),
        ("xyzzy", "tfg --help"),
        ("RUN g", "did you mean 'run'?"),
        ("distribute g", "there is no command 'distribute'"),
        ("run", "missing argument 'GRAPH'"),
        ("run a b", "unexpected extra argument (b)"),
        ("run --fecth x g", "did you mean '--fetch'?"),
        ("run g --cores 2", "there is no option '--cores'"),
        ("run g --fetch", "option '--fetch' requires an argument"),
        ("run g --steps two", "'two' is not a valid integer"),
        ("validate", "missing argument 'GRAPH...'"),
        ("show a b", "unexpected extra argument (b)"),
        ("grad g -o x", "missing option '--loss'"),
        ("grad g --loss x", "missing option '-o'"),
        ("ops a b", "unexpected extra argument (b)"),
        ("completion", "bash, zsh, fish"),
        ("completion ksh", "'ksh' is not one of"),
        ("--bogus", "there is no option '--bogus'"),
    ],
)
def test_a_wrong_command_line(line: str, why: str) -> None:
    outcome = run_tfg(*line.split())
    assert (outcome.status, outcome.out) == (EXIT_USAGE, "")
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", why)


def test_a_wrong_command_line_as_json() -> None:
    for line in ("rnu --json", "run --json", "run g --fecth x --json", "--json", "grad --json g"):
        outcome = run_tfg(*line.split())
        assert outcome.status == EXIT_USAGE
        assert outcome.json["version"] == 1
        assert outcome.json["error"]["status"] == "INVALID_ARGUMENT"


def test_verbose_twice_adds_the_traceback(tmp_path: Path) -> None:
    for flags, shown in ([], False), (["-v"], False), (["-vv"], True), (["-v", "-v"], True):
        outcome = run_tfg("show", tmp_path / "no.pbtxt", *flags)
        assert ("Traceback" in outcome.err) is shown
