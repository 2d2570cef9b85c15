"""A task: a process with devices of its own, its share of the state, and the plans registered with it.

The master calls it once per step (white paper section 3.2: nothing per tensor goes through the master). All methods
may be called at once from several threads; none raises a TfgError, because errors travel as ``Failure`` values.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...graphfmt.errors import Status, TfgError
from ...kernels.core.failures import as_tfg_error
from ...kernels.core.parallel import limit_blas
from ..execution import allocator
from ..execution.functions import function_resolver
from ..execution.memory_meter import MemoryMeter
from ..execution.resources import ResourceManager
from ..execution.step import NodeRecord, Step
from .failures import Failure, failure_of
from .flusher import Flusher
from .task_plan import TaskParts, TaskPlan, TaskSummary, build_task_plan
from .task_rendezvous import TaskRendezvous

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...graphfmt.checkpoints.hdf5.state_file import Key
    from ...graphfmt.graph import Graph
    from ...graphfmt.tensors import Array
    from ..execution.functions import Functions
    from ..execution.memory_budget import MemoryLimit
    from .transport import Arrived, Parcel, Peer, Transport


class TaskSettings(NamedTuple):
    """The settings of a task: its name, the library of functions that its plans call (a graph without nodes), the
    memory limits of its devices, and the incarnations of all devices of the cluster. ``threads`` is how many
    threads one large computation uses, None for as many as the process may use."""

    name: str
    library: Graph
    limits: Mapping[str, MemoryLimit]
    incarnations: Mapping[str, int]
    threads: int | None = None


class RunOrder(NamedTuple):
    """An order to run ``steps`` steps of the plan ``plan``, from step ``first`` on, each with the same feeds (by
    position). No step before ``oldest`` runs any more."""

    plan: int
    first: int
    steps: int
    feeds: Mapping[int, Any]
    oldest: int


class RunReply(NamedTuple):
    """The outcome of a task's part in some steps: for each, what every part fetched; the failure of the last one; the
    lines that Print nodes wrote; and the records of traced nodes by device."""

    fetched: Sequence[Sequence[Sequence[Any]]]
    failure: Failure | None
    log: Sequence[str]
    records: Sequence[tuple[str, Sequence[NodeRecord]]] = ()


class Health(NamedTuple):
    """The answer to a ping: process id, host clock of the traces in nanoseconds, resident memory in bytes, and the
    steps that run."""

    pid: int
    clock: int
    memory: int
    steps: Sequence[int]
    steps_done: int


class ClusterTask:
    """``_steps`` are the rendezvous of the steps that run, or that others have sent values for already; steps before
    ``_oldest`` are over. ``_aborted`` are the ranges of aborted steps."""

    def __init__(self, settings: TaskSettings, make_transport: Callable[[Arrived], Transport]) -> None:
        allocator.keep_freed_memory()
        limit_blas()
        self.name = settings.name
        self.resources = ResourceManager()
        self._settings = settings
        self._functions = _functions(settings.library)
        self._plans: dict[int, TaskPlan] = {}
        self._steps: dict[int, TaskRendezvous] = {}
        self._running: dict[int, None] = {}
        self._aborted: list[tuple[range, TfgError]] = []
        self._oldest = 0
        self._done = 0
        self._lock = Lock()
        self._flusher = Flusher()
        self._transport = make_transport(self._arrived)

    @property
    def peer(self) -> Peer:
        """The address and key at which other tasks reach this one."""
        return self._transport.peer

    def connect(self, peers: Mapping[str, Peer]) -> None:
        """Sets the tasks that this one exchanges values with."""
        self._transport.connect(peers)

    def register(self, number: int, parts: TaskParts) -> TaskSummary | Failure:
        """Builds and keeps the plan of the parts."""
        try:
            plan = build_task_plan(parts, self._functions, self._settings.limits)
        except TfgError as error:
            return failure_of(error)
        except Exception as error:
            return failure_of(as_tfg_error(error))
        self._plans[number] = plan
        return plan.summary

    def forget(self, number: int) -> None:
        """Drops a plan."""
        self._plans.pop(number, None)

    def run(self, order: RunOrder) -> RunReply:
        """Runs this task's part of some steps, one after the other."""
        plan = self._plans[order.plan]
        self._forget_steps_before(order.oldest)
        log: list[str] = []
        fetched: list[Sequence[Sequence[Any]]] = []
        records: list[tuple[str, Sequence[NodeRecord]]] = []
        for number in range(order.first, order.first + order.steps):
            step = Step(number, self.resources, log.append, [], None, None, plan.access)
            step.meter = MemoryMeter()
            step.start_clock()
            try:
                fetched.append(self._run_step(plan, step, order.feeds))
            except Exception as error:
                return RunReply(fetched, failure_of(self._explained(plan, error)), log)
            records += [(part.device, part.records) for part in step.parts if part.records]
        return RunReply(fetched, None, log, records)

    def _run_step(self, plan: TaskPlan, step: Step, feeds: Mapping[int, Any]) -> Sequence[Sequence[Any]]:
        number = step.step_id
        rendezvous = self._rendezvous(number)
        assert rendezvous is not None
        self._running[number] = None
        try:
            with np.errstate(all="ignore"):
                return plan.execute(step, rendezvous, feeds)
        finally:
            with self._lock:
                self._steps.pop(number, None)
                del self._running[number]
                self._done += 1
            if self.resources.has_step_containers:
                self.resources.end_step(number)

    def _explained(self, plan: TaskPlan, error: Exception) -> TfgError:
        calls = (part.plan.failed_call(error) for part in plan.parts)
        call = next((call for call in calls if call is not None), None)
        if call is None:
            return as_tfg_error(error)
        library = self._functions.library if self._functions is not None else None
        return call.error(error, library).at(call.node.name, None)

    def _rendezvous(self, number: int) -> TaskRendezvous | None:
        """The rendezvous of a step; None for one that is over."""
        with self._lock:
            found = self._steps.get(number)
            if found is not None:
                return found
            if number < self._oldest:
                return None
            settings = self._settings
            found = TaskRendezvous(self.name, number, settings.incarnations, self._transport, self._flusher)
            for steps, error in self._aborted:
                if number in steps:
                    found.abort(error)
            self._steps[number] = found
            return found

    def _arrived(self, number: int, parcels: Sequence[Parcel]) -> None:
        rendezvous = self._rendezvous(number)
        if rendezvous is not None:
            rendezvous.arrive(parcels)

    def _forget_steps_before(self, oldest: int) -> None:
        with self._lock:
            if oldest <= self._oldest:
                return
            self._oldest = oldest
            for number in [
                number for number in self._steps if number < oldest and number not in self._running
            ]:
                del self._steps[number]
            self._aborted = [pair for pair in self._aborted if pair[0].stop > oldest]

    def abort(self, first: int, count: int, failure: Failure) -> None:
        """Ends steps, those that run and those that have yet to begin, with an error."""
        steps, error = range(first, first + count), failure.error()
        with self._lock:
            self._aborted.append((steps, error))
            found = [rendezvous for number, rendezvous in self._steps.items() if number in steps]
        for rendezvous in found:
            rendezvous.abort(error)

    def ping(self) -> Health:
        """Tells that the task lives, and what it does."""
        with self._lock:
            return Health(
                os.getpid(), time.perf_counter_ns(), _resident_memory(), list(self._running), self._done
            )

    def save(self) -> Mapping[Key, Mapping[str, Array]]:
        """The state of every resource of this task. No step runs meanwhile."""
        return self.resources.save()

    def restore(self, saved: Mapping[Key, Mapping[str, Array]]) -> None:
        """Replaces the state of this task. No step runs meanwhile."""
        self.resources.restore(saved)

    def reset(self, container: str) -> None:
        """Drops the resources of a container."""
        self.resources.reset(container)

    def close(self) -> None:
        """Ends the steps that run, and the connections."""
        self.abort(0, 1 << 62, Failure(Status.CANCELLED, "the session was closed while the step ran"))
        self._flusher.close()
        self._transport.close()


def _functions(library: Graph) -> Functions | None:
    return function_resolver(library) if library.functions else None


def _resident_memory() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
