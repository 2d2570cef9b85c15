"""Executes a task graph as its scheduler orders: calls segments, starts asynchronous kernels, takes their results.

A node that waits holds no thread: its kernel returns at once and reports its result later, and the thread of the step
takes the reports one by one. Values are kept per tag, and dropped when their iteration ends, so that a loop takes the
memory of the iterations that overlap, however many there are.
"""

from __future__ import annotations

from collections import deque
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.errors import Status, TfgError, invalid
from ...kernels.core.device_memory import received_value
from ...kernels.families.control_flow.control_flow_ops import DEAD
from ...kernels.families.state.variables import Variable
from ..plan.segmentation import FeedTask, NodeTask, SegmentTask, TaskGraph
from .acyclic_scheduler import AcyclicScheduler
from .scheduler import CONSTANTS, ROOT, Orders, Run, Scheduler, Tag, TaskKind
from .waits import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...graphfmt.graph import Endpoint, Node
    from ...kernels.core.context import Pending
    from .step import Step

# The number of waits that a message names.
_SHOWN_WAITS = 4
_DEAD_FETCH = "does not have a value: it is on a branch that was not taken"
# Seconds that a step sleeps before it checks whether it was cancelled.
PATIENCE = 0.05

# An asynchronous node that has finished, and its outputs or a TfgError.
Report = tuple[Run, Any]
_Values = dict["Endpoint", Any]


def execute(
    task_graph: TaskGraph, step: Step, values: Mapping[Endpoint, Any], fetches: Sequence[Endpoint]
) -> list[Any]:
    """Runs all tasks of a step; ``values`` are those of the feeds and constants.

    Raises what a kernel raises (naming the node, if it is a task of its own), INVALID_ARGUMENT for a fetch that
    turns out dead, CANCELLED or DEADLINE_EXCEEDED, INTERNAL where receives wait for values that no part sends.
    """
    reports: SimpleQueue[Report] = SimpleQueue()
    execution = Execution(task_graph, step, values, reports.put)
    try:
        execution.start()
        execution.proceed()
        while not execution.is_done:
            execution.take(_next_report(execution, reports))
            execution.proceed()
    finally:
        execution.cancel_waiting()
    return execution.results(fetches)


def _next_report(execution: Execution, reports: SimpleQueue[Report]) -> Report:
    """Waits for an asynchronous node to finish. Raises if the step is cancelled, or cannot go on."""
    step = execution.step
    try:
        return reports.get_nowait()
    except Empty:
        pass
    if step.device or execution.only_receives:
        while True:
            try:
                return reports.get(timeout=PATIENCE)
            except Empty:
                execution.check_cancelled()
                if execution.only_receives and not step.device:
                    raise unmatched_receives(execution.receiving, step.rendezvous.waiting()) from None
    stuck: int | None = None
    with step.parked(execution.describe_waiting):
        while True:
            try:
                return reports.get(timeout=PATIENCE)
            except Empty:
                execution.check_cancelled()
                before, stuck = stuck, step.stuck_since
                if stuck is not None and stuck == before:
                    raise _endless_wait(execution.describe_waiting(), step.waits()) from None


def _endless_wait(own: Sequence[Wait], every: Sequence[Wait]) -> TfgError:
    """The error of a step that waits for others, which all wait too, or for somebody who does not exist."""
    nodes = {wait.node.name for wait in own}
    waits = [*own, *(wait for wait in every if wait.node.name not in nodes)]
    return TfgError(
        Status.FAILED_PRECONDITION,
        "the step would wait for ever: " + "; ".join(map(str, waits[:_SHOWN_WAITS])),
        node=waits[0].node.name if waits else None,
        hint="run what fills or empties it beside the steps: --background NODE",
    ).while_waiting(waits)


