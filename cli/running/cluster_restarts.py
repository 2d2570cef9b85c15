"""``tfg run --cluster --max-restarts``: goes on after a task of the cluster was lost.

All tasks are started anew, the state is that of the newest checkpoint, and the steps after it are repeated. Steps are
deterministic, so they give the results that were reported already; each is reported once.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from ...graphfmt.errors import TfgError
from ..common import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...runtime.execution.runner import StepResult
    from ...runtime.execution.session import Session
    from .resume import RunStart


def surviving_losses(
    session: Session,
    start: RunStart,
    steps_from: Callable[[RunStart], Iterator[StepResult]],
    restart: Callable[[], RunStart],
    most: int,
) -> Iterator[StepResult]:
    """Yields the results of ``steps_from(start)``, each step once, across at most ``most`` losses of tasks.

    ``restart`` brings back the state of the newest checkpoint, once the tasks run again, and tells from where to go on.
    Raises what a step raises for any other reason, and UNAVAILABLE for the loss after the last restart.
    """
    reported = start.progress.step
    for restarts in count():
        try:
            for result in steps_from(start):
                if result.progress.step > reported:
                    reported = result.progress.step
                    yield result
            return
        except TfgError as error:
            if not session.lost_tasks or restarts == most:
                raise
            console.note(f"restart {restarts + 1} of {most}: {error.message}")
        session.restart_tasks()
        start = restart()
