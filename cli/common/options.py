"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ...graphfmt.graph import Graph

F = TypeVar("F", bound=Callable[..., Any])


def group(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    """Several options as one decorator, in the order in which ``--help`` shows them."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


graph_argument = click.argument("graph", metavar="GRAPH", type=click.Path(allow_dash=True))

output_option = click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="Where the graph goes: text, or binary for .pb; - is standard output.",
)

devices_option = click.option(
    "--devices",
    required=True,
    metavar="SPEC",
    help="cpu:2; cpu:4,gpu:1; or a file that describes devices and links.",
)

soft_option = click.option(
    "--soft/--hard",
    default=False,
    show_default=True,
    help="Whether device types and numbers that cannot be had are wishes or errors.",
)

init_option = click.option(
    "--init", metavar="NODE", multiple=True, help="Run this node once first, unless there is a state already."
)

work_options = group(
    click.option(
        "--fetch", "fetches", metavar="NAME", multiple=True, help="Print or save this value; repeatable."
    ),
    click.option(
        "--target", "targets", metavar="NODE", multiple=True, help="Run this node for its effect; repeatable."
    ),
)

feed_options = group(
    click.option(
        "--feed",
        "feeds",
        metavar="NAME=VALUE",
        multiple=True,
        help="A JSON literal, @FILE, @FILE[KEY], @-, zeros, ones, random, random:SHAPE.",
    ),
    click.option(
        "--feeds",
        "archives",
        metavar="FILE.npz",
        multiple=True,
        help="Feed every array of an archive under its own name.",
    ),
    click.option(
        "--seed",
        metavar="N",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Fixes random feeds and the order of --shuffle.",
    ),
)

state_option = click.option(
    "--state",
    metavar="FILE.h5",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep variables and all other state here between commands.",
)

pin_option = click.option(
    "--pin",
    "pins",
    metavar="GLOB=DEVICE",
    multiple=True,
    help="Nodes of these names ask for this device ('hidden/*=/device:CPU:1'); repeatable, the last one counts.",
)

checkpoint_options = group(
    click.option(
        "--restore",
        metavar="FILE",
        help="Begin with this checkpoint; latest:FOLDER takes the newest in a folder that verifies.",
    ),
    click.option(
        "--checkpoint",
        metavar="FILE.h5",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write checkpoints here while steps run, and at the end.",
    ),
    click.option(
        "--every",
        metavar="WHEN",
        help="A number of steps (100), a time (30s, 5m), or auto, the default: what loses least.",
    ),
    click.option(
        "--keep",
        metavar="N",
        type=click.IntRange(min=1),
        help="Keep the last N checkpoints as well, under the numbers of their steps.",
    ),
    click.option(
        "--mtbf",
        metavar="TIME",
        help="The mean time between failures that auto expects (6h); one day, corrected by the failures seen.",
    ),
    click.option(
        "--max-restarts",
        metavar="N",
        type=click.IntRange(min=0),
        help="When the run crashes, go on from the newest checkpoint that verifies, at most N times.",
    ),
)


def pinned(graph: Graph, pins: tuple[str, ...]) -> Graph:
    """A graph with what ``--pin`` says."""
    if not pins:
        return graph
    from ...runtime.passes.placement.constraints.pins import parse_pin, pin

    return pin(graph, map(parse_pin, pins))


def once(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> str | None:
    """For an option declared as one of several values: the only one. Given twice it is a slip, and whichever
    was taken might be the wrong one."""
    if len(values) > 1:
        raise click.UsageError(f"{option.opts[0]} is given twice: {values[0]!r} and {values[1]!r}", context)
    return values[0] if values else None


def common(command: F) -> F:
    """``--json`` and ``-v``, which every command has."""
    command = click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")(command)
    return click.option("-v", "--verbose", count=True, help="Say more; -vv adds tracebacks.")(command)
