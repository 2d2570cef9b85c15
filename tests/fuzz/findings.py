"""Findings: what an input did that it must not do."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tfg.graphfmt.errors import TfgError
from tfg.kernels.core.failures import UnexpectedError

ROOT = Path(__file__).parents[2]
_OWN = tuple(str(ROOT / folder) for folder in ("graphfmt", "kernels", "runtime", "cli"))
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_EXCEPTION = re.compile(r"error\[(\w+)\]: (.*)")


class TooSlow(BaseException):
    """Raised by the alarm of the time limit."""


@dataclass(frozen=True)
class Finding:
    """A fault. ``place`` is the line of tfg's code where it arose: findings with the same place are one."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


def of_exception(error: BaseException, doing: str) -> Finding | None:
    """Returns the finding of an exception; None for an error that has a status of its own."""
    if isinstance(error, UnexpectedError):
        return Finding(_place(error.exception), f"{doing}: {error}")
    if isinstance(error, TfgError):
        return of_exception(error.__cause__, doing) if isinstance(error.__cause__, TfgError) else None
    if isinstance(error, TooSlow):
        return Finding(f"slow {_place(error)}", f"{doing}: over the time limit")
    return Finding(_place(error), f"{doing}: {type(error).__name__}: {error}")


def _place(error: BaseException) -> str:
    """The type of an exception and the innermost line of tfg's code in its traceback."""
    place = "?"
    for frame, line in _frames(error.__traceback__):
        if frame.startswith(_OWN):
            place = f"{Path(frame).relative_to(ROOT)}:{line}"
    return f"{type(error).__name__} {place}"


def _frames(trace: TracebackType | None) -> Iterator[tuple[str, int]]:
    for summary in traceback.extract_tb(trace):
        yield summary.filename, summary.lineno or 0


def of_output(text: str, doing: str) -> Finding | None:
    """Returns the finding of what a command wrote to standard error under ``-vv``; None if it is in order."""
    if "this is a bug in tfg" not in text:
        return None
    found = _EXCEPTION.search(text)
    first, _, _ = text.partition("The above exception was the direct cause")
    own = [(file, line) for file, line in _FRAME.findall(first) if file.startswith(_OWN)]
    place = f"{Path(own[-1][0]).relative_to(ROOT)}:{own[-1][1]}" if own else "?"
    message = found[2] if found else ""
    return Finding(f"{message.split(':')[0].split(' ')[0]} {place}", f"{doing}: {message}"[:300])
