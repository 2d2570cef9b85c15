"""Console output besides results: errors, notes and the progress line on standard error, and JSON documents."""

from __future__ import annotations

import io
import json
import os
import sys
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar

import click

from ...graphfmt.errors import TfgError, TfgWarning

if TYPE_CHECKING:
    from collections.abc import Generator

JSON_VERSION = 1


class UsageError(click.UsageError):
    """A wrong command line, with a hint."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


@contextmanager
def usage_errors() -> Generator[None]:
    """Reports an error in the value of an option as a wrong command line."""
    try:
        yield
    except TfgError as error:
        raise UsageError(error.message, error.hint) from None


def escape_unencodable() -> None:
    """Makes standard output escape the characters that its encoding lacks, instead of raising."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def reserve_standard_streams() -> None:
    """Occupies the standard streams that are closed, so that no file gets their numbers. Writing to a closed standard
    output is then an error (EBADF); messages to a closed standard error are dropped."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Gets the lowest free number.
            os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def plain(text: str) -> str:
    """Returns a text on one line with control characters escaped: names in a file may contain anything."""
    return text if text.isprintable() else escaped(" ".join(text.splitlines()))


def escaped(text: str) -> str:
    """Returns a text with its control characters and line ends escaped as in Python."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def print_error(error: TfgError, *, as_json: bool = False, verbose: int = 0) -> None:
    """Prints a diagnostic: status and message, location and node, hint.

    With ``as_json`` also as a document on standard output; with ``verbose`` 2 or more also the traceback.
    """
    if as_json:
        # The error may be that standard output cannot be written.
        with suppress(OSError):
            waits = {"waits": [wait.fields() for wait in error.waits]} if error.waits else {}
            print_json({"error": error_fields(error), **waits})
    click.echo(
        click.style(f"error[{error.status}]", fg="red", bold=True, reset=True) + f": {plain(error.message)}",
        err=True,
    )
    where = location_text(error)
    if where:
        click.echo(f"  {click.style('-->', fg='blue', bold=True)} {where}", err=True)
    if error.hint:
        click.echo(f"  {click.style('hint:', fg='cyan')} {plain(error.hint)}", err=True)
    if verbose >= 2:
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True)


def print_warning(error: TfgError, kind: str = "warning") -> None:
    """Prints a defect that does not keep the graph from running, with its location and hint."""
    where = location_text(error)
    note(f"{kind}: {plain(error.message)}" + (f"\n  --> {where}" if where else ""))
    if error.hint:
        note(f"  hint: {plain(error.hint)}")


class _Warnings:
    """The warnings that no JSON document has reported yet."""

    pending: ClassVar[list[TfgError]] = []


@contextmanager
def shown_warnings() -> Generator[None]:
    """Prints the warnings of graphs, each message once, and keeps them for the next JSON document."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_warning(message: Warning | str, *rest: Any) -> None:
            if not isinstance(message, TfgWarning):
                show(message, *rest)
                return
            print_warning(message.error)
            _Warnings.pending.append(message.error)

        warnings.simplefilter("default", TfgWarning)
        warnings.showwarning = show_warning
        _Warnings.pending.clear()
        yield


def location_text(error: TfgError) -> str:
    """Returns ``mlp.pbtxt:41:3  node "hidden/MatMul"``, or the part of it that is known."""
    parts = [str(error.location) if error.location else "", f'node "{error.node}"' if error.node else ""]
    return plain("  ".join(part for part in parts if part))


def error_fields(error: TfgError) -> dict[str, Any]:
    """Returns an error's fields in ``--json``."""
    place = error.location
    return {
        "status": str(error.status),
        "message": error.message,
        "node": error.node,
        "file": place.file if place else None,
        "line": place.line or None if place else None,
        "column": place.column or None if place else None,
        "hint": error.hint,
    }


def discard_output() -> None:
    """Discards further standard output, because its reader has closed the pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def print_json(document: dict[str, Any]) -> None:
    """Prints a JSON document on one line, with the version of its format."""
    if _Warnings.pending:
        document = {**document, "warnings": list(map(error_fields, _Warnings.pending))}
        _Warnings.pending.clear()
    click.echo(json.dumps({"version": JSON_VERSION, **document}, default=_json_text, allow_nan=False))


def _json_text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


class _Progress:
    """``is_shown`` is True while the cursor stands after a progress line, which other text must replace."""

    is_shown = False


def note(text: str) -> None:
    """Prints a note on standard error, in place of the progress line, which its next update shows again."""
    # The terminal may be gone.
    with suppress(OSError):
        if _Progress.is_shown:
            sys.stderr.write(_CLEAR_LINE)
            _Progress.is_shown = False
        click.echo(text, err=True)


# Moves to the start of the line, and clears it.
_CLEAR_LINE = "\r\x1b[K"


def rewrite(text: str) -> None:
    """Replaces the progress line."""
    sys.stderr.write(f"{_CLEAR_LINE}{text}")
    sys.stderr.flush()
    _Progress.is_shown = True


def end_line() -> None:
    """Ends the progress line, if there is one."""
    if _Progress.is_shown:
        sys.stderr.write("\n")
        _Progress.is_shown = False


def is_terminal() -> bool:
    """Returns True if standard error is a terminal."""
    return sys.stderr.isatty()
