"""``tfg checkpoint``: writes a checkpoint of a state; ``list``, ``verify`` and ``diff`` inspect checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import checkpoint_files
from .common import completions
from .common.checkpoint_summary import print_summary
from .common.console import UsageError, note
from .common.graphs import load_checked
from .common.options import FeedOptions, common_options, feed_options, single_value, strict_option
from .common.output_paths import check_not_input, check_output_path

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ..graphfmt.graph import Graph
    from ..runtime.checkpointing.checkpoint_files import Checkpoint

_SUBCOMMANDS = {
    "list": checkpoint_files.list_command,
    "verify": checkpoint_files.verify_command,
    "diff": checkpoint_files.diff_command,
}


class _CheckpointCommand(click.Command):
    """A command whose first argument may be the name of a subcommand."""

    subcommands = _SUBCOMMANDS

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        subcommand = _SUBCOMMANDS.get(args[0]) if args else None
        if subcommand is None:
            return super().make_context(info_name, args, parent, **extra)
        return subcommand.make_context(f"{info_name} {args.pop(0)}", args, parent, **extra)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        with formatter.section("Commands"):
            formatter.write_dl([(name, sub.get_short_help_str(60)) for name, sub in _SUBCOMMANDS.items()])


def _graph_or_command(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    from click.shell_completion import CompletionItem

    names = [
        CompletionItem(name, help=sub.get_short_help_str(60))
        for name, sub in _SUBCOMMANDS.items()
        if name.startswith(incomplete)
    ]
    return [*names, CompletionItem(incomplete, type="file")]


@click.command("checkpoint", cls=_CheckpointCommand)
@click.argument("graph", metavar="GRAPH", type=click.Path(allow_dash=True), shell_complete=_graph_or_command)
@click.option(
    "--state",
    metavar="FILE.h5",
    type=click.Path(dir_okay=False),
    help="The state to read; a checkpoint of any format.",
)
@click.option(
    "--run",
    "targets",
    metavar="NODE",
    shell_complete=completions.nodes,
    multiple=True,
    help="Instead of --state: run this node in a new session; repeatable.",
)
@feed_options
@click.option(
    "-o",
    "--output",
    metavar="CKPT",
    shell_complete=completions.paths,
    multiple=True,
    callback=single_value,
    required=True,
    help="Output: HDF5 if the name ends in .h5, else the prefix of a checkpoint in TensorFlow's format.",
)
@click.option(
    "--only",
    metavar="GLOB",
    shell_complete=completions.nodes,
    multiple=True,
    help="Write only matching variables and no other state; repeatable.",
)
@click.option(
    "--allow-missing", is_flag=True, help="Omit variables of the graph without a value in the state."
)
@click.option("--compress", is_flag=True, help="Compress; .h5 only.")
@click.option(
    "--as",
    "as_dtype",
    metavar="DTYPE",
    type=click.Choice(["bfloat16", "half"]),
    help="Store floats in 16 bits: bfloat16 or half.",
)
@strict_option
@common_options
def command(**options: Any) -> None:
    """Write a checkpoint of the state of GRAPH.

    \b
    tfg checkpoint train.pbtxt --state run.h5 -o digits.h5
    tfg checkpoint mlp.pbtxt --run init --only 'hidden/*' -o exported/model
    tfg checkpoint list digits.h5
    tfg checkpoint verify *.h5
    tfg checkpoint diff digits.h5 exported/model --rtol 1e-6

    Every variable of the graph must have a value in the state. A .h5 file also holds random counters, other
    resources, the step number and the position in the feeds, so that a run can resume from it. Write ./list for a
    graph file named list.
    """
    parsed = _WriteOptions(**options)
    _check(parsed)
    graph = load_checked(parsed.graph)
    if parsed.state is not None:
        from ..runtime.checkpointing.checkpoint_files import read_checkpoint

        with read_checkpoint(parsed.state) as checkpoint:
            _write(graph, checkpoint, parsed)
    else:
        _write(graph, _run_targets(graph, parsed), parsed)


@dataclass(frozen=True)
class _WriteOptions:
    graph: str
    state: str | None
    targets: tuple[str, ...]
    feed: FeedOptions
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


def _check(options: _WriteOptions) -> None:
    """Raises before anything runs for contradictory options and for an output that cannot be written."""
    if (options.state is None) == (not options.targets):
        raise UsageError("give either --state or --run")
    if (options.feed.feeds or options.feed.archives) and not options.targets:
        raise UsageError("--feed and --feeds need --run")
    if options.compress and not options.is_hdf5:
        raise UsageError("--compress needs a .h5 file", hint=f"-o {options.output}.h5")
    check_output_path(options.output)
    check_not_input(options.output, [options.graph, options.state])


def _run_targets(graph: Graph, options: _WriteOptions) -> Checkpoint:
    """Runs the ``--run`` nodes in a new session, and returns its state."""
    from ..runtime.checkpointing.checkpoint_files import checkpoint_of_state
    from ..runtime.execution.session import Session
    from .common import values

    session = Session(graph, log=note)
    feeds = values.parse_feeds(options.feed.feeds, options.feed.archives)
    fed = session.plan((), tuple(feeds), options.targets).feeds
    arrays, _ = values.resolve(feeds, fed, values.Randomness(options.feed.seed))
    session.run(targets=options.targets, feeds=arrays)
    return checkpoint_of_state(session.snapshot(), f"the state after {', '.join(options.targets)}")


def _write(graph: Graph, checkpoint: Checkpoint, options: _WriteOptions) -> None:
    from ..graphfmt.checkpoints.hdf5.state_file import SavedState
    from ..graphfmt.checkpoints.latest import record_latest
    from ..graphfmt.checkpoints.open import exists
    from ..graphfmt.file_lock import locked
    from ..runtime.checkpointing.restoring import match_tensors
    from ..runtime.checkpointing.saving import write_variables
    from ..runtime.checkpointing.variables import graph_variables

    matched = match_tensors(
        graph_variables(graph), checkpoint.reader, only=options.only, allow_missing=options.allow_missing
    )
    other_state = SavedState(notes=checkpoint.rest.notes) if options.only else checkpoint.rest
    with locked(Path(options.output)):
        write_variables(
            options.output,
            matched,
            checkpoint.reader,
            other_state,
            compress=options.compress,
            as_dtype=options.as_dtype,
        )
        if not options.is_hdf5:
            record_latest(options.output, exists)
    step = checkpoint.step if options.is_hdf5 else None
    print_summary(options.output, checkpoint, matched, step=step, as_json=options.as_json)
    if not options.is_hdf5 and not options.only and (checkpoint.others or checkpoint.rest.notes):
        note("TensorFlow's format does not hold the step number and random counters; a .h5 file does")
