"""Being told to stop while steps run: the step that runs is finished, and what is to be kept is written."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from . import console

if TYPE_CHECKING:
    from collections.abc import Generator

# Ctrl-C, and what a system sends that wants its machine back.
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_MESSAGES = {
    signal.SIGINT: "the step that runs is being finished; Ctrl-C again stops it at once",
    signal.SIGTERM: "told to end: the step that runs is being finished",
}


class Interruption:
    """``given`` is the signal that came, None as long as none has."""

    def __init__(self) -> None:
        self.given: signal.Signals | None = None

    @contextmanager
    def watched(self, *, at_once: bool) -> Generator[None]:
        """The time during which the first signal ends the run after the step that runs, and the second at once;
        so does the first where there is but one step."""

        def on_signal(number: int, frame: Any) -> None:
            is_first, self.given = self.given is None, signal.Signals(number)
            if at_once or not is_first:
                self.leave()
            console.note(_MESSAGES[self.given])

        before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def leave(self) -> None:
        """Ends the command as the signal would have; does nothing where none came."""
        if self.given is signal.SIGINT:
            raise KeyboardInterrupt
        if self.given is not None:
            raise click.exceptions.Exit(128 + self.given)
