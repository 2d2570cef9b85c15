"""A pool of threads that run ready parts of steps beside the threads that called ``Session.run``.

A step needs no thread of the pool to end: its own thread can run all its parts. So no thread belongs to a device or a
step, steps that run at the same time cannot wait for each other's threads, and a step with nothing to share wakes none.
"""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = Callable[[], None]

# Seconds that an idle thread waits for a job before it ends.
_PATIENCE = 10.0


class ThreadPool:
    """``_idle`` are the mailboxes of the idle threads; the last one has been idle for the shortest time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._idle: list[SimpleQueue[Job]] = []

    def call(self, job: Job) -> None:
        """Runs a job, which must not raise, on an idle thread or a new one."""
        with self._lock:
            mailbox = self._idle.pop() if self._idle else None
        if mailbox is not None:
            mailbox.put(job)
        else:
            Thread(target=self._serve, args=(job,), name="tfg-helper", daemon=True).start()

    def _serve(self, first: Job) -> None:
        np.seterr(all="ignore")
        mailbox: SimpleQueue[Job] = SimpleQueue()
        job: Job | None = first
        while job is not None:
            job()
            # The objects of one step must not be kept alive until the next.
            del job
            with self._lock:
                self._idle.append(mailbox)
            job = self._next(mailbox)

    def _next(self, mailbox: SimpleQueue[Job]) -> Job | None:
        try:
            return mailbox.get(timeout=_PATIENCE)
        except Empty:
            with self._lock:
                if mailbox in self._idle:
                    self._idle.remove(mailbox)
                    return None
        # Another thread has taken the mailbox from the idle ones; its job is about to arrive.
        return mailbox.get()


THREAD_POOL = ThreadPool()
