"""Threads that help where several things of one step can be done at once.

A step runs on the thread that called for it; helpers only take work off it, and a step would come to its end
without them. So no thread belongs to a device or a step: whoever is free takes what is ready, steps that run at
the same time cannot wait for each other's threads, and one that has nothing to share wakes nobody.
"""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = Callable[[], None]

# Seconds that a thread waits for work before it ends.
_PATIENCE = 10.0


class ThreadPool:
    """``_idle`` are the mailboxes of the threads that wait, the one that has waited least at the end."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._idle: list[SimpleQueue[Job]] = []

    def call(self, work: Job) -> None:
        """Has a thread do some work, which must not raise: one that waits, or a new one."""
        with self._lock:
            mailbox = self._idle.pop() if self._idle else None
        if mailbox is not None:
            mailbox.put(work)
        else:
            Thread(target=self._serve, args=(work,), name="tfg-helper", daemon=True).start()

    def _serve(self, first: Job) -> None:
        np.seterr(all="ignore")
        mailbox: SimpleQueue[Job] = SimpleQueue()
        work: Job | None = first
        while work is not None:
            work()
            # What belongs to a step must not be kept until the next one.
            del work
            with self._lock:
                self._idle.append(mailbox)
            work = self._next(mailbox)

    def _next(self, mailbox: SimpleQueue[Job]) -> Job | None:
        try:
            return mailbox.get(timeout=_PATIENCE)
        except Empty:
            with self._lock:
                if mailbox in self._idle:
                    self._idle.remove(mailbox)
                    return None
        # It has just been called; the work is on its way.
        return mailbox.get()


THREAD_POOL = ThreadPool()
