"""The progress line of a run on a terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from . import console

if TYPE_CHECKING:
    from ...runtime.execution.runner import StepLoop, StepResult

# The least time between two updates of the line, in seconds.
_UPDATE_INTERVAL = 0.1


class ProgressLine:
    """Shows the steps done, the scalar fetches and the steps per second."""

    def __init__(self, loop: StepLoop) -> None:
        self._total = loop.total
        self._names = loop.fetches
        self._began = self._shown = time.monotonic()
        self._done = 0
        self._last: StepResult | None = None

    def update(self, result: StepResult) -> None:
        """Takes the result of a finished step, and shows it if the last update is long enough ago."""
        self._done += 1
        self._last = result
        now = time.monotonic()
        if now - self._shown >= _UPDATE_INTERVAL or self._done == self._total:
            self._shown = now
            self._show(result, now)

    def _show(self, result: StepResult, now: float) -> None:
        total = f"/{self._total}" if self._total and result.progress.step == self._done else ""
        scalars = [
            f"{name} {float(value):.5g}"
            for name, value in zip(self._names, result.values)
            if value.ndim == 0 and value.dtype.kind == "f"
        ]
        rate = self._done / max(now - self._began, 1e-9)
        step = f"step {result.progress.step}{total}"
        console.rewrite("  ".join([step, *scalars, f"{rate:.0f} steps/s"]))

    def close(self) -> None:
        """Shows the last step, and ends the line."""
        if self._last is not None:
            self._show(self._last, time.monotonic())
        console.end_line()
