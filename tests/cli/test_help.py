"""``tfg help``: topics, the help of commands, and the man page."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tfg.cli import help as help_command
from tfg.cli.main import COMMANDS

from .command import is_diagnostic, run_tfg

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path for path in DOCS.glob("*.md") if path.stem != "README")


def test_the_topics_are_the_pages_of_the_documentation() -> None:
    outcome = run_tfg("help")
    assert outcome.status == 0
    assert [line.split()[0] for line in outcome.out.splitlines()[:-2]] == [path.stem for path in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_topic_is_printed_as_it_stands(page: Path) -> None:
    assert run_tfg("help", page.stem).out == page.read_text(encoding="utf-8")


def test_a_word_of_a_name_is_enough() -> None:
    assert run_tfg("help", "format").out == (DOCS / "graph-format.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_is_laid_out_for_a_terminal(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    laid_out = help_command._laid_out(page.read_text(encoding="utf-8"))  # pyright: ignore[reportPrivateUsage]
    assert "\x1b[" in laid_out
    assert "```" not in laid_out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_name_of_a_command_is_a_topic(command: str) -> None:
    assert run_tfg("help", command).out == run_tfg(command, "--help").out


def test_an_unknown_topic_is_a_wrong_command_line() -> None:
    outcome = run_tfg("help", "chekpoints")
    assert outcome.status == 2
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "did you mean 'checkpoints'?")
    assert is_diagnostic(run_tfg("help", "xyzzy"), "INVALID_ARGUMENT", "graph-format")


def test_the_man_page_has_every_command_and_option() -> None:
    page = run_tfg("help", "--man").out
    for command in COMMANDS:
        assert f'.SS "tfg {command}' in page
    assert "\\fB\\-\\-optimizer" in page
    assert '.SS "tfg checkpoint verify' in page


@pytest.mark.skipif(not shutil.which("man"), reason="needs man")
def test_man_has_no_complaint(tmp_path: Path) -> None:
    page = tmp_path / "tfg.1"
    page.write_text(run_tfg("help", "--man").out)
    done = subprocess.run(["man", "--warnings", "-l", str(page)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "EXIT STATUS" in done.stdout
