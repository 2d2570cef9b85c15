"""The progress of a run on a terminal: steps, rate, time left, and the latest scalar fetches."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from . import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...runtime.execution.runner import StepLoop, StepResult
    from .progress_display import ProgressDisplay

# Seconds before the display appears, so that short runs do without it, and between two updates.
_DELAY = 0.3
_UPDATE_INTERVAL = 0.1


class RunProgress:
    """Shows how far a run is, once it has taken a moment."""

    def __init__(self, loop: StepLoop) -> None:
        self._loop = loop
        self._began = self._shown = time.monotonic()
        self._done = 0
        self._last: StepResult | None = None
        self._display: ProgressDisplay | None = None

    def update(self, result: StepResult) -> None:
        """Takes the result of a finished step, and shows it if the last update is long enough ago."""
        self._done += 1
        self._last = result
        now = time.monotonic()
        if now - self._shown >= (_DELAY if self._display is None else _UPDATE_INTERVAL):
            self._shown = now
            self._show(result)

    def _show(self, result: StepResult) -> None:
        if self._display is None:
            from .progress_display import ProgressDisplay

            self._display = ProgressDisplay(self._loop.total, self._began)
            console.set_display(self._display)
        self._display.show(self._done, result.progress.step, self._scalars(result))

    def _scalars(self, result: StepResult) -> Sequence[str]:
        return [
            f"{console.plain(name)} {_number(value[()])}"
            for name, value in zip(self._loop.fetches, result.values)
            if value.ndim == 0 and value.dtype.kind in "fiu"
        ]

    def close(self) -> None:
        """Shows the last step, and leaves it there."""
        if self._display is None or self._last is None:
            return
        # The terminal may be gone.
        with suppress(OSError):
            self._show(self._last)
            self._display.stop()
        console.set_display(None)
        self._display = None


def rate_text(rate: float) -> str:
    """Returns a rate in steps per second as text."""
    return f"{rate:,.0f} steps/s" if rate >= 10 else f"{rate:.2g} steps/s"


def _number(value: Any) -> str:
    return f"{float(value):.5g}" if value.dtype.kind == "f" else str(value)
