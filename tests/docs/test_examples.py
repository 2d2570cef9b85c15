"""Runs every example of the documentation, and compares what it prints with what the page shows.

With TFG_RECORD set, output that differs is written into the page instead. A new command begins with the output ``?``,
and a new JSON document is ``"?"``. A command without output on the page only has to leave with its exit status.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ..cli.command import run_tfg
from .markdown import ANYTHING, PAGES, ROOT, Command, blocks, commands, laid_out, matches

if TYPE_CHECKING:
    from pathlib import Path

# Anything that only a shell understands.
_SHELL = re.compile(r"[|<>;&$`*]")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_examples_of_a_page_do_what_it_shows(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    text = page.read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    document: Any = None
    for block in blocks(text):
        place = f"{page.name}:{block.line}"
        if block.name is not None:
            (tmp_path / block.name).write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            for command in commands(block.text):
                out, err = _outcome(command, place)
                document = json.loads(out) if "--json" in command.text and out.count("\n") == 1 else None
                text = _compared(command, out + err, place, text)
        elif block.language == "json":
            shown = json.loads(block.text)
            if shown == "?" and os.environ.get("TFG_RECORD"):
                text = text.replace(block.text, f"{laid_out(document)}\n", 1)
            else:
                assert _fits(shown, document), f"{place}: {json.dumps(document)}"
        elif block.language == "python":
            exec(compile(block.text, place, "exec"), names)
    if os.environ.get("TFG_RECORD"):
        page.write_text(text, encoding="utf-8")


def _outcome(command: Command, place: str) -> tuple[str, str]:
    """Runs a command; gives what it wrote to standard output and standard error."""
    words = shlex.split(re.sub(r"\\\n", "", command.text), comments=True)
    if words[0] == "tfg" and not _SHELL.search(re.sub(r"'[^']*'|#.*", "", command.text)):
        outcome = run_tfg(*words[1:])
        status, out, err = outcome.status, outcome.out, outcome.err
    else:
        done = subprocess.run(
            ["bash", "-ec", f'tfg() {{ "{sys.executable}" -m tfg "$@"; }}\n{command.text}'],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        status, out, err = done.returncode, done.stdout, done.stderr
    assert status == command.status, f"{place}: {command.text}\n{out}{err}"
    return out, err


def _compared(command: Command, output: str, place: str, text: str) -> str:
    """The text of the page, with the output of the command in it where TFG_RECORD is set."""
    if not command.expected.strip() or matches(command.expected, output):
        return text
    where = f"{place}: {command.text}\n{output}"
    assert os.environ.get("TFG_RECORD"), where
    shown = f"$ {command.text}\n{command.expected}\n"
    assert text.count(shown) == 1, where
    lines = "".join(f"{line.rstrip()}\n" for line in output.rstrip().splitlines())
    return text.replace(shown, f"$ {command.text}\n{lines}")


def _fits(shown: Any, actual: Any) -> bool:
    """True if a document is the one shown, in which ``…`` stands for any value, and at a list's end for more."""
    if shown == ANYTHING:
        return True
    if isinstance(shown, dict) and isinstance(actual, dict):
        same = shown.keys() == actual.keys()
        return same and all(_fits(value, actual[key]) for key, value in shown.items())
    if isinstance(shown, list) and isinstance(actual, list):
        if shown and shown[-1] == ANYTHING:
            return len(actual) >= len(shown) - 1 and all(map(_fits, shown[:-1], actual))
        return len(actual) == len(shown) and all(map(_fits, shown, actual))
    return shown == actual and type(shown) is type(actual)
