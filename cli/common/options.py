"""Arguments and options that several commands share.

Options that belong together are a named tuple with a decorator beside it: ``option_group`` collects their values
into one object, which the command takes as one parameter. (A frozen dataclass takes several times as long to define.)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from ...graphfmt.errors import TfgWarning
from . import completions

if TYPE_CHECKING:
    from ...graphfmt.graph import Graph

F = TypeVar("F", bound=Callable[..., Any])


def option_group(parameter: str, group: type[Any], *options: Callable[[Any], Any]) -> Callable[[F], F]:
    """Returns a decorator that adds options to a command, in the order in which ``--help`` shows them.

    The command receives their values as ``parameter``, an object of the named tuple ``group``, whose fields are
    the options' names.
    """
    names = group._fields

    def decorate(command: F) -> F:
        @wraps(command)
        def collect(*args: Any, **values: Any) -> Any:
            values[parameter] = group(**{name: values.pop(name) for name in names})
            return command(*args, **values)

        for option in reversed(options):
            collect = option(collect)
        return collect  # pyright: ignore[reportReturnType]

    return decorate


def common_options(command: F) -> F:
    """Adds ``--json`` and ``-v``, which every command has."""
    command = click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")(command)
    return click.option("-v", "--verbose", count=True, help="Print more; -vv adds tracebacks.")(command)


def _split_tags(context: click.Context, option: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(tag for tag in value.split(",") if tag)


tags_option = click.option(
    "--tags",
    metavar="TAG,...",
    callback=_split_tags,
    help="Take the MetaGraph with these tags from a SavedModel that has several. Default: serve, or the first.",
)


def _refuse_warnings(context: click.Context, option: click.Parameter, is_strict: bool) -> None:
    if is_strict:
        warnings.simplefilter("error", TfgWarning)


strict_option = click.option(
    "--strict",
    is_flag=True,
    expose_value=False,
    callback=_refuse_warnings,
    help="Refuse attributes that an operation does not have, instead of ignoring them with a warning.",
)


graph_argument = click.argument("graph", metavar="GRAPH", type=click.Path(allow_dash=True))

output_option = click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    shell_complete=completions.paths,
    help="Output graph: text, or binary if FILE ends in .pb; - is standard output.",
)


def check_devices(context: click.Context, option: click.Parameter, spec: str | None) -> str | None:
    """A click callback: reports counts of devices that cannot be as a wrong command line."""
    if spec is not None:
        from ...runtime.passes.placement.machine.machine import is_machine_file, parse_devices
        from .console import usage_errors

        if not is_machine_file(spec):
            with usage_errors():
                parse_devices(spec)
    return spec


soft_option = click.option(
    "--soft/--hard",
    default=False,
    show_default=True,
    help="Ignore, or report as errors, requests for device types and numbers that do not exist.",
)

init_option = click.option(
    "--init",
    metavar="NODE",
    multiple=True,
    shell_complete=completions.nodes,
    help="Run this node once before the first step, unless a state is restored; repeatable.",
)

pin_option = click.option(
    "--pin",
    "pins",
    metavar="GLOB=DEVICE",
    multiple=True,
    shell_complete=completions.nodes,
    help="Request a device for nodes whose names match ('hidden/*=/device:CPU:1'); repeatable, the last match wins.",
)


class FetchOptions(NamedTuple):
    """The values to fetch and the nodes to run for their effects."""

    fetches: tuple[str, ...]
    targets: tuple[str, ...]


fetch_options = option_group(
    "fetch",
    FetchOptions,
    click.option(
        "--fetch",
        "fetches",
        metavar="NAME",
        multiple=True,
        shell_complete=completions.fetches,
        help="Fetch this value; repeatable.",
    ),
    click.option(
        "--target",
        "targets",
        metavar="NODE",
        multiple=True,
        shell_complete=completions.nodes,
        help="Run this node for its effect; repeatable.",
    ),
)


class FeedOptions(NamedTuple):
    """Feeds as written, archives of feeds, and the seed of random feeds and of shuffling."""

    feeds: tuple[str, ...]
    archives: tuple[str, ...]
    seed: int


feed_options = option_group(
    "feed",
    FeedOptions,
    click.option(
        "--feed",
        "feeds",
        metavar="NAME=VALUE",
        multiple=True,
        shell_complete=completions.feeds,
        help="VALUE: JSON, @FILE, @FILE[KEY], @-, zeros, ones, random or random:SHAPE; repeatable.",
    ),
    click.option(
        "--feeds",
        "archives",
        metavar="FILE.npz",
        multiple=True,
        shell_complete=completions.paths,
        help="Feed every array of an archive under its own name; repeatable.",
    ),
    click.option(
        "--seed",
        metavar="N",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Seed of random feeds and of --shuffle.",
    ),
)


def pin_nodes(graph: Graph, pins: tuple[str, ...]) -> Graph:
    """Returns the graph with the device requests of ``--pin``."""
    if not pins:
        return graph
    from ...runtime.passes.placement.constraints.pins import parse_pin, pin

    return pin(graph, map(parse_pin, pins))


def single_value(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> str | None:
    """A click callback for an option declared ``multiple``: returns its only value, and refuses a second one.

    click would silently take the last of several values.
    """
    if len(values) > 1:
        raise click.UsageError(f"{option.opts[0]} is given twice: {values[0]!r} and {values[1]!r}", context)
    return values[0] if values else None
