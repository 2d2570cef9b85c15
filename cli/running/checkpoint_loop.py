"""``tfg run --checkpoint``: checkpoints while the steps run, and a last one at the end."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ...graphfmt.checkpoints.hdf5 import state_file
from ...runtime.checkpointing.checkpoints import JOB, Checkpointer, CheckpointSeries
from ...runtime.checkpointing.intervals import (
    AUTO,
    CheckpointInterval,
    CheckpointSchedule,
    expected_mtbf,
    parse_duration,
    parse_interval,
)
from ..common import console
from . import supervision

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from ...runtime.execution.runner import Progress
    from ...runtime.execution.session import Session
    from .resume import Beginning
    from .supervision import Attempt


class Options(Protocol):
    """What ``tfg run`` was told about it."""

    @property
    def checkpoint(self) -> Path | None: ...
    @property
    def every(self) -> str | None: ...
    @property
    def keep(self) -> int | None: ...
    @property
    def mtbf(self) -> str | None: ...


class Keeper(NamedTuple):
    """Which checkpoints are to be written, and when. ``attempt`` is set where the run is started anew when it
    crashes."""

    series: CheckpointSeries
    every: CheckpointInterval
    mtbf: float
    attempt: Attempt | None

    def written_before_crash(self) -> Path | None:
        """What to go on from: the newest checkpoint of an earlier attempt, if that has failed and left one."""
        if self.attempt is None or self.attempt.number == 0:
            return None
        return self.series.newest(self.attempt.job, console.note)


def keeper_of(options: Options) -> Keeper | None:
    """None where no checkpoints are asked for. Raises what would only come to light at the first one."""
    if options.checkpoint is None:
        for flag, value in (("--every", options.every), ("--keep", options.keep), ("--mtbf", options.mtbf)):
            if value is not None:
                raise console.UsageError(f"{flag} is about checkpoints, so it needs --checkpoint")
        return None
    if options.checkpoint.suffix != ".h5":
        raise console.UsageError(
            f"a checkpoint is a .h5 file, not {options.checkpoint.name!r}",
            hint="tfg checkpoint writes TensorFlow's format from one",
        )
    state_file.check_replaceable(options.checkpoint)
    attempt = supervision.attempt()
    given = None if options.mtbf is None else parse_duration(options.mtbf)
    seen = expected_mtbf(attempt.uptime, attempt.number) if attempt else expected_mtbf(0, 0)
    return Keeper(
        CheckpointSeries(options.checkpoint, options.keep),
        AUTO if options.every is None else parse_interval(options.every),
        seen if given is None else given,
        attempt,
    )


@contextmanager
def kept(keeper: Keeper, session: Session, beginning: Beginning) -> Generator[Callable[[Progress], None]]:
    """The time during which steps run; what it gives is to be told of each. The last checkpoint is written in
    the end, unless a step failed."""
    first = now = beginning.progress
    schedule = CheckpointSchedule(keeper.every, keeper.mtbf, time.monotonic, console.note)
    checkpointer = Checkpointer(session, keeper.series, schedule, first.step)

    def notes() -> dict[str, Any]:
        found = now.notes(beginning.work.batches)
        return {**found, "until": beginning.goal, JOB: keeper.attempt.job} if keeper.attempt else found

    def after_step(progress: Progress) -> None:
        nonlocal now
        now = progress
        checkpointer.after_step(now.step, notes)

    try:
        yield after_step
        checkpointer.finish(now.step, notes)
    finally:
        checkpointer.close()
