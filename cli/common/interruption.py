"""SIGINT and SIGTERM during a run: the current step is finished if it ends soon and cancelled otherwise, then the state
and the checkpoint are written."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING, Any

import click

from . import console

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

# Ctrl-C, and the request of a system that needs the machine.
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_MESSAGES = {
    signal.SIGINT: "interrupted: ending after the current step; Ctrl-C again stops at once",
    signal.SIGTERM: "terminated: ending after the current step",
}

# Seconds that a step may go on after a signal.
_PATIENCE = 0.15


def _nothing() -> None:
    pass


class Interruption:
    """``signal`` is the signal received during ``watched``, or None."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    @contextmanager
    def watched(self, *, at_once: bool, cancel: Callable[[], None] | None = None) -> Generator[None]:
        """Records the first signal, so that the run can end after the current step; the second ends it at once.

        With ``at_once`` (a run of a single step), the first signal ends it at once. ``cancel`` is called, on another
        thread, if the step has not ended a moment after the first signal.
        """
        timer = Timer(_PATIENCE, cancel or _nothing)
        timer.daemon = True

        def on_signal(number: int, frame: Any) -> None:
            is_first, self.signal = self.signal is None, signal.Signals(number)
            if at_once or not is_first:
                self.leave()
            if is_first:
                timer.start()
            console.note(_MESSAGES[self.signal])

        handlers = {number: signal.signal(number, on_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            timer.cancel()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def leave(self) -> None:
        """Ends the command as the received signal would; does nothing without one."""
        if self.signal is signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal is not None:
            raise click.exceptions.Exit(128 + self.signal)
