"""Which steps may run at the same time, so that a checkpoint never holds half of one.

Steps that change the state run beside each other; who is to see the state as whole steps have left it (a
checkpoint, a Save operation) runs alone: it waits for those that are under way and keeps later ones waiting.
What it sees is then a state that the steps, one after the other, could have made. TensorFlow does not promise
that: a save may hold none, all or some of a concurrent update (OSDI'16 section 4.3).
"""

from __future__ import annotations

from contextlib import contextmanager
from enum import Enum, auto
from threading import Condition
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

# How long somebody at the gate sleeps before it looks whether it is to give up, in seconds.
_PATIENCE = 0.05


class Access(Enum):
    """What a step does to the session's state: look at it, change it, or look at it and bear no change
    meanwhile."""

    READ = auto()
    CHANGE = auto()
    ALONE = auto()


class StateLock:
    """``_inside`` counts the steps under way that change the state, ``_waiting`` those who want to be alone:
    nobody else enters while there are any, for else they might wait for ever."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._inside = 0
        self._waiting = 0
        self._is_alone = False

    def enter(self, access: Access, check: Callable[[], None]) -> None:
        """Waits until a step may run. While it waits it calls ``check`` now and then, which raises if it is to
        give up; else ``leave`` must follow."""
        if access is Access.CHANGE:
            with self._changed:
                while self._is_alone or self._waiting:
                    self._wait(check)
                self._inside += 1
        elif access is Access.ALONE:
            self._enter_alone(check)

    def leave(self, access: Access) -> None:
        """A step that entered has ended."""
        if access is Access.READ:
            return
        with self._changed:
            if access is Access.CHANGE:
                self._inside -= 1
            else:
                self._is_alone = False
            self._changed.notify_all()

    @contextmanager
    def alone(self, check: Callable[[], None]) -> Generator[None]:
        """The time during which nobody changes the state."""
        self.enter(Access.ALONE, check)
        try:
            yield
        finally:
            self.leave(Access.ALONE)

    def _enter_alone(self, check: Callable[[], None]) -> None:
        with self._changed:
            self._waiting += 1
            try:
                while self._inside or self._is_alone:
                    self._wait(check)
                self._is_alone = True
            finally:
                self._waiting -= 1
                self._changed.notify_all()

    def _wait(self, check: Callable[[], None]) -> None:
        self._changed.wait(_PATIENCE)
        check()