class Execution:
    """One step of a plan, or of one device's part of it: the values known under each tag, and the tasks that are ready
    or wait. ``start`` begins, ``proceed`` runs what is ready, ``take`` accepts a result that an asynchronous node
    has given to ``report``. No two of them may run at once; ``report`` is called from any thread.

    ``urgent`` are the ready tasks that lead to a send. They go first, so that other devices need not wait.
    """

    def __init__(
        self,
        task_graph: TaskGraph,
        step: Step,
        values: Mapping[Endpoint, Any],
        report: Callable[[Report], None],
    ) -> None:
        self.task_graph = task_graph
        self.step = task_graph.gpu.timed(step) if task_graph.traced and task_graph.gpu is not None else step
        self.constants = values
        self.known: dict[Tag, _Values] = {ROOT: {}}
        self.scheduler = (
            AcyclicScheduler(task_graph.program) if task_graph.is_acyclic else Scheduler(task_graph.program)
        )
        self.report = report
        self.ready: deque[Run] = deque()
        self.urgent: deque[Run] = deque()
        self.waiting: dict[Run, NodeTask] = {}
        # By the runs that wait: what their kernels returned, if they can be given up, and since when.
        self._pending: dict[Run, tuple[Pending | None, float]] = {}
        self._steps: dict[Tag, Step] = {ROOT: self.step}

    def start(self) -> None:
        self._apply(self.scheduler.start())

    def proceed(self) -> None:
        """Runs what is ready, until nothing is."""
        gpu = self.task_graph.gpu
        if gpu is None:
            self._proceed()
            return
        with gpu.working():
            self._proceed()

    def _proceed(self) -> None:
        while self.urgent or self.ready:
            if self.step.halt:
                self.check_cancelled()
            self._run_task((self.urgent or self.ready).popleft())

    def take(self, report: Report) -> None:
        """Accepts the result of an asynchronous node."""
        run, result = report
        task = self.waiting.pop(run)
        self._pending.pop(run, None)
        if task.transfers:
            result = self._arrived(task.node, result)
        if self.task_graph.traced:
            self._step_in(run.tag).start_clock()
        self._finish(run, task, result)

    def _arrived(self, node: Node, value: Any) -> Any:
        """A received value in the memory of the device that receives it."""
        gpu = self.task_graph.gpu
        if gpu is None or node.op == "_HostRecv":
            return received_value(value)
        with gpu.working():
            return gpu.arrived(value)

    @property
    def is_done(self) -> bool:
        """True if nothing is left to do or to wait for. Raises INTERNAL if a loop has not ended even so."""
        if not self.scheduler.is_done:
            return False
        if self.scheduler.open_frames:
            raise TfgError(
                Status.INTERNAL, f"these loops never ended: {', '.join(self.scheduler.open_frames)}"
            )
        return True

    @property
    def only_receives(self) -> bool:
        """True if everything that the step waits for is sent by other devices."""
        return all(task.transfers for task in self.waiting.values())

    @property
    def receiving(self) -> list[str]:
        """The names of the receives that wait."""
        return [task.node.name for task in self.waiting.values() if task.transfers]

    def results(self, fetches: Sequence[Endpoint]) -> list[Any]:
        """The values of the fetches, on the host. Raises INVALID_ARGUMENT for one that is dead."""
        found = [self._fetched(fetch) for fetch in fetches]
        gpu = self.task_graph.gpu
        return found if gpu is None else gpu.to_host(found)

    def check_cancelled(self) -> None:
        """Raises CANCELLED or DEADLINE_EXCEEDED, naming the loops that have not ended."""
        try:
            self.step.check_cancelled()
        except TfgError as error:
            loops = ", ".join(map(repr, self.scheduler.open_frames))
            message = f"{error.message}, in the loop {loops}" if loops else error.message
            waits = self.describe_waiting()
            if waits:
                message += "; " + "; ".join(map(str, waits[:_SHOWN_WAITS]))
            node = waits[0].node.name if waits else None
            raise TfgError(error.status, message, node=node).while_waiting(waits) from None

    def _apply(self, orders: Orders, values: _Values | None = None) -> None:
        """Carries orders out; ``values`` are the outputs of the task that has just run, which moves refer to."""
        for move in orders.moves:
            self.known.setdefault(move.target, {}).update(values or {})
        for tag in orders.ended:
            self.known.pop(tag, None)
            self._steps.pop(tag, None)
        urgent = self.task_graph.urgent
        for run in orders.runs:
            (self.urgent if run.task in urgent else self.ready).append(run)

    def _run_task(self, run: Run) -> None:
        task = self.task_graph.tasks[run.task]
        if self.task_graph.traced:
            self.step.start_clock()
        if isinstance(task, SegmentTask):
            if task.segment.nodes:
                self.step.share()
            results = task.segment.function(self.step, *(self._value(run.tag, e) for e in task.inputs))
            self.known.setdefault(run.tag, {}).update(zip(task.outputs, results))
            self._apply(self.scheduler.finished(run))
        elif isinstance(task, FeedTask):
            self.known[ROOT].update((output, self.constants[output]) for output in task.outputs)
            self._apply(self.scheduler.finished(run))
        elif self.task_graph.program.tasks[run.task].kind is TaskKind.MERGE:
            self._merge(run, task)
        else:
            self._call(run, task)

    def _value(self, tag: Tag, source: Endpoint) -> Any:
        """The value of an output in an iteration: computed there, invariant in its loop, or constant in the graph."""
        found = self.known.get(tag)
        if found is not None and source in found:
            return found[source]
        if tag:
            found = self.known.get((*tag[:-1], (tag[-1][0], CONSTANTS)))
            if found is not None and source in found:
                return found[source]
        return self.constants[source]

    def _merge(self, run: Run, task: NodeTask) -> None:
        assert run.live is not None
        source = self.task_graph.tasks[run.live.task].outputs[run.live.port]
        value = self._value(run.tag, source)
        place = task.inputs.index(source)
        value = value.read() if task.dereferenced[place] and isinstance(value, Variable) else value
        self._finish(run, task, [value, np.int32(place)])

    def _call(self, run: Run, task: NodeTask) -> None:
        arguments = [DEAD] * len(task.inputs) if run.is_dead else self._arguments(run, task)
        step = self._step_in(run.tag) if task.transfers else self.step
        try:
            if task.is_asynchronous:
                self._wait(run, task, step, arguments)
                return
            result = task.kernel(step, *arguments) if task.takes_context else task.kernel(*arguments)
        except TfgError as error:
            raise error.at(task.node.name, None) from error.__cause__
        self._finish(run, task, result)

    def _arguments(self, run: Run, task: NodeTask) -> list[Any]:
        values = (self._value(run.tag, source) for source in task.inputs)
        return [
            value.read() if read and isinstance(value, Variable) else value
            for value, read in zip(values, task.dereferenced)
        ]

    def _step_in(self, tag: Tag) -> Step:
        """The step as sends and receives in an iteration see it."""
        found = self._steps.get(tag)
        if found is None:
            from ..multi_device.rendezvous import iteration_id

            found = self._steps[tag] = self.step.within(iteration_id(tag))
        return found

    def _wait(self, run: Run, task: NodeTask, step: Step, arguments: Sequence[Any]) -> None:
        self.waiting[run] = task

        def done(result: Any) -> None:
            self.report((run, result))

        pending = task.kernel(step, *arguments, done=done)
        self._pending[run] = (pending, monotonic())

    def cancel_waiting(self) -> None:
        """Gives up what still waits, after an error or a cancellation."""
        for pending, _ in self._pending.values():
            if pending is not None:
                pending.cancel()
        self._pending.clear()

    def describe_waiting(self) -> list[Wait]:
        """The nodes that wait, and what for."""
        now = monotonic()
        waits: list[Wait] = []
        for run, (pending, since) in list(self._pending.items()):
            task = self.waiting.get(run)
            if task is not None:
                resource = "" if pending is None else pending.resource.describe()
                waits.append(Wait(task.node, resource, now - since, self.step.counterparts(task.node)))
        return waits

    def _finish(self, run: Run, task: NodeTask, result: Any) -> None:
        if isinstance(result, TfgError):
            raise result.at(task.node.name, None)
        results = [result] if task.returns_one else list(result or ())
        dead = [port for port, value in enumerate(results) if value is DEAD]
        values = dict(zip(task.outputs, results))
        if self.step.memory_budget is not None:
            self.step.memory_budget.hold(task.node, results)
        if self.task_graph.traced:
            self._step_in(run.tag).record(task.node, *results)
        orders = self.scheduler.finished(run, dead)
        if not orders.moves:
            # Under its own tag, the output of a NextIteration would hide that of the iteration before.
            self.known.setdefault(run.tag, {}).update(values)
        self._apply(orders, values)

    def _fetched(self, fetch: Endpoint) -> Any:
        value = self.known[ROOT].get(fetch, DEAD)
        if value is DEAD:
            raise invalid(
                f"the fetch {str(fetch)!r} {_DEAD_FETCH}",
                node=fetch.node,
            )
        return value.read() if isinstance(value, Variable) else value


def is_dead_fetch(error: TfgError) -> bool:
    """Returns True for the error of a fetch on a branch that was not taken."""
    return error.message.endswith(_DEAD_FETCH)


def unmatched_receives(receiving: Sequence[str], keys: Sequence[str]) -> TfgError:
    """The error of a step in which receives wait under these keys, and nothing else runs."""
    nodes, under = ", ".join(map(repr, receiving)), ", ".join(map(repr, keys))
    verb = "wait" if len(receiving) > 1 else "waits"
    return TfgError(
        Status.INTERNAL,
        f"the step cannot end: {nodes} {verb} for a value that no part sends, under {under}",
        node=receiving[0] if len(receiving) == 1 else None,
        hint="run the part that has the _Send together with this one: tfg run DIR",
    )
