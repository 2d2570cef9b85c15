"""Carries out what the scheduler says: calls segments, starts nodes that wait, and takes their results.

A node that waits holds no thread: its kernel returns at once and reports when it has something, and the
thread of the step takes the reports one by one.
"""

from __future__ import annotations

from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from ..graphfmt.errors import Status, TfgError
from ..kernels.resources import Variable
from .scheduler import Run, Scheduler
from .units import Compute, Cut, Wait

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..graphfmt.graph import Endpoint
    from .step import Step

# How long a step sleeps before it looks whether it is to stop, in seconds.
_PATIENCE = 0.05

_Report = tuple[Run, Any]


def execute(cut: Cut, step: Step, values: Mapping[Endpoint, Any], fetches: Sequence[Endpoint]) -> list[Any]:
    """Runs all units of a step; ``values`` are those of the feeds and constants.

    Raises what a kernel raises (naming the node, if it waited), CANCELLED or DEADLINE_EXCEEDED.
    """
    known = dict(values)
    scheduler = Scheduler(cut.program)
    reports: SimpleQueue[_Report] = SimpleQueue()
    ready = deque(scheduler.start())
    while True:
        while ready:
            run = ready.popleft()
            unit = cut.units[run.unit]
            if isinstance(unit, Compute):
                results = unit.segment.function(step, *(known[e] for e in unit.inputs))
                known.update(zip(unit.outputs, results))
                ready.extend(scheduler.finished(run))
            else:
                _start(unit, run, step, known, reports)
        if scheduler.is_done:
            break
        run, result = _next_report(reports, step)
        unit = cut.units[run.unit]
        assert isinstance(unit, Wait)
        if isinstance(result, TfgError):
            raise result.at(unit.node.name, None)
        known.update(zip(unit.outputs, [result] if unit.single else result))
        ready.extend(scheduler.finished(run))
    if scheduler.stuck():
        raise TfgError(Status.INTERNAL, f"these never became ready: {', '.join(scheduler.stuck()[:5])}")
    return [_read(known[fetch]) for fetch in fetches]


def _start(
    unit: Wait, run: Run, step: Step, known: Mapping[Endpoint, Any], reports: SimpleQueue[_Report]
) -> None:
    arguments = [_read(known[e]) if read else known[e] for e, read in zip(unit.inputs, unit.dereferenced)]

    def done(result: Any) -> None:
        reports.put((run, result))

    try:
        unit.kernel(step, *arguments, done=done)
    except TfgError as error:
        raise error.at(unit.node.name, None) from None


def _read(value: Any) -> Any:
    return value.read() if isinstance(value, Variable) else value


def _next_report(reports: SimpleQueue[_Report], step: Step) -> _Report:
    while True:
        try:
            return reports.get(timeout=_PATIENCE)
        except Empty:
            step.check_cancelled()
