"""The master of a cluster: starts the tasks, runs steps on them, and notices when one is lost.

A step is one call per task (white paper section 3.2). The first error of any task aborts the step on all of them, and
is the one that is reported (section 3.3). A task is lost when its process ends, which the engine tells, or when it does
not answer the master's pings.
"""

from __future__ import annotations

import os
import time
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from ...graphfmt.errors import Status, TfgError
from ..execution.executor import PATIENCE
from .failures import Failure, TaskLostError, failure_of
from .task import Health, RunOrder, RunReply, TaskSettings
from .task_names import task_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...graphfmt.graph import Graph
    from ..execution.memory_budget import MemoryLimit
    from ..passes.placement.machine.machine import Machine
    from .engine import Engine, TaskHandle
    from .task_plan import TaskParts, TaskSummary

# Seconds between the pings of a task, for how long it may leave one unanswered, and after which that is looked at.
PING_INTERVAL = 0.9
SILENCE = 1.8
_BEAT = 0.25
# Seconds that an aborted step waits for its tasks before it ends their processes.
_GRACE = 10.0
# Seconds that a task may take for a call that is not a step.
_CALL_TIMEOUT = 120.0


class _Answered(NamedTuple):
    task: str
    result: Any
    lost: TaskLostError | None


class _Calls:
    """The answers of tasks that were called, as they come."""

    def __init__(self) -> None:
        self._answers: SimpleQueue[_Answered] = SimpleQueue()
        self.pending: dict[str, TaskHandle] = {}

    def add(self, task: str, handle: TaskHandle, method: str, *arguments: Any) -> None:
        self.pending[task] = handle
        handle.call(method, arguments, partial(self._answer, task))

    def _answer(self, task: str, result: Any, lost: TaskLostError | None) -> None:
        self._answers.put(_Answered(task, result, lost))

    def next(self, timeout: float) -> _Answered | None:
        """The next answer; None if none comes in time."""
        try:
            answered = self._answers.get(timeout=timeout)
        except Empty:
            return None
        self.pending.pop(answered.task, None)
        return answered


