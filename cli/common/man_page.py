"""Writes the help of all commands as one man page."""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import TYPE_CHECKING

import click

from ..tfg import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_EXIT_STATUS = (
    ("0", "it ran, or the check holds"),
    ("1", "a step failed, a graph is invalid, or a difference was found"),
    ("2", "the command line is wrong"),
    ("130", "interrupted"),
)


def man_page(program: click.Group, topics: Sequence[tuple[str, str]]) -> str:
    """Returns a man page in roff: every command with its description and options, and the topics of ``tfg help``."""
    context = click.Context(program, info_name="tfg", **program.context_settings)
    lines = [f'.TH TFG 1 "" "tfg {__version__}" "User Commands"', ".SH NAME"]
    lines += [f"tfg \\- {_escaped(_first_line(program))}", ".SH SYNOPSIS", ".B tfg", "COMMAND [OPTIONS] ..."]
    lines += [".SH COMMANDS"]
    for name in program.list_commands(context):
        command = program.get_command(context, name)
        assert command is not None
        lines += _command(command, click.Context(command, info_name=name, parent=context))
    lines += [".SH EXIT STATUS", *_definitions(_EXIT_STATUS)]
    lines += [".SH TOPICS", "Each is shown by", ".B tfg help", "TOPIC.", *_definitions(topics)]
    return "\n".join(lines) + "\n"


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    """The section of a command, and those of its subcommands."""
    yield f'.SS "{_escaped(" ".join([context.command_path, *command.collect_usage_pieces(context)]))}"'
    yield from _paragraphs(command.help or "")
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    yield from _definitions([record for record in records if record is not None])
    subcommands: dict[str, click.Command] = getattr(command, "subcommands", {})
    for name, inner in subcommands.items():
        yield from _command(
            inner, click.Context(inner, info_name=f"{context.info_name} {name}", parent=context.parent)
        )


def _paragraphs(text: str) -> Iterator[str]:
    """Flowing text, except for the paragraphs that click leaves as they are, those after a ``\\b``."""
    for paragraph in re.split(r"\n\s*\n", cleandoc(text)):
        if paragraph.startswith("\b\n"):
            yield from (".PP", ".nf", *map(_escaped, paragraph[2:].splitlines()), ".fi")
        else:
            yield from (".PP", _escaped(" ".join(paragraph.split())))


def _definitions(items: Sequence[tuple[str, str]]) -> Iterator[str]:
    for term, text in items:
        yield from (".TP", f"\\fB{_escaped(term)}\\fR", _escaped(" ".join(text.split())))


def _first_line(command: click.Command) -> str:
    return (command.help or "").strip().splitlines()[0].rstrip(".")


def _escaped(text: str) -> str:
    """Returns a line in which roff finds no commands."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text
