"""The execution of one step on several devices: their parts, and the threads that run them.

Each part is an execution of its own, run by one thread at a time: it runs until everything left waits, and is ready
again when a receive has its value. The thread that called ``Session.run`` runs whatever part is ready, and starts a
thread of the pool when more than one is. So a part that waits holds no thread, and a step that computes little wakes
no thread.

The first error ends the step: it aborts the rendezvous, which fails everything that the other parts wait for; these
later errors are not reported.
"""

from __future__ import annotations

from collections import deque
from queue import Empty, SimpleQueue
from threading import Lock, get_ident
from typing import TYPE_CHECKING

from ...graphfmt.errors import Status, TfgError
from ...kernels.core import cancellation
from ...kernels.core.failures import as_tfg_error
from ..execution.executor import PATIENCE, Execution, unmatched_receives
from .rendezvous import copied
from .thread_pool import THREAD_POOL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ...graphfmt.graph import Endpoint
    from ..execution.executor import Report
    from ..execution.memory_budget import MemoryLimit
    from ..execution.step import Step
    from ..plan.segmentation import TaskGraph
    from .rendezvous import StepRendezvous
    from .thread_pool import ThreadPool


# How many times ``PATIENCE`` an interrupted step waits for the threads that still run parts of it.
_ABORT_PATIENCE = 100


class Member:
    """A device's part in one step. It is ``busy`` from when it is queued until its thread leaves it; ``inbox``
    holds the results of its asynchronous nodes meanwhile."""

    __slots__ = ("_executor", "busy", "execution", "has_ended", "has_work", "inbox")

    def __init__(
        self, executor: MultiDeviceExecutor, tasks: TaskGraph, step: Step, values: Mapping[Endpoint, Any]
    ) -> None:
        self._executor = executor
        self.execution = Execution(tasks, step, values, self._report)
        self.has_work = tasks.has_work
        self.inbox: deque[Report] = deque()
        self.busy = True
        self.has_ended = False

    def _report(self, report: Report) -> None:
        self.inbox.append(report)
        self._executor.wake(self)

    def proceed(self) -> None:
        """Runs everything that does not have to wait."""
        self.execution.proceed()
        while self.inbox:
            self.execution.take(self.inbox.popleft())
            self.execution.proceed()


