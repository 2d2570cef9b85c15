"""``tfg restore``: puts a checkpoint back into a state, or into the graph itself as constants."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..graphfmt.load import is_saved_model, load, save
from .common.checkpoint_summary import tell
from .common.console import UsageError, note
from .common.options import common, graph_argument, once
from .common.output_paths import check_apart, check_place

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ..graphfmt.checkpoints.hdf5.state_file import SavedState
    from ..graphfmt.graph import Graph
    from ..runtime.checkpointing.checkpoint_files import Checkpoint
    from ..runtime.checkpointing.restoring import Match


@click.command("restore")
@graph_argument
@click.argument("ckpt", metavar="[CKPT]", required=False, type=click.Path())
@click.option(
    "--state",
    metavar="FILE.h5",
    multiple=True,
    callback=once,
    help="The state to write, for tfg run --state.",
)
@click.option(
    "-o",
    "--output",
    metavar="FROZEN",
    multiple=True,
    callback=once,
    help="Instead: the graph with constants for variables; text, or binary for .pb; - is standard output.",
)
@click.option(
    "--only",
    metavar="GLOB",
    multiple=True,
    help="Only these variables, and nothing else of the checkpoint; repeatable.",
)
@click.option(
    "--rename",
    metavar="OLD=NEW",
    multiple=True,
    help="What the checkpoint calls OLD is NEW in the graph; repeatable. A * in OLD is any text, and the * in NEW "
    "the same.",
)
@click.option(
    "--allow-missing",
    is_flag=True,
    help="Variables that the checkpoint does not have keep the value they have.",
)
@click.option(
    "--init",
    metavar="NODE",
    multiple=True,
    help="With --state: run this node first, so that what is not restored has a value; repeatable.",
)
@click.option(
    "--fetch",
    "fetches",
    metavar="NAME",
    multiple=True,
    help="With -o: what the frozen graph is for; what none of these needs goes. Repeatable.",
)
@click.option(
    "--signature", metavar="NAME", help="With -o: the frozen graph is for this signature's outputs."
)
@common
def command(**options: Any) -> None:
    """Check the checkpoint CKPT against GRAPH, and put it back.

    \b
    tfg restore train.pbtxt digits.h5 --state run.h5
    tfg restore mlp.pbtxt digits.h5 -o model.pbtxt
    tfg restore mlp.pbtxt other/model.ckpt-1000 --rename 'net/*=*' --state run.h5
    tfg restore exported_model/ --signature serving_default -o model.pb

    CKPT is a .h5 file, or a checkpoint of TensorFlow's by its prefix, or a folder of them; a SavedModel has its
    own. Every variable of the graph must have a tensor of its dtype and shape, on whatever device either was.
    A step's number, the position in the feeds, random counters and all else that a .h5 file keeps come back too.

    A state that is there already is replaced; with --only or --allow-missing it keeps what is not restored.
    """
    given = _Options(**options)
    _check(given)
    from ..runtime.checkpointing.renaming import parse_rule
    from ..runtime.checkpointing.restoring import match_tensors
    from ..runtime.checkpointing.variables import graph_variables

    rules = [parse_rule(text) for text in given.rename]
    graph = load(given.graph)
    source = _source(given)
    with source.checkpoint as checkpoint:
        found = match_tensors(
            graph_variables(graph),
            checkpoint.reader,
            only=given.only,
            rename=rules,
            allow_missing=not source.is_whole,
        )
        if given.state is not None:
            _into_state(graph, checkpoint, found, given)
        else:
            _into_graph(graph, checkpoint, found, given)
        step = None if given.only else checkpoint.step
        tell(given.target, checkpoint, found, step=step, as_json=given.as_json)


class _Source(NamedTuple):
    """Where the values come from. ``is_whole`` says that there must be one for every variable; a SavedModel may
    have some that it never uses."""

    checkpoint: AbstractContextManager[Checkpoint]
    is_whole: bool


def _source(given: _Options) -> _Source:
    """The checkpoint, or what a SavedModel's own restore operation makes of its variables."""
    from ..runtime.checkpointing.checkpoint_files import checkpoint_of_state, read_checkpoint

    if given.ckpt is not None:
        return _Source(read_checkpoint(given.ckpt), not given.allow_missing)
    from ..runtime.saved_models.initialization import open_model, restored_state

    model = open_model(given.graph)
    assert model is not None
    if model.meta.saver is None:
        return _Source(read_checkpoint(model.folder or given.graph), not given.allow_missing)
    return _Source(nullcontext(checkpoint_of_state(restored_state(model), given.graph)), False)


