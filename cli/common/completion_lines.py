"""Answers the completion script of a shell: reads the words up to the cursor, and yields a candidate per line."""

from __future__ import annotations

import re
import shlex
from itertools import islice
from typing import TYPE_CHECKING

import click
from click.shell_completion import ShellComplete

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Asks the shell to complete file names.
FILE = ":file"
# More candidates do not fit a screen.
_MAX_LINES = 2000


def completion_lines(program: click.Command, shell: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Yields the lines that the script of a shell expects; see ``completion_scripts``."""
    if shell == "bash":
        words = _split(environment.get("_TFG_LINE", ""))
    else:
        words = environment.get("_TFG_WORDS", "").split("\n")
        # zsh leaves the quote of a word whose end is still missing.
        words[-1] = re.sub("^['\"]", "", words[-1])
    word = words[-1]
    # bash replaces only the part of a word that stands behind its last = or :.
    part = environment.get("_TFG_PART", "") if shell == "bash" else word
    kept = len(word) - len(part) if word.endswith(part) else 0
    option = re.match(r"--[\w-]+=", word)
    completion = ShellComplete(program, {"obj": words[1:-1]}, "tfg", "")
    for item in islice(completion.get_completions(words[1:-1], word), _MAX_LINES):
        if item.type != "plain":
            yield FILE
            continue
        value = f"{option[0]}{item.value}" if option else item.value
        yield f"{value[kept:]}\t{item.help}" if item.help and shell != "bash" else value[kept:]


def _split(line: str) -> list[str]:
    """Splits a line that ends at the cursor into words, of which the last is empty after a blank."""
    for closing in ("", "'", '"'):
        try:
            words = shlex.split(line + closing)
        except ValueError:
            continue
        return [*words, ""] if not closing and line[-1:].isspace() else words
    return [*line.split(), ""]
