"""Runs the command line inside the tests' own process, as a shell would see it."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tfg.cli.main import main

GOLDEN = Path(__file__).parent / "golden"


@dataclass(frozen=True)
class Outcome:
    """What a command leaves behind: its exit status, and what it wrote where."""

    status: int
    out: str
    err: str
    raw: bytes

    @property
    def json(self) -> Any:
        """The one document on standard output, which must be strict JSON."""
        return strict_json(self.out)

    @property
    def json_lines(self) -> list[Any]:
        return [strict_json(line) for line in self.out.splitlines()]


def run_tfg(*args: str | Path, stdin: bytes | str = b"") -> Outcome:
    """Calls ``tfg ARGS`` with this on its standard input."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    out, err = _text_stream(b""), _text_stream(b"")
    argv = ["tfg", *map(str, args)]
    with (
        patch.object(sys, "argv", argv),
        patch.object(sys, "stdin", _text_stream(data)),
        patch.object(sys, "stdout", out),
        patch.object(sys, "stderr", err),
    ):
        try:
            main()
        except SystemExit as leaving:
            status = leaving.code if isinstance(leaving.code, int) else 1
    raw, errors = _written(out), _written(err).decode()
    return Outcome(status, raw.decode("utf-8", "replace"), errors, raw)


def _text_stream(data: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data), "utf-8", newline="\n")


def _written(stream: io.TextIOWrapper) -> bytes:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue()


def strict_json(text: str) -> Any:
    """Raises ValueError for NaN and its like, which JSON does not have."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def is_diagnostic(outcome: Outcome, status: str, *parts: str) -> bool:
    """Whether a command failed with exactly one error of this status, whose text has these parts."""
    errors = [line for line in outcome.err.splitlines() if line.startswith("error[")]
    assert "Traceback" not in outcome.err, outcome.err
    assert len(errors) == 1, outcome.err
    assert errors[0].startswith(f"error[{status}]: "), outcome.err
    for part in parts:
        assert part in outcome.err, outcome.err
    return True


def matches_golden(name: str, text: str) -> bool:
    """Compares with ``golden/NAME``; with TFG_RECORD set, writes it."""
    path = GOLDEN / name
    if os.environ.get("TFG_RECORD"):
        path.write_text(text)
    assert text == path.read_text()
    return True


def write(folder: Path, name: str, text: str | Sequence[str]) -> Path:
    """A file in a folder; several lines may be given as a list."""
    path = folder / name
    path.write_text(text if isinstance(text, str) else "\n".join(text) + "\n")
    return path
