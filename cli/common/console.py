"""What goes to the terminal besides results: errors, notes and progress, all on standard error."""

from __future__ import annotations

import io
import json
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ...graphfmt.errors import TfgError

JSON_VERSION = 1


class UsageError(click.UsageError):
    """A wrong command line, with a hint of its own."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def print_anything() -> None:
    """Lets standard output show, escaped, what its encoding has no character for."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def plain(text: str) -> str:
    """A text on one line, with nothing in it that a terminal would obey: names in a file may be anything."""
    return text if text.isprintable() else "".join(map(_visible, " ".join(text.splitlines())))


def _visible(char: str) -> str:
    return char if char.isprintable() else repr(char)[1:-1]


def print_error(error: TfgError, *, as_json: bool = False, verbose: int = 0) -> None:
    """One diagnostic: status and sentence, place and node, hint. With ``--json`` also as a document on
    standard output; with ``-vv`` the traceback as well."""
    if as_json:
        # Standard output may be what the error is about.
        with suppress(OSError):
            print_json({"error": error_fields(error)})
    click.echo(
        click.style(f"error[{error.status}]", fg="red", bold=True, reset=True) + f": {plain(error.message)}",
        err=True,
    )
    where = place_of(error)
    if where:
        click.echo(f"  {click.style('-->', fg='blue', bold=True)} {where}", err=True)
    if error.hint:
        click.echo(f"  {click.style('hint:', fg='cyan')} {plain(error.hint)}", err=True)
    if verbose >= 2:
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True)


def place_of(error: TfgError) -> str:
    """``mlp.pbtxt:41:3  node "hidden/MatMul"``, as far as it is known."""
    parts = [str(error.location) if error.location else "", f'node "{error.node}"' if error.node else ""]
    return plain("  ".join(part for part in parts if part))


def error_fields(error: TfgError) -> dict[str, Any]:
    """An error as ``--json`` shows it."""
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


def print_json(document: dict[str, Any]) -> None:
    """A JSON document on a line of its own, with the version of its format."""
    click.echo(json.dumps({"version": JSON_VERSION, **document}, default=_plain, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


class _Progress:
    """``is_shown`` is whether the cursor stands behind a progress line, which other text must not be put after."""

    is_shown = False


def note(text: str) -> None:
    """Something to read for the person at the terminal, in the place of the progress line, which comes again."""
    if _Progress.is_shown:
        sys.stderr.write(_BEGIN)
        _Progress.is_shown = False
    click.echo(text, err=True)


# To the beginning of the line, and the rest of it away.
_BEGIN = "\r\x1b[K"


def rewrite(text: str) -> None:
    """Replaces the progress line."""
    sys.stderr.write(f"{_BEGIN}{text}")
    sys.stderr.flush()
    _Progress.is_shown = True


def end_line() -> None:
    """Ends the progress line, if there is one, so that what follows has a line of its own."""
    if _Progress.is_shown:
        sys.stderr.write("\n")
        _Progress.is_shown = False


def on_terminal() -> bool:
    """Whether a person watches standard error."""
    return sys.stderr.isatty()
