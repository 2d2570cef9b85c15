"""The start of a run: from a checkpoint, from a state file, or from initializers; and the step at which it ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...graphfmt.traversal import ancestors
from ...kernels.core import registry
from ...kernels.core.traits import Role
from ...runtime.execution.runner import Progress, StepLoop, progress_from
from ..common import console

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...runtime.execution.session import Session
    from ...runtime.saved_models.initialization import Model
    from .options import RunOptions

# ``--restore latest:FOLDER``.
_LATEST = "latest:"


class RunStart(NamedTuple):
    """The progress at which a run starts, the steps left to run, and the step at which it ends.

    ``goal`` is None where only the graph decides when to end.
    """

    progress: Progress
    loop: StepLoop
    goal: int | None


def begin(
    session: Session, options: RunOptions, loop: StepLoop, crashed: Path | None, model: Model | None = None
) -> RunStart:
    """Restores the session's state, or initializes it where there is nothing to restore.

    The state comes from ``crashed``, the checkpoint that this run wrote before it crashed; else from ``--restore`` or
    ``--state``; else from the SavedModel's variables and the ``--init`` nodes.
    """
    for node in options.resume.init:
        # Raises NOT_FOUND before anything runs.
        _ = session.graph[node.removesuffix(":0").removeprefix("^")]
    goal = options.step.until_step
    if crashed is not None:
        notes = session.restore(crashed)
        console.note(f"resuming from {crashed} at step {notes.get('step', 0)}")
        goal = notes.get("until", goal)
        _give_datasets(session, options)
    else:
        notes = _initial_notes(session, options, model)
    # A look at the data begins with its first row, also where training stopped in the middle.
    resumed = loop.batches if loop.changes_state else None
    return _aim(progress_from(notes, resumed), loop, goal)


def _initial_notes(session: Session, options: RunOptions, model: Model | None) -> Mapping[str, Any]:
    """Restores or initializes the session; returns the notes of what was restored."""
    state, init = options.resume.state, options.resume.init
    if options.resume.restore is not None:
        if state is not None and state.exists():
            raise console.UsageError(
                f"--restore would replace the existing state {str(state)!r}",
                hint="leave out --restore or --state",
            )
        notes = _restore(session, options.resume.restore, is_optional=bool(init))
        if notes is not None:
            return _restored(session, options, notes)
    elif state is not None and state.exists():
        return _restored(session, options, session.restore(state))
    if model is not None:
        from ...runtime.saved_models.initialization import make_ready

        make_ready(session, model, needs_variables=not init)
    for node in init:
        session.run(targets=[node], timeout=options.step.timeout)
    return {}


def _restored(session: Session, options: RunOptions, notes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Drops the containers of ``--reset`` from what was restored, and gives iterators their datasets; returns the
    notes."""
    for container in options.resume.reset:
        session.reset(container)
    _give_datasets(session, options)
    return notes


def _give_datasets(session: Session, options: RunOptions) -> None:
    """Gives iterators their datasets after a restore: their positions are part of the state, but not what the elements
    are computed from. The other ``--init`` nodes do not run."""
    needed = ancestors(session.graph, options.resume.init) if options.resume.init else ()
    ops = ((name, registry.find(session.graph[name].op)) for name in needed)
    initializers = [name for name, op in ops if op is not None and op.role is Role.ITERATOR_INITIALIZER]
    if initializers:
        session.run(targets=initializers, timeout=options.step.timeout)


def _restore(session: Session, source: str, *, is_optional: bool) -> Mapping[str, Any] | None:
    """Restores a checkpoint; returns None for a folder without one if ``is_optional``."""
    from ...runtime.checkpointing import checkpoints
    from ...runtime.checkpointing.checkpoint_files import restored_state

    if not source.startswith(_LATEST):
        return session.take(restored_state(session.graph, source))
    folder = Path(source.removeprefix(_LATEST))
    path = checkpoints.newest_in(folder, console.note) if folder.is_dir() or not is_optional else None
    if path is None and not is_optional:
        raise checkpoints.no_checkpoint(folder)
    if path is None:
        console.note(f"no checkpoint in {folder} yet: running the initializer")
        return None
    notes = session.take(restored_state(session.graph, path))
    console.note(f"restored {path} at step {notes.get('step', 0)}")
    return notes


def _aim(progress: Progress, loop: StepLoop, goal: int | None) -> RunStart:
    """Limits the loop to the steps left before the goal; without a goal, derives it from the loop."""
    if goal is not None:
        left = max(0, goal - progress.step)
        return RunStart(progress, loop._replace(steps=left, epochs=None), goal)
    total = loop.total
    return RunStart(progress, loop, None if total is None else progress.step + total)
