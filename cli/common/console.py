"""Console output besides results: errors and notes on standard error, and JSON documents."""

from __future__ import annotations

import io
import json
import os
import sys
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

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
    _print_marked(f"error[{error.status}]", f": {plain(error.message)}", fg="red", bold=True, reset=True)
    where = location_text(error)
    if where:
        _print_marked("  -->", f" {where}", fg="blue", bold=True)
    if error.hint:
        _print_marked("  hint:", f" {plain(error.hint)}", fg="cyan")
    if verbose >= 2:
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True)


def _print_marked(mark: str, text: str, **style: Any) -> None:
    """Prints a text on standard error, behind a mark with a style."""
    lines = wrapped(mark + text, err=True, indent="    ")
    click.echo(click.style(mark, **style) + lines.removeprefix(mark), err=True)


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


class Display(Protocol):
    """Lines at the bottom of the terminal that other text has to go above of."""

    def print_above(self, text: str) -> None: ...


class _Shown:
    """The display that is shown; None if there is none."""

    display: ClassVar[Display | None] = None


def set_display(display: Display | None) -> None:
    """Makes notes go above a display, until it is None again."""
    _Shown.display = display


def note(text: str) -> None:
    """Prints a note on standard error, above the display of the progress if there is one."""
    # The terminal may be gone.
    with suppress(OSError):
        if _Shown.display is None:
            say(text, err=True)
        else:
            _Shown.display.print_above(text)


def say(text: str, *, err: bool = False) -> None:
    """Prints a sentence to standard output, wrapped on a terminal; with ``err`` to standard error."""
    click.echo(wrapped(text, err=err), err=err)


def terminal_width(*, err: bool = False) -> int | None:
    """Returns the width of the terminal that standard output, or standard error, is; None for anything else."""
    stream = sys.stderr if err else sys.stdout
    if not stream.isatty():
        return None
    try:
        # Some terminals have no width.
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def wrapped(text: str, *, err: bool = False, indent: str = "  ") -> str:
    """Wraps the lines of a text between words where they are longer than the terminal is wide; elsewhere than on a
    terminal, returns the text as it is. Wrapped lines continue after ``indent``."""
    width = terminal_width(err=err)
    if width is None:
        return text
    return "\n".join(_wrapped_line(line, width, indent) for line in text.splitlines())


def _wrapped_line(line: str, width: int, indent: str) -> str:
    if len(line) <= width:
        return line
    from textwrap import fill

    return fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def is_terminal() -> bool:
    """Returns True if standard error is a terminal."""
    return sys.stderr.isatty()