class MultiDeviceExecutor:
    """Runs the members of a step.

    ``_ready`` are the members that a thread should run; ``_active`` is the number of those that are ready or run,
    ``_unfinished`` of those that have not ended. ``_asleep`` tells that the step's own thread waits for one to be
    ready, ``_helping`` is the number of pool threads that work on the step: at most one less than there are members.
    ``_workers`` are the threads that run a member now.
    """

    def __init__(self, step: Step, rendezvous: StepRendezvous, pool: ThreadPool = THREAD_POOL) -> None:
        self._step = step
        self._rendezvous = rendezvous
        self._pool = pool
        self._lock = Lock()
        self._members: list[Member] = []
        self._ready: deque[Member] = deque()
        # Only the step's own thread reads it: with several readers ``SimpleQueue.get`` may outlast its timeout.
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._active = 0
        self._unfinished = 0
        self._asleep = False
        self._helping = 0
        self._workers: set[int] = set()
        self._error: BaseException | None = None

    def add(
        self, device: str, tasks: TaskGraph, values: Mapping[Endpoint, Any], limit: MemoryLimit | None = None
    ) -> None:
        """Adds a device's part. ``values`` are those of its feeds and constants; ``limit`` is that of its memory, for
        which the tasks must have been built."""
        step = self._step.part(device, self._rendezvous, limit)
        step.share = self.share
        self._members.append(Member(self, tasks, step, values))

    def run(self, fetches: Sequence[Sequence[Endpoint]]) -> list[list[Any]]:
        """Runs the step and returns the values that are fetched from each member.

        Raises the first error, once no thread works on the step any more: what a kernel raised,
        INVALID_ARGUMENT for a fetch that turns out dead, CANCELLED or DEADLINE_EXCEEDED, INTERNAL where receives
        wait for values that no part sends.
        """
        self._active = self._unfinished = len(self._members)
        try:
            self._start()
            self._run_until_end()
        except BaseException as error:
            self._fail(error)
            self._wait_for_workers()
            if not isinstance(error, Exception):
                raise
        if self._error is not None:
            raise self._error
        return [member.execution.results(found) for member, found in zip(self._members, fetches)]

    def _start(self) -> None:
        """Starts all parts. Those that can only receive run at once, so that they wait when values are sent."""
        working = [member for member in self._members if member.has_work]
        for member in self._members:
            member.execution.start()
            if not member.has_work:
                self._run(member)
        with self._lock:
            self._ready.extend(working)
            called = max(0, len(working) - 1 - self._helping)
            self._helping += called
        for _ in range(called):
            self._pool.call(self._help)

    def _run_until_end(self) -> None:
        """Runs ready members on the step's own thread until the step has ended."""
        while True:
            with self._lock:
                member = self._ready.popleft() if self._ready else None
                if member is None and self._has_ended:
                    return
                self._asleep = member is None
            if member is not None:
                self._run(member)
            elif not self._was_woken():
                self._check_progress()

    def _was_woken(self) -> bool:
        """Sleeps until a member is ready or the step has ended; False after ``PATIENCE``."""
        try:
            self._bell.get(timeout=PATIENCE)
        except Empty:
            return False
        return True

    @property
    def _has_ended(self) -> bool:
        return not self._active and (not self._unfinished or self._error is not None)

    def _check_progress(self) -> None:
        """Raises if the step was cancelled, or can never end."""
        if self._error is not None:
            return
        self._step.check_cancelled()
        with self._lock:
            if self._active:
                return
            waiting = [member.execution for member in self._members if not member.has_ended]
            keys = self._rendezvous.waiting()
            if keys and all(execution.only_receives for execution in waiting):
                raise unmatched_receives(
                    [name for execution in waiting for name in execution.receiving], keys
                )

    def wake(self, member: Member) -> None:
        """Makes a member that waited ready again. Called from any thread."""
        with self._lock:
            # The thread that ran the member may have emptied its inbox already.
            if member.busy or not member.inbox or self._error is not None:
                return
            member.busy = True
            self._active += 1
            self._ready.append(member)
            was_asleep, self._asleep = self._asleep, False
            # A thread that works on the step will run it next, or share it if it has more to do before.
            is_ours = get_ident() in self._workers
            needs_help = not was_asleep and not is_ours and self._helping < len(self._members) - 1
            self._helping += needs_help
        if was_asleep:
            self._bell.put(None)
        elif needs_help:
            self._pool.call(self._help)

    def share(self) -> None:
        """Calls pool threads for the ready members. A running member does so before a long computation."""
        if not self._ready:
            return
        with self._lock:
            called = max(0, min(len(self._ready), len(self._members) - 1 - self._helping))
            self._helping += called
        for _ in range(called):
            self._pool.call(self._help)

    def _help(self) -> None:
        """Runs ready members on a thread of the pool until none is left."""
        while True:
            with self._lock:
                if not self._ready:
                    self._helping -= 1
                    return
                member = self._ready.popleft()
            self._run(member)

    def _run(self, member: Member) -> None:
        thread = get_ident()
        self._workers.add(thread)
        outer = cancellation.enter(member.execution.step)
        try:
            self._work_on(member)
        finally:
            cancellation.enter(outer)
            self._workers.discard(thread)

    def _work_on(self, member: Member) -> None:
        while True:
            try:
                if self._error is None:
                    member.proceed()
                    self._rendezvous.flush()
                    member.has_ended = member.execution.is_done
            except BaseException as error:
                self._fail(error)
            with self._lock:
                if member.inbox and self._error is None:
                    continue
                member.busy = False
                self._active -= 1
                self._unfinished -= member.has_ended
                was_asleep = self._asleep and self._has_ended
            if was_asleep:
                self._bell.put(None)
            return

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            if self._error is not None:
                return
            self._error = error
        why = (
            as_tfg_error(error) if isinstance(error, Exception) else TfgError(Status.CANCELLED, "interrupted")
        )
        self._rendezvous.abort(copied(why))

    def _wait_for_workers(self) -> None:
        """Waits until no thread works on the step any more; not for ever, because this thread may have been
        interrupted while it ran a member itself."""
        for _ in range(_ABORT_PATIENCE):
            with self._lock:
                member = self._ready.popleft() if self._ready else None
                if member is None and not self._active:
                    return
                self._asleep = member is None
            if member is not None:
                self._run(member)
            else:
                self._was_woken()
