"""Where a run begins: at a checkpoint, at a state, or with the initialisers; and where it is to end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ...runtime.execution.runner import Progress, StepLoop, progress_from
from ..common import console

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...runtime.execution.session import Session
    from ...runtime.saved_models.initialization import Model

# ``--restore latest:FOLDER``.
_LATEST = "latest:"


class Options(Protocol):
    """What ``tfg run`` was told about it."""

    @property
    def init(self) -> tuple[str, ...]: ...
    @property
    def state(self) -> Path | None: ...
    @property
    def restore(self) -> str | None: ...
    @property
    def until_step(self) -> int | None: ...
    @property
    def timeout(self) -> float | None: ...


class Beginning(NamedTuple):
    """Where a run stands at first, what there is to do from there, and the step that it is to reach (None
    where only the graph knows)."""

    progress: Progress
    work: StepLoop
    goal: int | None


def begin(
    session: Session, options: Options, work: StepLoop, source: Path | None, model: Model | None = None
) -> Beginning:
    """Takes up the checkpoint that this run wrote before it crashed (``source``), the one to restore or the state;
    or begins with what the ``model`` comes with, and runs the initialisers, where there is nothing yet."""
    for node in options.init:
        _ = session.graph[node.removesuffix(":0").removeprefix("^")]
    goal = options.until_step
    if source is not None:
        notes = session.restore(source)
        console.note(f"going on from {source}, step {notes.get('step', 0)}")
        goal = notes.get("until", goal)
    else:
        notes = _restored(session, options, model)
    progress = progress_from(notes, work.batches)
    return _aimed(progress, work, goal)


def _restored(session: Session, options: Options, model: Model | None) -> Mapping[str, Any]:
    """The notes of what there is to begin with."""
    state = options.state
    if options.restore is not None:
        if state is not None and state.exists():
            raise console.UsageError(
                f"there is a state already, {str(state)!r}, and --restore would replace it",
                hint="leave one of the two out",
            )
        notes = _restore(session, options.restore, is_optional=bool(options.init))
        if notes is not None:
            return notes
    elif state is not None and state.exists():
        return session.restore(state)
    if model is not None:
        from ...runtime.saved_models.initialization import make_ready

        make_ready(session, model)
    for node in options.init:
        session.run(targets=[node], timeout=options.timeout)
    return {}


def _restore(session: Session, source: str, *, is_optional: bool) -> Mapping[str, Any] | None:
    """Restores a checkpoint; None where a folder has none yet and there is an initialiser instead."""
    from ...runtime.checkpointing import checkpoints
    from ...runtime.checkpointing.checkpoint_files import restored_state

    if not source.startswith(_LATEST):
        return session.take(restored_state(session.graph, source))
    folder = Path(source.removeprefix(_LATEST))
    found = checkpoints.newest_in(folder, console.note) if folder.is_dir() or not is_optional else None
    if found is None and not is_optional:
        raise checkpoints.no_checkpoint(folder)
    if found is None:
        console.note(f"there is no checkpoint in {folder} yet: beginning with the initialiser")
        return None
    notes = session.take(restored_state(session.graph, found))
    console.note(f"restored {found}, step {notes.get('step', 0)}")
    return notes


def _aimed(progress: Progress, work: StepLoop, goal: int | None) -> Beginning:
    """What is left to do until the goal; where there is none, the goal that the work amounts to."""
    if goal is not None:
        left = max(0, goal - progress.step)
        return Beginning(progress, work._replace(steps=left, epochs=None), goal)
    total = work.total
    return Beginning(progress, work, None if total is None else progress.step + total)
