"""The scheduler of programs without branches and loops: nothing is dead, and every task runs once.

It gives the same orders as ``scheduler.Scheduler``, but only counts inputs, so that a device whose part is a few
segments and receives begins and ends its step in microseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .scheduler import Orders

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .scheduler import Program, Run


class AcyclicScheduler:
    """The state of one step. ``_waiting`` is the number of inputs that each task still lacks."""

    __slots__ = ("_program", "_running", "_waiting")

    open_frames: Sequence[str] = ()

    def __init__(self, program: Program) -> None:
        self._program = program
        self._waiting = list(program.input_counts)
        self._running = 0

    @property
    def is_done(self) -> bool:
        """True if nothing runs."""
        return self._running == 0

    def start(self) -> Orders:
        """Begins the step: runs the tasks without inputs."""
        runs = [self._program.root_runs[task] for task, count in enumerate(self._waiting) if not count]
        self._running = len(runs)
        return Orders(runs, [], [])

    def finished(self, run: Run, dead: Iterable[int] = ()) -> Orders:
        """Takes note that a task has run; none of its ports is ever dead."""
        waiting = self._waiting
        runs: list[Run] = []
        for _, reader in self._program.readers[run.task]:
            waiting[reader] -= 1
            if not waiting[reader]:
                runs.append(self._program.root_runs[reader])
        self._running += len(runs) - 1
        return Orders(runs, [], [])
