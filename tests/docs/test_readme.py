"""Runs the README: its shell blocks in bash and zsh, one after another, its console examples, and its Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..cli.command import run_tfg
from .markdown import ROOT, blocks, commands, matches

README = ROOT / "README.md"
BLOCKS = list(blocks(README.read_text(encoding="utf-8")))
SHELLS = [
    pytest.param(shell, marks=pytest.mark.skipif(not shutil.which(shell), reason=f"needs {shell}"))
    for shell in ("bash", "zsh")
]
# Only shows what make would do: the targets exist. The environment is there already.
BEFORE = """
set -e
make() { command make -C "$ROOT" -n "$@" >/dev/null; }
source() { [[ "$1" == .venv/bin/activate ]] || builtin source "$@"; }
"""


@pytest.fixture
def commands_path(tmp_path: Path) -> str:
    """A PATH with a command ``tfg`` that runs these sources."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "tfg").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tfg "$@"\n')
    (folder / "tfg").chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_commands_run_in_order(shell: str, tmp_path: Path, commands_path: str) -> None:
    work = tmp_path / "work"
    work.mkdir()
    script = BEFORE + "\n".join(block.text for block in BLOCKS if block.language == "sh")
    options = {"bash": ["--norc"], "zsh": ["-f"]}[shell]
    done = subprocess.run(
        [shell, *options, "-c", script],
        cwd=work,
        env={
            **os.environ,
            "PATH": commands_path,
            "OMP_NUM_THREADS": "1",
            "SHELL": f"/bin/{shell}",
            "ROOT": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "y = 6.0\n" in done.stdout
    assert "grad/x = 2.0\n" in done.stdout
    (accuracy,) = re.findall(r"^accuracy = (\S+)$", done.stdout, re.MULTILINE)
    assert float(accuracy) > 0.95


def test_the_console_examples_print_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "samples" / "digits")
    examples = [c for block in BLOCKS if block.language == "console" for c in commands(block.text)]
    assert examples
    for example in examples:
        words = [word.strip("'") for word in example.text.split()]
        outcome = run_tfg(*words[1:])
        assert matches(example.expected, outcome.out + outcome.err), outcome.out + outcome.err


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in BLOCKS:
        if block.language == "python":
            exec(compile(block.text, f"README.md:{block.line}", "exec"), {})


def test_every_block_is_of_a_kind_that_is_run() -> None:
    text = README.read_text(encoding="utf-8")
    assert {block.language for block in BLOCKS} == {"sh", "console", "python"}
    assert text.count("\n```") == 2 * len(BLOCKS)
    assert not re.search(r"^    \S", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.MULTILINE)


def test_the_table_of_commands_is_complete() -> None:
    from tfg.cli.main import COMMANDS

    listed = set(re.findall(r"^\| `tfg (\w+)", README.read_text(encoding="utf-8"), re.MULTILINE))
    assert listed == set(COMMANDS)
