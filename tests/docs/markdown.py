"""Reads the fenced blocks and tables of the pages in ``docs/``.

A block's info string is its language, and for a file its name: ```` ```pbtxt line.pbtxt ````. A ``console`` block holds
commands after ``$`` (continued behind a backslash) and their output, standard output before standard error. In
expected output ``…`` stands for any text of a line, and a line of ``…`` alone for any number of lines. A command that
fails says so in a comment: ``# exit 1``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
ANYTHING = "…"

_FENCE = re.compile(r"^```(?P<language>\w+)(?: (?P<name>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"#\s*exit (\d+)\s*$")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the name of the file that it is, if it is one, and the line it begins on."""

    language: str
    name: str | None
    text: str
    line: int


@dataclass(frozen=True)
class Command:
    """A command of a ``console`` block, the output that the page shows, and its exit status."""

    text: str
    expected: str
    status: int


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Block(match["language"], match["name"], match["text"], line)


def commands(block: str) -> Iterator[Command]:
    """The commands of a ``console`` block."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        end = next(i for i, line in enumerate(lines) if not line.endswith("\\")) + 1
        text = "\n".join(lines[:end])
        leaving = _EXIT.search(text)
        yield Command(text, "\n".join(lines[end:]), int(leaving[1]) if leaving else 0)


def matches(expected: str, actual: str) -> bool:
    """True if output is as expected; trailing blanks and blank lines at the end do not count."""
    pattern = "".join(map(_line_pattern, _lines(expected)))
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _lines(actual))) is not None


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def _line_pattern(line: str) -> str:
    if line == ANYTHING:
        return r"(?:.*\n)*"
    return ".*".join(map(re.escape, line.split(ANYTHING))) + r"\n"


def sections(text: str, level: int = 2) -> dict[str, str]:
    """The text below each heading of a level, by the heading."""
    parts = re.split(rf"^#{{{level}}} (.+)\n", text, flags=re.MULTILINE)
    return {heading.strip(): body for heading, body in zip(parts[1::2], parts[2::2])}


def table_rows(text: str) -> list[list[str]]:
    """The cells of every table row in a text, without headings and rules."""
    rows = [line.strip().strip("|").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in rows]


def laid_out(document: Any, indent: str = "") -> str:
    """A JSON document as a page shows it: on one line as far as that is short, in a block otherwise."""
    line = json.dumps(document, ensure_ascii=False)
    if len(indent) + len(line) <= 110 or not isinstance(document, dict | list):
        return line
    inner = indent + "  "
    if isinstance(document, list):
        parts, opening, closing = [laid_out(item, inner) for item in document], "[", "]"
    else:
        parts = [f"{json.dumps(key)}: {laid_out(value, inner)}" for key, value in document.items()]
        opening, closing = "{", "}"
    body = ",".join(f"\n{inner}{part}" for part in parts)
    return f"{opening}{body}\n{indent}{closing}"
