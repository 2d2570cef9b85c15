"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

graph_argument = click.argument("graph", metavar="GRAPH", type=click.Path(allow_dash=True))

output_option = click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="Where the graph goes: text, or binary for .pb; - is standard output.",
)


def common(command: F) -> F:
    """``--json`` and ``-v``, which every command has."""
    command = click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")(command)
    return click.option("-v", "--verbose", count=True, help="Say more; -vv adds tracebacks.")(command)
