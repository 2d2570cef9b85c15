"""Attempts on a resource that wait until it has changed enough: the common part of staging areas and accumulators.

An attempt that waits holds no thread. It is tried again, in order of arrival, whenever the resource has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import TfgError
from ...core.context import Pending

if TYPE_CHECKING:
    from ...core.context import Describable

# Takes the result of an attempt: a list of values, or a TfgError.
Done = Callable[[Any], None]
# Returns the result of an attempt, NOT_YET if it must wait; may raise a TfgError.
Attempt = Callable[[], Any]
NOT_YET = object()


class Attempts:
    """The attempts on a resource that wait. ``lock`` guards the resource and must be held to read or
    change it."""

    def __init__(self) -> None:
        self.lock = RLock()
        self._waiting: list[tuple[Attempt, Done]] = []

    def begin(self, resource: Describable, attempt: Attempt, done: Done) -> Pending | None:
        """Completes an attempt, and others that can be completed after it, or lets it wait behind them."""
        entry = (attempt, done)
        with self.lock:
            result = _tried(attempt)
            if result is NOT_YET:
                self._waiting.append(entry)
                return Pending(lambda: self._cancel(entry), resource)
        done(result)
        self.retry()
        return None

    def retry(self) -> None:
        """Tries all that wait, again from the first after each success, because one may make room for another."""
        finished: list[tuple[Done, Any]] = []
        with self.lock:
            place = 0
            while place < len(self._waiting):
                attempt, done = self._waiting[place]
                result = _tried(attempt)
                if result is NOT_YET:
                    place += 1
                    continue
                del self._waiting[place]
                finished.append((done, result))
                place = 0
        # Not under the lock: a callback may use the resource.
        for done, result in finished:
            done(result)

    def _cancel(self, entry: tuple[Attempt, Done]) -> None:
        with self.lock:
            if entry in self._waiting:
                self._waiting.remove(entry)


def _tried(attempt: Attempt) -> Any:
    try:
        return attempt()
    except TfgError as error:
        return error
