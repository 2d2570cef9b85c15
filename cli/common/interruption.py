"""Signals and lost output during a run: the current step is finished if it ends soon and cancelled otherwise, then the
state and the checkpoint are written."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING, Any

import click

from ...graphfmt.errors import TfgError
from . import console

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_MESSAGES = {
    signal.SIGINT: "interrupted: ending after the current step; Ctrl-C again stops at once",
    signal.SIGTERM: "terminated: ending after the current step",
    signal.SIGHUP: "hung up: ending after the current step",
}
_INTERRUPTED = 130

# Seconds that a step may go on after a signal.
_PATIENCE = 0.15


def _nothing() -> None:
    pass


class Interruption:
    """The reason for which a run ends early: a signal received during ``watched``, or output that cannot be written."""

    def __init__(self) -> None:
        self._signal: signal.Signals | None = None
        self._output_error: OSError | TfgError | None = None

    @property
    def is_requested(self) -> bool:
        """True if the run is to end after the current step."""
        return self._signal is not None or self.has_lost_output

    @property
    def has_lost_output(self) -> bool:
        """True if output cannot be written any more."""
        return self._output_error is not None

    @contextmanager
    def on_lost_output(self) -> Generator[None]:
        """Ends the run after the current step, its state kept, if the body cannot write its output."""
        try:
            yield
        except (OSError, TfgError) as error:
            if self._output_error is None:
                self._output_error = error

    @contextmanager
    def watched(self, *, at_once: bool, cancel: Callable[[], None] | None = None) -> Generator[None]:
        """Records the first signal, so that the run can end after the current step; the second ends it at once.

        With ``at_once`` (a run of a single step), the first signal ends it at once. ``cancel`` is called, on another
        thread, if the step has not ended a moment after the first signal. A signal that is ignored, as by ``nohup``,
        stays so.
        """
        timer = Timer(_PATIENCE, cancel or _nothing)
        timer.daemon = True

        def on_signal(number: int, frame: Any) -> None:
            is_first, self._signal = self._signal is None, signal.Signals(number)
            if at_once or not is_first:
                self.leave()
            if is_first:
                timer.start()
            console.note(_MESSAGES[self._signal])

        numbers = [number for number in _MESSAGES if signal.getsignal(number) is not signal.SIG_IGN]
        handlers = {number: signal.signal(number, on_signal) for number in numbers}
        try:
            yield
        finally:
            timer.cancel()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def leave(self) -> None:
        """Ends the command as the received signal would, a closed pipe like Ctrl-C; does nothing without a reason."""
        if self._signal is signal.SIGINT:
            raise KeyboardInterrupt
        if self._signal is not None:
            raise click.exceptions.Exit(128 + self._signal)
        if isinstance(self._output_error, BrokenPipeError):
            console.discard_output()
            raise click.exceptions.Exit(_INTERRUPTED)
        if self._output_error is not None:
            raise self._output_error
