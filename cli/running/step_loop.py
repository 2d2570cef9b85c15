"""The steps of ``tfg run``: what each is fed, and one or several workers that run them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...runtime.execution import batches, runner
from ...runtime.execution.runner import StepLoop
from ..common import console, values
from ..common.console import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from ...runtime.execution.batches import Batches
    from ...runtime.execution.runner import Progress, StepResult
    from ...runtime.execution.session import Observer, Session
    from ...runtime.plan.plan import Plan
    from .options import RunOptions
    from .step_request import RunRequest


def make_step_loop(session: Session, request: RunRequest, options: RunOptions) -> StepLoop:
    """Reads the feeds, cuts them into batches, and returns the loop of worker 0."""
    step = options.step
    first = request.for_worker(0)
    plan = session.plan(first.fetches, request.fed, first.targets)
    arrays, from_files = values.resolve(request.feeds, plan.feeds, values.Randomness(options.feed.seed))
    batched = None
    if step.batch is not None:
        rows = {name: a for name, a in arrays.items() if name in from_files and np.ndim(a) > 0}
        batched = _make_batches(session, first, plan, rows, options)
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
        plan.changes_state,
    )


def _make_batches(
    session: Session, request: RunRequest, plan: Plan, rows: Mapping[str, Any], options: RunOptions
) -> Batches:
    """Cuts rows into batches of which the last may be smaller.

    A graph that fixes the number of rows takes whole batches alone: for fetches that have one entry per row, and for
    steps that change nothing, the last batch is filled up; otherwise its rows are left out.
    """
    size = options.step.batch
    assert size is not None
    if not rows:
        raise UsageError("--batch needs at least one feed from a file", hint="--feed NAME=@data.npz[key]")
    cut = partial(batches.make_batches, rows, size, shuffle=options.step.shuffle, seed=options.feed.seed)
    if not any(f.shape.dims and f.shape[0] is not None for f in plan.feeds if f.name in rows):
        return cut()
    is_prediction = not plan.changes_state and not request.targets and options.step.workers == 1
    if is_prediction and all(_may_follow_batch(session, request, rows)):
        return cut(padded=True)
    whole = cut(only_whole=True)
    if left_over := whole.count % size:
        console.note(
            f"note: the graph takes {size} rows at a time; {left_over} of {whole.count} are left out"
        )
    return whole


def joinable_fetches(session: Session, request: RunRequest, loop: StepLoop) -> list[bool]:
    """Returns, for each fetch, whether its first axis may be the rows of a batch; nothing without batches."""
    if loop.batches is None:
        return []
    return _may_follow_batch(session, request.for_worker(0), loop.batches.arrays)


def _may_follow_batch(session: Session, request: RunRequest, batched: Collection[str]) -> list[bool]:
    from .batch_axis import may_follow_batch

    return may_follow_batch(session.graph, request.fetches, request.fed, batched)


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