class _Options(NamedTuple):
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
    as_json: bool
    verbose: int

    @property
    def target(self) -> str:
        return self.state or self.output or ""


def _check(given: _Options) -> None:
    """Refuses, before anything is read, what could only fail at the end."""
    if (given.state is None) == (given.output is None):
        raise UsageError("a checkpoint is restored either into a --state or, with -o, into the graph")
    if given.init and given.state is None:
        raise UsageError("--init is for --state: a frozen graph has no state")
    if (given.fetches or given.signature) and given.output is None:
        raise UsageError("--fetch and --signature are for -o: a state is for all of the graph")
    if given.ckpt is None and not is_saved_model(given.graph):
        raise UsageError(
            "which checkpoint? Only a SavedModel's folder has its own", "tfg restore GRAPH CKPT ..."
        )
    if given.target != "-":
        check_place(given.target)
        check_apart(given.target, [given.graph, given.ckpt])


def _into_state(graph: Graph, checkpoint: Checkpoint, found: Match, given: _Options) -> None:
    from ..graphfmt.checkpoints.hdf5 import state_file
    from ..graphfmt.checkpoints.hdf5.state_file import SavedState
    from ..runtime.checkpointing.saving import variable_values

    path = Path(given.target)
    state_file.check_replaceable(path)
    base = _base(graph, path, given)
    notes = dict(base.notes if given.only else checkpoint.rest.notes)
    if checkpoint.step is not None and not given.only:
        notes.setdefault("step", checkpoint.step)
    rest = {} if given.only else checkpoint.rest.resources
    state_file.write(
        path, SavedState({**rest, **base.resources, **variable_values(found, checkpoint.reader)}, notes)
    )


def _base(graph: Graph, path: Path, given: _Options) -> SavedState:
    """The state that what is restored goes into."""
    from ..graphfmt.checkpoints.hdf5 import state_file

    if given.init:
        from ..runtime.execution.session import Session

        session = Session(graph, log=note)
        session.run(targets=given.init)
        return session.snapshot()
    if (given.only or given.allow_missing) and path.exists():
        return state_file.read(path)
    return state_file.SavedState()


def _into_graph(graph: Graph, checkpoint: Checkpoint, found: Match, given: _Options) -> None:
    from ..runtime.passes.freezing.freeze import freeze

    keep = _keep(graph, given)
    variable_values = {v.name: source.read(checkpoint.reader, v.dtype) for v, source in found.taken.items()}
    save(
        freeze(graph, variable_values, keep=keep, partly=bool(given.only) or given.allow_missing),
        given.target,
    )


def _keep(graph: Graph, given: _Options) -> list[str]:
    """What the frozen graph is for, by the graph's names."""
    if given.signature is None:
        return list(given.fetches)
    from ..runtime.saved_models import signatures
    from ..runtime.saved_models.initialization import open_model

    model = open_model(given.graph)
    if model is None:
        raise UsageError(f"--signature is for SavedModels, and {given.graph!r} is only a graph")
    call = signatures.find(model.meta, given.signature)
    outputs = [call.fetch(graph, name) for name in given.fetches or call.outputs]
    return [*outputs, *(call.feed(graph, name) for name in call.inputs)]
