"""The lines at the bottom of a terminal that show the progress of a run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from .progress import rate_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, RenderableType

# The widths of the narrowest bar, and of the line with a bar.
_MIN_BAR = 8
_MAX_WIDTH = 100


class RunState(NamedTuple):
    """The state of a run: steps ``done`` of ``total`` (None if unknown) in ``seconds``, the number of the last
    ``step``, and its ``scalars`` as text."""

    done: int
    total: int | None
    step: int
    seconds: float
    scalars: Sequence[str]

    @property
    def position(self) -> str:
        """``step 120/2000``; after a restore ``step 1120 (120/2000)``."""
        if self.total is None:
            return f"step {self.step}"
        if self.step == self.done:
            return f"step {self.step}/{self.total}"
        return f"step {self.step} ({self.done}/{self.total})"

    @property
    def rate(self) -> str:
        """Steps per second."""
        return rate_text(self.done / max(self.seconds, 1e-9))

    @property
    def clock(self) -> str:
        """The time left; the time taken at the end, and where the number of steps is unknown."""
        if self.total is None or self.done >= self.total:
            return f"in {_clock(self.seconds)}"
        return f"{_clock((self.total - self.done) * self.seconds / max(self.done, 1))} left"


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


class ProgressDisplay:
    """The progress of a run that began at this time of the monotonic clock, of ``total`` steps, None if unknown."""

    def __init__(self, total: int | None, began: float) -> None:
        from rich.live import Live

        self._total = total
        self._began = began
        self._live = Live(
            console=_steady_console(), auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._live.start()

    def show(self, done: int, step: int, scalars: Sequence[str]) -> None:
        """Shows the number of steps done, the number of the last one, and its scalar fetches."""
        state = RunState(done, self._total, step, time.monotonic() - self._began, scalars)
        self._live.update(lines(state, self._live.console.width), refresh=True)

    def print_above(self, text: str) -> None:
        """Prints a text above the display."""
        from rich.text import Text

        self._live.console.print(Text(text), soft_wrap=True)

    def stop(self) -> None:
        """Leaves the display as it is; other output goes below it."""
        self._live.stop()


def _steady_console() -> Console:
    """Returns a console on standard error that keeps the cursor: a run that is killed could not bring it back."""
    from rich.console import Console

    class SteadyConsole(Console):
        def show_cursor(self, show: bool = True) -> bool:
            return False

    return SteadyConsole(stderr=True, highlight=False, markup=False, emoji=False)


def lines(state: RunState, width: int) -> RenderableType:
    """Returns the progress, as much of it as the width has room for, above the fetches."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    parts = [state.position, state.rate, state.clock]
    while len(parts) > 1 and len(" ".join(parts)) > width:
        # The rate goes first.
        del parts[len(parts) // 2]
    cells: list[RenderableType] = [Text(part, no_wrap=True) for part in parts]
    bar = min(width, _MAX_WIDTH) - sum(len(part) + 1 for part in parts)
    if state.total is not None and bar >= _MIN_BAR:
        cells.insert(1, ProgressBar(total=state.total, completed=state.done, width=bar))
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_row(*cells)
    if not state.scalars:
        return row
    return Group(row, Text(fitting(state.scalars, width), no_wrap=True))


def fitting(items: Sequence[str], width: int) -> str:
    """Joins the items that fit into the width; an ellipsis stands for the others."""
    line = ""
    for number, item in enumerate(items):
        longer = f"{line}  {item}" if line else item
        is_last = number == len(items) - 1
        if len(longer) + (0 if is_last else 3) > width:
            return f"{line}  …" if line else item[: width - 1] + "…"
        line = longer
    return line
