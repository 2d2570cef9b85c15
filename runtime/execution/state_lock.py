"""The lock that keeps a checkpoint from holding half of a step.

Steps that change the state run at the same time; a checkpoint or a Save operation, which must see the state as whole
steps have left it, runs alone: it waits for the steps that run and keeps later ones waiting. The state that it sees is
one that the steps, one after the other, could have made. TensorFlow does not promise that: a save may hold none, all or
some of a concurrent update (OSDI'16 section 4.3).
"""

from __future__ import annotations

from contextlib import contextmanager
from enum import Enum, auto
from threading import Condition
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

# Seconds that a step sleeps at the lock before it checks whether it was cancelled.
_PATIENCE = 0.05


class Access(Enum):
    """The use that a step makes of the session's state: it reads it, changes it, or must see it unchanged meanwhile."""

    READ = auto()
    CHANGE = auto()
    ALONE = auto()


class StateLock:
    """A lock that many steps that change the state may hold at once, or one step alone.

    ``_changing`` is the number of steps that hold it to change the state; ``_waiting`` the number of those that wait to
    be alone: no other step enters meanwhile, else they might wait for ever."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._changing = 0
        self._waiting = 0
        self._is_alone = False

    def enter(self, access: Access, check: Callable[[], None]) -> None:
        """Waits until a step may run; ``leave`` must follow. While it waits it calls ``check`` now and then, whose
        exceptions end the wait."""
        if access is Access.CHANGE:
            with self._changed:
                while self._is_alone or self._waiting:
                    self._wait(check)
                self._changing += 1
        elif access is Access.ALONE:
            self._enter_alone(check)

    def leave(self, access: Access) -> None:
        """Releases the lock after a step."""
        if access is Access.READ:
            return
        with self._changed:
            if access is Access.CHANGE:
                self._changing -= 1
            else:
                self._is_alone = False
            self._changed.notify_all()

    @contextmanager
    def exclusive(self, check: Callable[[], None]) -> Generator[None]:
        """Holds the lock alone, so that no step changes the state meanwhile."""
        self.enter(Access.ALONE, check)
        try:
            yield
        finally:
            self.leave(Access.ALONE)

    def _enter_alone(self, check: Callable[[], None]) -> None:
        with self._changed:
            self._waiting += 1
            try:
                while self._changing or self._is_alone:
                    self._wait(check)
                self._is_alone = True
            finally:
                self._waiting -= 1
                self._changed.notify_all()

    def _wait(self, check: Callable[[], None]) -> None:
        self._changed.wait(_PATIENCE)
        check()
