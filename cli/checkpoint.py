"""``tfg checkpoint``: writes a checkpoint of a state; ``list``, ``verify`` and ``diff`` look at existing ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from ..graphfmt.load import load
from . import checkpoint_files
from .common.checkpoint_summary import tell
from .common.console import UsageError, note
from .common.options import common, feed_options, once
from .common.output_paths import check_apart, check_place

if TYPE_CHECKING:
    from ..graphfmt.graph import Graph
    from ..runtime.checkpointing.checkpoint_files import Checkpoint

_LOOKING = {
    "list": checkpoint_files.list_command,
    "verify": checkpoint_files.verify_command,
    "diff": checkpoint_files.diff_command,
}


class _Checkpoint(click.Command):
    """A command whose first argument may be the name of another one."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        looking = _LOOKING.get(args[0]) if args else None
        if looking is None:
            return super().make_context(info_name, args, parent, **extra)
        return looking.make_context(f"{info_name} {args.pop(0)}", args, parent, **extra)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        with formatter.section("Commands"):
            formatter.write_dl([(name, looking.get_short_help_str(60)) for name, looking in _LOOKING.items()])


def _graph_or_command(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    names = [CompletionItem(name) for name in _LOOKING if name.startswith(incomplete)]
    return [*names, CompletionItem(incomplete, type="file")]


@click.command("checkpoint", cls=_Checkpoint)
@click.argument("graph", metavar="GRAPH", type=click.Path(allow_dash=True), shell_complete=_graph_or_command)
@click.option(
    "--state",
    metavar="FILE.h5",
    type=click.Path(dir_okay=False),
    help="The state to write; any checkpoint will do.",
)
@click.option(
    "--run",
    "targets",
    metavar="NODE",
    multiple=True,
    help="Instead of --state: run this node first, from nothing; repeatable.",
)
@feed_options
@click.option(
    "-o",
    "--output",
    metavar="CKPT",
    multiple=True,
    callback=once,
    required=True,
    help="HDF5 where the name ends in .h5, TensorFlow's format under this prefix otherwise.",
)
@click.option(
    "--only",
    metavar="GLOB",
    multiple=True,
    help="Only these variables, and nothing else of the state; repeatable.",
)
@click.option("--allow-missing", is_flag=True, help="Leave out variables of the graph that have no value.")
@click.option("--compress", is_flag=True, help="Compress; only .h5.")
@click.option(
    "--as",
    "as_dtype",
    metavar="DTYPE",
    type=click.Choice(["bfloat16", "half"]),
    help="Keep floats in 16 bits: bfloat16 or half.",
)
@common
def command(**options: Any) -> None:
    """Write a checkpoint of a state of GRAPH, or of a part of it.

    \b
    tfg checkpoint train.pbtxt --state run.h5 -o digits.h5
    tfg checkpoint mlp.pbtxt --run init --only 'hidden/*' -o exported/model
    tfg checkpoint list digits.h5
    tfg checkpoint verify *.h5
    tfg checkpoint diff digits.h5 exported/model --rtol 1e-6

    Every variable of the graph must have a value in the state. What the state has besides is left out, except
    that a .h5 file also keeps the random counters and the other resources, the step's number and the position in the
    feeds, so that a run can go on from it. A graph that is called `list` is given as ./list.
    """
    given = _Options(**options)
    _check(given)
    graph = load(given.graph)
    if given.state is not None:
        from ..runtime.checkpointing.checkpoint_files import read_checkpoint

        with read_checkpoint(given.state) as checkpoint:
            _write(graph, checkpoint, given)
    else:
        _write(graph, _initial(graph, given), given)


class _Options(NamedTuple):
    graph: str
    state: str | None
    targets: tuple[str, ...]
    feeds: tuple[str, ...]
    archives: tuple[str, ...]
    seed: int
    output: str
    only: tuple[str, ...]
    allow_missing: bool
    compress: bool
    as_dtype: str | None
    as_json: bool
    verbose: int

    @property
    def is_hdf5(self) -> bool:
        return self.output.endswith(".h5")


def _check(given: _Options) -> None:
    """Refuses, before anything runs, what could only fail at the end."""
    if (given.state is None) == (not given.targets):
        raise UsageError("a checkpoint is written either of a --state or of what --run leaves behind")
    if (given.feeds or given.archives) and not given.targets:
        raise UsageError("feeds are for --run")
    if given.compress and not given.is_hdf5:
        raise UsageError("only .h5 files can be compressed", hint=f"-o {given.output}.h5")
    check_place(given.output)
    check_apart(given.output, [given.graph, given.state])


def _initial(graph: Graph, given: _Options) -> Checkpoint:
    """What nodes leave behind that run from nothing."""
    from ..runtime.checkpointing.checkpoint_files import checkpoint_of_state
    from ..runtime.execution.session import Session
    from .common import values

    session = Session(graph, log=note)
    feeds = values.parse_feeds(given.feeds, given.archives)
    wanted = session.plan((), tuple(feeds), given.targets).feeds
    found, _ = values.resolve(feeds, wanted, values.Randomness(given.seed))
    session.run(targets=given.targets, feeds=found)
    return checkpoint_of_state(session.snapshot(), f"the state after {', '.join(given.targets)}")


def _write(graph: Graph, checkpoint: Checkpoint, given: _Options) -> None:
    from ..graphfmt.checkpoints.hdf5.state_file import SavedState
    from ..runtime.checkpointing.restoring import match_tensors
    from ..runtime.checkpointing.saving import write_variables
    from ..runtime.checkpointing.variables import graph_variables

    found = match_tensors(
        graph_variables(graph), checkpoint.reader, only=given.only, allow_missing=given.allow_missing
    )
    rest = SavedState(notes=checkpoint.rest.notes) if given.only else checkpoint.rest
    write_variables(
        given.output, found, checkpoint.reader, rest, compress=given.compress, as_dtype=given.as_dtype
    )
    step = checkpoint.step if given.is_hdf5 else None
    tell(given.output, checkpoint, found, step=step, as_json=given.as_json)
    if not given.is_hdf5 and not given.only and (checkpoint.others or checkpoint.rest.notes):
        note("TensorFlow's format has no place for a step's number and random counters; a .h5 file has")
