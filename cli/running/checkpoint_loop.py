"""``tfg run --checkpoint``: checkpoints during the steps and after the last one."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from ...graphfmt.checkpoints.hdf5 import state_file
from ...graphfmt.errors import TfgError
from ...graphfmt.units import parse_duration
from ...runtime.checkpointing.checkpoints import JOB, Checkpointer, CheckpointSeries
from ...runtime.checkpointing.intervals import (
    AUTO,
    CheckpointInterval,
    CheckpointSchedule,
    expected_mtbf,
    parse_interval,
)
from ..common import console
from . import supervision

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from ...graphfmt.checkpoints.hdf5.state_file import SavedState
    from ...runtime.execution.runner import Progress
    from ...runtime.execution.session import Session
    from .options import CheckpointOptions
    from .resume import RunStart
    from .supervision import Attempt


class CheckpointPlan(NamedTuple):
    """The checkpoints to write, and how often. ``mtbf`` in seconds; ``attempt`` is set for a supervised run."""

    series: CheckpointSeries
    every: CheckpointInterval
    mtbf: float
    attempt: Attempt | None

    def written_before_crash(self) -> Path | None:
        """Returns the newest valid checkpoint of an earlier attempt at this job; None for a first attempt."""
        if self.attempt is None or self.attempt.number == 0:
            return None
        return self.newest()

    def newest(self) -> Path | None:
        """Returns the newest valid checkpoint that this job has written; None if there is none."""
        return None if self.attempt is None else self.series.newest(self.attempt.job, console.note)


def plan_checkpoints(options: CheckpointOptions) -> CheckpointPlan | None:
    """Returns the plan; None without ``--checkpoint``. Raises for a file that could not be written later."""
    if options.checkpoint is None:
        for flag, value in (("--every", options.every), ("--keep", options.keep), ("--mtbf", options.mtbf)):
            if value is not None:
                raise console.UsageError(f"{flag} needs --checkpoint")
        return None
    if options.checkpoint.suffix != ".h5":
        raise console.UsageError(
            f"a checkpoint is a .h5 file, not {options.checkpoint.name!r}",
            hint="tfg checkpoint converts one to TensorFlow's format",
        )
    state_file.check_replaceable(options.checkpoint)
    attempt = supervision.current_attempt()
    if attempt is None and options.max_restarts is not None:
        # A run on a cluster restarts its tasks itself.
        attempt = supervision.new_attempt()
    mtbf = expected_mtbf(attempt.uptime, attempt.number) if attempt else expected_mtbf(0, 0)
    return CheckpointPlan(
        CheckpointSeries(options.checkpoint, options.keep),
        AUTO if options.every is None else parse_interval(options.every),
        mtbf if options.mtbf is None else parse_duration(options.mtbf),
        attempt,
    )


@contextmanager
def checkpointing(
    plan: CheckpointPlan,
    session: Session,
    start: RunStart,
    is_good: Callable[[SavedState], bool],
    on_take: Callable[[int], None],
) -> Generator[Callable[[Progress], None]]:
    """Writes checkpoints while the steps run, and a last one at the end unless a step failed. A state that is not good
    leaves the last checkpoint as it is.

    Yields the function to call after each step. ``on_take`` is called with the step of each checkpoint.
    """
    progress = start.progress
    schedule = CheckpointSchedule(plan.every, plan.mtbf, time.monotonic, console.note)
    checkpointer = Checkpointer(session, plan.series, schedule, progress.step, is_good, on_take)

    def notes() -> dict[str, Any]:
        run_notes = progress.notes(start.loop.batches)
        return {**run_notes, "until": start.goal, JOB: plan.attempt.job} if plan.attempt else run_notes

    def after_step(now: Progress) -> None:
        nonlocal progress
        progress = now
        try:
            checkpointer.after_step(now.step, notes)
        except TfgError:
            # Without the task that was lost there is no state to save; the next step tells of the loss.
            if not session.lost_tasks:
                raise

    try:
        yield after_step
        checkpointer.finish(progress.step, notes)
    finally:
        checkpointer.close()
