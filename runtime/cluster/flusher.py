"""A thread that sends on what steps keep back: values travel together only if that delays none by much.

A part that waits or ends flushes what it has sent itself. This thread does it for a part that computes for long after
it has sent a value which another task waits for.
"""

from __future__ import annotations

import time
from queue import SimpleQueue
from threading import Thread
from typing import Protocol

# Seconds for which a value may wait for others to travel with.
_DELAY = 200e-6


class Flushable(Protocol):
    """Something that keeps values back."""

    def flush_late(self) -> None:
        """Sends on what has been kept back for long; does not raise."""
        ...


class Flusher:
    """Calls ``flush_late`` a moment after ``add``."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Flushable | None] = SimpleQueue()
        Thread(target=self._run, name="tfg-flusher", daemon=True).start()

    def add(self, keeper: Flushable) -> None:
        """Has what this keeps back sent on, at the latest after the delay."""
        self._queue.put(keeper)

    def close(self) -> None:
        """Ends the thread."""
        self._queue.put(None)

    def _run(self) -> None:
        while (keeper := self._queue.get()) is not None:
            time.sleep(_DELAY)
            keeper.flush_late()
            # A finished step must not be kept alive.
            del keeper
