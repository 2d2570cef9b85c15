"""The steps of ``tfg run``: what each is fed, and one or several workers that run them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...runtime.execution import batches, runner
from ...runtime.execution.runner import StepLoop
from ..common import values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...runtime.execution.runner import Progress, StepResult
    from ...runtime.execution.session import Observer, Session
    from .options import RunOptions
    from .step_request import RunRequest


def make_step_loop(session: Session, request: RunRequest, options: RunOptions) -> StepLoop:
    """Reads the feeds, cuts them into batches, and returns the loop of worker 0."""
    step = options.step
    first = request.for_worker(0)
    feeds = session.plan(first.fetches, request.fed, first.targets).feeds
    arrays, from_files = values.resolve(request.feeds, feeds, values.Randomness(options.feed.seed))
    batched = None
    if step.batch is not None:
        rows = {name: a for name, a in arrays.items() if name in from_files and np.ndim(a) > 0}
        is_fixed = any(f.shape.dims and f.shape[0] is not None for f in feeds if f.name in rows)
        batched = batches.make_batches(
            rows, step.batch, shuffle=step.shuffle, seed=options.feed.seed, only_whole=is_fixed
        )
        arrays = {name: a for name, a in arrays.items() if name not in rows}
    # Feeds keep the names that the plan was built for, so that all steps share the plan.
    return StepLoop(
        first.fetches,
        first.targets,
        arrays,
        batched,
        step.steps,
        step.epochs,
        step.until_exhausted,
        step.timeout,
    )


def run_steps(
    session: Session,
    loop: StepLoop,
    request: RunRequest,
    start: Progress,
    *,
    workers: int,
    stop: Callable[[], bool],
    observer: Observer | None,
    before_step: Callable[[Progress], None],
) -> Iterator[StepResult]:
    """Runs the steps of a loop, one result each; ``stop`` is asked between steps, ``before_step`` called before each of
    a single worker."""
    if workers == 1:
        return runner.run(session, loop, start, stop=stop, observer=observer, before_step=before_step)
    from ...runtime.execution.workers import run_concurrently

    requests = [request.for_worker(number) for number in range(workers)]
    loops = [loop._replace(fetches=r.fetches, targets=r.targets) for r in requests]
    return run_concurrently(session, loops, start, stop=stop, observer=observer)