class Cluster:
    """The tasks of a machine, and the steps that run on them.

    Args:
        machine: its devices name the tasks.
        library: a graph that has the functions of all plans.
        limits: the memory limits of devices, by name.
        engine: starts the tasks.
        callers: how many steps run at once.
        threads: how many threads one large computation uses in a task.
    """

    def __init__(
        self,
        machine: Machine,
        library: Graph,
        limits: Mapping[str, MemoryLimit],
        engine: Engine,
        *,
        callers: int = 1,
        threads: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._machine = machine
        self._library = library
        self._limits = limits
        self._engine = engine
        self._callers = callers
        self._threads = threads
        self._clock = clock
        self._lock = Lock()
        self._next_step = 1
        self._active: dict[int, int] = {}
        self._handles: Mapping[str, TaskHandle] = {}
        # When each task was sent the ping that it has not answered, and when it last answered one.
        self._asked: dict[str, float] = {}
        self._heard: dict[str, float] = {}
        self.lost: dict[str, TaskLostError] = {}
        self.health: dict[str, Health] = {}
        self.incarnations: Mapping[str, int] = {}
        self._is_closing = Event()
        self._pinger: Thread | None = None
        self.start()

    @property
    def tasks(self) -> Sequence[str]:
        """The names of the tasks, in the order of the machine's devices."""
        return list(dict.fromkeys(map(task_of, self._machine.names)))

    def start(self) -> None:
        """Starts all tasks, with new incarnations and without state. Raises UNAVAILABLE."""
        self.incarnations = {name: int.from_bytes(os.urandom(8), signed=True) for name in self._machine.names}
        settings = [
            TaskSettings(task, self._library, self._limits_of(task), self.incarnations, self._threads)
            for task in self.tasks
        ]
        self._asked, self.lost = {}, {}
        self._handles = self._engine.start(settings, self._callers)

    def watch(self) -> None:
        """Pings the tasks from now on, on a thread."""
        self._pinger = Thread(target=self._keep_pinging, name="tfg-heartbeat", daemon=True)
        self._pinger.start()

    def _limits_of(self, task: str) -> Mapping[str, MemoryLimit]:
        return {device: limit for device, limit in self._limits.items() if task_of(device) == task}

    def restart(self) -> None:
        """Ends all tasks, and starts them with new incarnations and without state. Raises UNAVAILABLE."""
        # Answers for the processes that end now are of no interest.
        self._handles = {}
        self._engine.stop()
        self.start()

    def close(self) -> None:
        self._is_closing.set()
        self._engine.close()

    # Calls.

    def call(self, method: str, arguments: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """Calls a method of the named tasks, and returns what each answers. Raises the first failure, UNAVAILABLE
        if a task is lost."""
        calls = _Calls()
        for task, given in arguments.items():
            calls.add(task, self._handles[task], method, *given)
        results: dict[str, Any] = {}
        deadline = self._clock() + _CALL_TIMEOUT
        while calls.pending:
            answered = calls.next(PATIENCE)
            if answered is None:
                if self._clock() > deadline:
                    self._drop(calls.pending, f"has not answered for {_CALL_TIMEOUT:.0f} s")
                continue
            if answered.lost is not None:
                raise self._lost(answered).error()
            if isinstance(answered.result, Failure):
                raise answered.result.error()
            results[answered.task] = answered.result
        return results

    def call_all(self, method: str, *arguments: Any) -> dict[str, Any]:
        """Calls a method of all tasks with the same arguments; see ``call``."""
        return self.call(method, dict.fromkeys(self.tasks, arguments))

    def register(self, number: int, parts: Mapping[str, TaskParts]) -> dict[str, TaskSummary]:
        """Registers the parts of a plan with their tasks; returns the summary of each."""
        return self.call("register", {task: (number, own) for task, own in parts.items()})

    def run(
        self,
        plan: int,
        feeds: Mapping[str, Mapping[int, Any]],
        check_cancelled: Callable[[], None],
        count: int = 1,
    ) -> dict[str, RunReply]:
        """Runs ``count`` steps of a plan, on the tasks that have feeds (none, at least), and returns their replies.

        Raises the first failure of a task, and what ``check_cancelled`` raises, once no task works on the steps any
        more.
        """
        for task, lost in self.lost.items():
            raise self._lost(_Answered(task, None, lost)).error()
        first, oldest = self._begin(count)
        calls = _Calls()
        try:
            for task, own in feeds.items():
                calls.add(task, self._handles[task], "run", RunOrder(plan, first, count, own, oldest))
            return self._gather(calls, range(first, first + count), check_cancelled)
        finally:
            with self._lock:
                del self._active[first]

    def _begin(self, count: int) -> tuple[int, int]:
        """Reserves the numbers of steps; returns the first of them, and that of the oldest step that runs."""
        with self._lock:
            first = self._next_step
            self._next_step += count
            self._active[first] = count
            return first, min(self._active)

    def _gather(
        self, calls: _Calls, steps: range, check_cancelled: Callable[[], None]
    ) -> dict[str, RunReply]:
        replies: dict[str, RunReply] = {}
        failure: BaseException | None = None
        deadline = float("inf")
        while calls.pending:
            try:
                answered = calls.next(PATIENCE)
                if answered is not None:
                    found = self._failure_in(answered)
                    if found is None:
                        replies[answered.task] = answered.result
                        continue
                    raise found.error()
                if failure is None:
                    check_cancelled()
                elif self._clock() > deadline:
                    self._drop(calls.pending, f"has not ended an aborted step for {_GRACE:.0f} s")
            except BaseException as error:
                if failure is not None:
                    continue
                failure, deadline = error, self._clock() + _GRACE
                self._abort(calls.pending, steps, error)
        if failure is not None:
            raise failure
        return replies

    def _failure_in(self, answered: _Answered) -> Failure | None:
        if answered.lost is not None:
            return self._lost(answered)
        return answered.result if isinstance(answered.result, Failure) else answered.result.failure

    def _lost(self, answered: _Answered) -> Failure:
        assert answered.lost is not None
        lost = self.lost.setdefault(answered.task, answered.lost)
        return Failure(
            Status.UNAVAILABLE, f"{lost}", hint="--max-restarts restarts the tasks from a checkpoint"
        )

    def _abort(self, pending: Mapping[str, TaskHandle], steps: range, error: BaseException) -> None:
        """Ends the steps on the tasks that still work on them."""
        cause = (
            failure_of(error)
            if isinstance(error, TfgError)
            else Failure(Status.CANCELLED, "the step was interrupted")
        )
        for handle in list(pending.values()):
            handle.call("abort", (steps.start, len(steps), cause), _ignored)

    def _drop(self, pending: Mapping[str, TaskHandle], why: str) -> None:
        """Ends the processes of tasks that do not answer."""
        for task, handle in list(pending.items()):
            self.lost.setdefault(task, TaskLostError(task, why))
            handle.kill()

    # Heartbeat.

    def _keep_pinging(self) -> None:
        while not self._is_closing.wait(_BEAT):
            self.ping()

    def ping(self) -> None:
        """Pings every task whose ping is due; ends the process of one that has left its ping unanswered."""
        now = self._clock()
        for task, handle in self._handles.items():
            if task in self.lost:
                continue
            asked = self._asked.get(task)
            if asked is None:
                if now - self._heard.get(task, float("-inf")) < PING_INTERVAL:
                    continue
                self._asked[task] = now
                handle.call("ping", (), partial(self._pinged, task, handle))
            elif now - asked > SILENCE:
                self._drop({task: handle}, f"has not answered for {now - asked:.1f} s")

    def _pinged(
        self, task: str, handle: TaskHandle, health: Health | None, lost: TaskLostError | None
    ) -> None:
        if self._handles.get(task) is not handle:
            # An answer for a process that another one has replaced.
            return
        if lost is not None:
            self.lost.setdefault(task, lost)
        elif health is not None:
            self.health[task] = health
            self._heard[task] = self._clock()
            self._asked.pop(task, None)


def _ignored(result: Any, lost: TaskLostError | None) -> None:
    """Takes the answer of a call that nothing waits for."""
