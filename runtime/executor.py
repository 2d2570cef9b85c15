"""Carries out what the scheduler says: calls segments, starts nodes that wait, and takes their results.

A node that waits holds no thread: its kernel returns at once and reports when it has something, and the
thread of the step takes the reports one by one. Values are kept per tag, and forgotten when their iteration
ends, so that a loop takes the memory of the iterations that run, however many there are.
"""

from __future__ import annotations

from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graphfmt.errors import Status, TfgError, invalid
from ..kernels.control_flow_ops import DEAD
from ..kernels.resources import Variable
from .scheduler import CONSTANTS, ROOT, Kind, Orders, Run, Scheduler, Tag
from .units import Compute, Cut, Given, Single

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..graphfmt.graph import Endpoint
    from .step import Step

# How long a step sleeps before it looks whether it is to stop, in seconds.
_PATIENCE = 0.05
# After how many units a step that does not sleep looks.
_OFTEN = 64

_Report = tuple[Run, Any]
_Values = dict["Endpoint", Any]


def execute(cut: Cut, step: Step, values: Mapping[Endpoint, Any], fetches: Sequence[Endpoint]) -> list[Any]:
    """Runs all units of a step; ``values`` are those of the feeds and constants.

    Raises what a kernel raises (naming the node, if it is a unit of its own), INVALID_ARGUMENT for a fetch that
    turns out dead, CANCELLED or DEADLINE_EXCEEDED.
    """
    return _Execution(cut, step, values).run(fetches)


class _Execution:
    """One step: the values known under each tag, and the reports of nodes that waited."""

    def __init__(self, cut: Cut, step: Step, values: Mapping[Endpoint, Any]) -> None:
        self.cut = cut
        self.step = step
        self.constants = values
        self.known: dict[Tag, _Values] = {ROOT: {}}
        self.scheduler = Scheduler(cut.program)
        self.reports: SimpleQueue[_Report] = SimpleQueue()
        self.ready: deque[Run] = deque()

    def run(self, fetches: Sequence[Endpoint]) -> list[Any]:
        self._obey(self.scheduler.start())
        count = 0
        while not self.scheduler.is_done:
            if self.ready:
                self._do(self.ready.popleft())
            else:
                run, result = self._next_report()
                self._finish(run, self._single(run), result)
            count += 1
            if not count % _OFTEN:
                self._check_cancelled()
        if self.scheduler.open_frames:
            raise TfgError(
                Status.INTERNAL, f"these loops never ended: {', '.join(self.scheduler.open_frames)}"
            )
        return [self._fetched(fetch) for fetch in fetches]

    def _check_cancelled(self) -> None:
        """Raises CANCELLED or DEADLINE_EXCEEDED, naming the loops that have not ended."""
        try:
            self.step.check_cancelled()
        except TfgError as error:
            loops = ", ".join(map(repr, self.scheduler.open_frames))
            raise TfgError(
                error.status, f"{error.message}, in the loop {loops}" if loops else error.message
            ) from None

    def _obey(self, orders: Orders, values: _Values | None = None) -> None:
        """Does as told; ``values`` are those of the unit that has just run, which moves are about."""
        for move in orders.moves:
            self.known.setdefault(move.target, {}).update(values or {})
        for tag in orders.ended:
            self.known.pop(tag, None)
        self.ready.extend(orders.runs)

    def _do(self, run: Run) -> None:
        unit = self.cut.units[run.unit]
        if isinstance(unit, Compute):
            results = unit.segment.function(self.step, *(self._value(run.tag, e) for e in unit.inputs))
            self.known.setdefault(run.tag, {}).update(zip(unit.outputs, results))
            self._obey(self.scheduler.finished(run))
        elif isinstance(unit, Given):
            self.known[ROOT].update((output, self.constants[output]) for output in unit.outputs)
            self._obey(self.scheduler.finished(run))
        elif self.cut.program.units[run.unit].kind is Kind.MERGE:
            self._merge(run, unit)
        else:
            self._call(run, unit)

    def _value(self, tag: Tag, source: Endpoint) -> Any:
        """An output as it is known in an iteration: made there, or constant in its loop, or in the graph."""
        found = self.known.get(tag)
        if found is not None and source in found:
            return found[source]
        if tag:
            found = self.known.get((*tag[:-1], (tag[-1][0], CONSTANTS)))
            if found is not None and source in found:
                return found[source]
        return self.constants[source]

    def _merge(self, run: Run, unit: Single) -> None:
        assert run.live is not None
        source = self.cut.units[run.live.unit].outputs[run.live.port]
        value = self._value(run.tag, source)
        place = unit.inputs.index(source)
        value = value.read() if unit.dereferenced[place] and isinstance(value, Variable) else value
        self._finish(run, unit, [value, np.int32(place)])

    def _call(self, run: Run, unit: Single) -> None:
        arguments = [
            value.read() if read and isinstance(value, Variable) else value
            for value, read in zip((self._value(run.tag, e) for e in unit.inputs), unit.dereferenced)
        ]
        assert unit.kernel is not None
        try:
            if unit.waits:
                self._wait(run, unit, arguments)
                return
            result = unit.kernel(self.step, *arguments) if unit.takes_context else unit.kernel(*arguments)
        except TfgError as error:
            raise error.at(unit.node.name, None) from None
        self._finish(run, unit, result)

    def _wait(self, run: Run, unit: Single, arguments: Sequence[Any]) -> None:
        assert unit.kernel is not None

        def done(result: Any) -> None:
            self.reports.put((run, result))

        unit.kernel(self.step, *arguments, done=done)

    def _finish(self, run: Run, unit: Single, result: Any) -> None:
        if isinstance(result, TfgError):
            raise result.at(unit.node.name, None)
        results = [result] if unit.is_one else list(result or ())
        dead = [port for port, value in enumerate(results) if value is DEAD]
        values = dict(zip(unit.outputs, results))
        orders = self.scheduler.finished(run, dead)
        if not orders.moves:
            # Under its own tag, what a NextIteration gives would hide what the one before has given.
            self.known.setdefault(run.tag, {}).update(values)
        self._obey(orders, values)

    def _single(self, run: Run) -> Single:
        unit = self.cut.units[run.unit]
        assert isinstance(unit, Single)
        return unit

    def _next_report(self) -> _Report:
        while True:
            try:
                return self.reports.get(timeout=_PATIENCE)
            except Empty:
                self._check_cancelled()

    def _fetched(self, fetch: Endpoint) -> Any:
        value = self.known[ROOT].get(fetch, self.constants.get(fetch, DEAD))
        if value is DEAD:
            raise invalid(
                f"the fetch {str(fetch)!r} does not have a value: it is on a branch that was not taken",
                node=fetch.node,
            )
        return value.read() if isinstance(value, Variable) else value
