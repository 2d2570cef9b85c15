"""Concurrent steps, each in a thread of its own: asynchronous training, where every replica has its own step and
all change the same variables (OSDI'16 section 4.4).

The workers take batches in order as they get free. The order of the steps' changes depends on the threads, so two such
runs differ.
"""

from __future__ import annotations

from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from ...graphfmt.errors import Status, TfgError
from .runner import BEGINNING, Progress, StepLoop, StepResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .batches import Position
    from .session import Observer, Session


def run_concurrently(
    session: Session,
    works: Sequence[StepLoop],
    start: Progress = BEGINNING,
    *,
    stop: Callable[[], bool] = lambda: False,
    observer: Observer | None = None,
) -> Iterator[StepResult]:
    """Runs the steps of several loops concurrently, one thread each; the loops may differ in fetches and targets
    alone. Yields results as the steps end; their progress counts steps in that order.

    Raises the error of the first step that fails, once the others have ended.
    """
    pool = _WorkerPool(works[0], start, stop)
    threads = [Thread(target=pool.work, args=(session, n, work, observer)) for n, work in enumerate(works)]
    for thread in threads:
        thread.start()
    try:
        yield from pool.results(len(threads))
    finally:
        pool.is_closed = True
        for thread in threads:
            thread.join()
    if pool.error is not None:
        raise pool.error


class _WorkerPool:
    """The batches that workers take and the results that they leave."""

    def __init__(self, work: StepLoop, start: Progress, stop: Callable[[], bool]) -> None:
        self.is_closed = False
        self.error: BaseException | None = None
        self._work = work
        self._start = start
        self._stop = stop
        self._left = work.total
        self._next = start.position
        self._lock = Lock()
        self._finished: SimpleQueue[tuple[int, list[Any]] | None] = SimpleQueue()

    def work(self, session: Session, number: int, work: StepLoop, observer: Observer | None) -> None:
        """Runs steps on one thread until none is left or one fails."""
        try:
            while (position := self._take()) is not None:
                batch = work.batches.at(position) if work.batches else {}
                values = session.run(
                    work.fetches,
                    {**work.feeds, **batch},
                    work.targets,
                    timeout=work.timeout,
                    observer=observer,
                )
                self._finished.put((number, values))
        except BaseException as error:
            self._fail(error)
        finally:
            self._finished.put(None)

    def _take(self) -> Position | None:
        """Takes the position of the next batch; None if no step is left."""
        with self._lock:
            if self.is_closed or self._left == 0 or self._stop():
                return None
            if self._left is not None:
                self._left -= 1
            taken = self._next
            self._next = self._after(taken)
            return taken

    def _after(self, position: Position) -> Position:
        return self._work.batches.after(position) if self._work.batches else position

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self.is_closed = True
            is_end = (
                self._work.until_exhausted
                and isinstance(error, TfgError)
                and error.status == Status.OUT_OF_RANGE
            )
            if self.error is None and not is_end:
                self.error = error

    def results(self, workers: int) -> Iterator[StepResult]:
        """Yields the results of the workers until the last has ended."""
        now = self._start
        while workers:
            found = self._finished.get()
            if found is None:
                workers -= 1
                continue
            number, values = found
            now = Progress(now.step + 1, self._after(now.position))
            yield StepResult(values, now, number)
