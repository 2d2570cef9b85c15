"""``tfg restore``: restores a checkpoint into a state, or into the graph as constants."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..graphfmt.load import read_graph_file, save
from ..runtime.passes.graph_checks import check_graph
from .common import completions
from .common.checkpoint_summary import print_summary
from .common.console import UsageError, note
from .common.options import common_options, graph_argument, single_value, strict_option, tags_option
from .common.output_paths import check_not_input, check_output_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from ..graphfmt.checkpoints.hdf5.state_file import SavedState
    from ..graphfmt.graph import Graph
    from ..runtime.checkpointing.checkpoint_files import Checkpoint
    from ..runtime.checkpointing.restoring import Match
    from ..runtime.saved_models.initialization import Model


@click.command("restore")
@graph_argument
@click.argument("ckpt", metavar="[CKPT]", required=False, type=click.Path())
@click.option(
    "--state",
    metavar="FILE.h5",
    shell_complete=completions.paths,
    multiple=True,
    callback=single_value,
    help="Output: a state for tfg run --state.",
)
@click.option(
    "-o",
    "--output",
    metavar="FROZEN",
    shell_complete=completions.paths,
    multiple=True,
    callback=single_value,
    help="Output: the graph with constants for variables; text, or binary if FROZEN ends in .pb; - is standard output.",
)
@click.option(
    "--only",
    metavar="GLOB",
    shell_complete=completions.nodes,
    multiple=True,
    help="Restore only matching variables and no other state; repeatable.",
)
@click.option(
    "--rename",
    metavar="OLD=NEW",
    multiple=True,
    help="Restore the checkpoint's tensor OLD into the variable NEW; repeatable. A * in OLD matches any text, and * in "
    "NEW stands for it.",
)
@click.option(
    "--allow-missing",
    is_flag=True,
    help="Variables missing in the checkpoint keep their values.",
)
@click.option(
    "--init",
    metavar="NODE",
    multiple=True,
    shell_complete=completions.nodes,
    help="With --state: run this node first, to initialize what is not restored; repeatable.",
)
@click.option(
    "--fetch",
    "fetches",
    metavar="NAME",
    multiple=True,
    shell_complete=completions.nodes,
    help="With -o: keep only what these outputs need; repeatable.",
)
@click.option(
    "--signature",
    metavar="NAME",
    shell_complete=completions.signatures,
    help="With -o: keep only what this signature's outputs need.",
)
@tags_option
@strict_option
@common_options
def command(**options: Any) -> None:
    """Check the checkpoint CKPT against GRAPH, and restore it.

    \b
    tfg restore train.pbtxt digits.h5 --state run.h5
    tfg restore mlp.pbtxt digits.h5 -o model.pbtxt
    tfg restore mlp.pbtxt other/model.ckpt-1000 --rename 'net/*=*' --state run.h5
    tfg restore exported_model/ --signature serving_default -o model.pb

    CKPT is a .h5 file, the prefix of a checkpoint in TensorFlow's format, or a folder with checkpoints; a SavedModel
    contains its own. Every variable of the graph must have a tensor of its dtype and shape; devices do not matter.
    The step number, the position in the feeds, random counters and all other state in a .h5 file are restored too.

    An existing state is replaced; with --only or --allow-missing, what is not restored stays in it.
    """
    parsed = _RestoreOptions(**options)
    _check(parsed)
    from ..graphfmt.rename_rules import parse_rule
    from ..runtime.checkpointing.restoring import match_tensors
    from ..runtime.checkpointing.variables import variables_of_nodes
    from ..runtime.saved_models.initialization import model_of

    rules = [parse_rule(text) for text in parsed.rename]
    file = read_graph_file(parsed.graph, parsed.tags)
    check_graph(file.graph)
    graph, model = file.graph, model_of(file)
    keep = _kept_names(graph, model, parsed)
    source = _open_source(model, parsed)
    with source.checkpoint as checkpoint:
        matched = match_tensors(
            variables_of_nodes(graph, keep),
            checkpoint.reader,
            only=parsed.only,
            rename=rules,
            allow_missing=not source.is_complete,
        )
        if parsed.state is not None:
            _write_state(graph, checkpoint, matched, parsed)
        else:
            _write_graph(graph, keep, checkpoint, matched, parsed)
        step = None if parsed.only else checkpoint.step
        print_summary(parsed.target, checkpoint, matched, step=step, as_json=parsed.as_json)


@dataclass(frozen=True)
class _CheckpointSource:
    """The checkpoint to restore. ``is_complete``: it must have a value for every variable.

    A SavedModel may have variables that it never uses.
    """

    checkpoint: AbstractContextManager[Checkpoint]
    is_complete: bool


def _open_source(model: Model | None, options: _RestoreOptions) -> _CheckpointSource:
    """Opens the checkpoint, or runs the restore operation of a SavedModel for its variables.

    Raises NOT_FOUND for a checkpoint that does not exist, and for a SavedModel that has lost its variables.
    """
    from ..runtime.checkpointing.checkpoint_files import checkpoint_of_state, read_checkpoint

    if options.ckpt is not None:
        return _CheckpointSource(read_checkpoint(options.ckpt), not options.allow_missing)
    if model is None or model.folder is None:
        raise UsageError(
            "the argument CKPT is missing; only a SavedModel contains a checkpoint",
            "tfg restore GRAPH CKPT ...",
        )
    from ..runtime.saved_models.initialization import check_variables, restored_state

    check_variables(model)
    if model.meta.saver is None and model.has_variables:
        return _CheckpointSource(read_checkpoint(model.folder), not options.allow_missing)
    return _CheckpointSource(nullcontext(checkpoint_of_state(restored_state(model), options.graph)), False)


@dataclass(frozen=True)
class _RestoreOptions:
    graph: str
    ckpt: str | None
    state: str | None
    output: str | None
    only: tuple[str, ...]
    rename: tuple[str, ...]
    allow_missing: bool
    init: tuple[str, ...]
    fetches: tuple[str, ...]
    signature: str | None
    tags: tuple[str, ...] | None
    as_json: bool
    verbose: int

    @property
    def target(self) -> str:
        """The output file, state or graph."""
        return self.state or self.output or ""


def _check(options: _RestoreOptions) -> None:
    """Raises before anything is read for contradictory options and for an output that cannot be written."""
    if (options.state is None) == (options.output is None):
        raise UsageError("give either --state or -o")
    if options.init and options.state is None:
        raise UsageError("--init needs --state")
    if (options.fetches or options.signature) and options.output is None:
        raise UsageError("--fetch and --signature need -o")
    if options.target != "-":
        check_output_path(options.target)
        check_not_input(options.target, [options.graph, options.ckpt])


def _write_state(graph: Graph, checkpoint: Checkpoint, matched: Match, options: _RestoreOptions) -> None:
    from ..graphfmt.checkpoints.hdf5 import state_file
    from ..graphfmt.file_lock import locked

    path = Path(options.target)
    state_file.check_replaceable(path)
    with locked(path):
        _replace_state(path, graph, checkpoint, matched, options)


def _replace_state(
    path: Path, graph: Graph, checkpoint: Checkpoint, matched: Match, options: _RestoreOptions
) -> None:
    from ..graphfmt.checkpoints.hdf5 import state_file
    from ..graphfmt.checkpoints.hdf5.state_file import SavedState
    from ..runtime.checkpointing.saving import variable_values

    base = _base_state(graph, path, options)
    notes = dict(base.notes if options.only else checkpoint.rest.notes)
    if checkpoint.step is not None and not options.only:
        notes.setdefault("step", checkpoint.step)
    others = {} if options.only else checkpoint.rest.resources
    state_file.write(
        path, SavedState({**others, **base.resources, **variable_values(matched, checkpoint.reader)}, notes)
    )


def _base_state(graph: Graph, path: Path, options: _RestoreOptions) -> SavedState:
    """Returns the state whose variables the restored ones replace."""
    from ..graphfmt.checkpoints.hdf5 import state_file

    if options.init:
        from ..runtime.execution.session import Session

        session = Session(graph, log=note)
        session.run(targets=options.init)
        return session.snapshot()
    if (options.only or options.allow_missing) and path.exists():
        return state_file.read(path)
    return state_file.SavedState()


def _write_graph(
    graph: Graph, keep: Sequence[str], checkpoint: Checkpoint, matched: Match, options: _RestoreOptions
) -> None:
    from ..runtime.passes.freezing.freeze import freeze

    values = {v.name: source.read(checkpoint.reader, v.dtype) for v, source in matched.taken.items()}
    save(freeze(graph, values, keep=keep, partly=bool(options.only) or options.allow_missing), options.target)


def _kept_names(graph: Graph, model: Model | None, options: _RestoreOptions) -> list[str]:
    """Returns the outputs, and the inputs of a signature, that the frozen graph keeps."""
    if options.signature is None:
        return list(options.fetches)
    from ..runtime.saved_models import signatures

    if model is None:
        raise UsageError(
            f"--signature needs a SavedModel or MetaGraph, and {options.graph!r} is a plain graph"
        )
    call = signatures.find(model.meta, options.signature)
    outputs = [call.fetch(graph, name) for name in options.fetches or call.outputs]
    return [*outputs, *(call.feed(graph, name) for name in call.inputs)]
