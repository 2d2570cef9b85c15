"""A line on the terminal that tells how far a run is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from . import console

if TYPE_CHECKING:
    from ...runtime.execution.runner import StepLoop, StepResult

# How often the line is written anew, in seconds.
_OFTEN = 0.1


class Meter:
    """Steps done, the scalars among the fetches, steps a second."""

    def __init__(self, work: StepLoop) -> None:
        self._total = work.total
        self._names = work.fetches
        self._began = self._shown = time.monotonic()
        self._done = 0
        self._last: StepResult | None = None

    def update(self, result: StepResult) -> None:
        """A step has ended."""
        self._done += 1
        self._last = result
        now = time.monotonic()
        if now - self._shown >= _OFTEN or self._done == self._total:
            self._shown = now
            self._show(result, now)

    def _show(self, result: StepResult, now: float) -> None:
        of = f"/{self._total}" if self._total else ""
        scalars = [
            f"{name} {float(value):.5g}"
            for name, value in zip(self._names, result.values)
            if value.ndim == 0 and value.dtype.kind == "f"
        ]
        rate = self._done / max(now - self._began, 1e-9)
        step = f"step {result.progress.step}{of if result.progress.step == self._done else ''}"
        console.rewrite("  ".join([step, *scalars, f"{rate:.0f} steps/s"]))

    def close(self) -> None:
        """Shows where the run ended, and ends the line."""
        if self._last is not None:
            self._show(self._last, time.monotonic())
        console.end_line()
