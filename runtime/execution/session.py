"""The session: a graph, the state that its steps change, and the plans built for them."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.errors import Status, TfgError, invalid
from ...kernels.core import cancellation
from ...kernels.core.parallel import limit_blas
from ..passes import graph_checks
from ..passes.prune import StepSignature
from ..plan.build import BuildOptions, build_plan
from . import allocator, session_parts
from .hot_plans import HotPlans
from .resources import ResourceManager
from .state_lock import StateLock
from .step import Step

if TYPE_CHECKING:
    from types import TracebackType

    from ...graphfmt.checkpoints.hdf5.state_file import SavedState
    from ...graphfmt.graph import Graph, Node
    from ...kernels.codegen.expression import ElementLoop
    from ..multi_device.devices import DeviceSource, SessionDevices
    from ..passes.placement.machine.machine import Machine
    from ..plan.plan import Plan
    from .budget import RunBudget
    from .gpu import GpuOptions
    from .resources import StateStore
    from .step import Watch
    from .waits import Counterpart, Wait

# A session keeps the plans of this many signatures, those used last; while it has few, their order is not kept.
MAX_PLANS = 256
_FEW_PLANS = 32
# How many steps a cluster runs at once, if the number of callers is not known.
_CALLERS = 8

Observer = Callable[["Plan", Step], None]


class Session:
    """Runs steps of a graph. Several threads may call ``run`` at once: they share the variables and
    nothing else.

    Args:
        graph: what to run.
        log: takes the lines that Print nodes write; standard error where not given.
        compile_control_flow: whether well-formed loops and branches run as Python's own; if not, the
            scheduler runs them node by node, to the same results.
        devices: what to run on, such as ``cpu:2``, the name of a file that describes a machine, a ``Machine``, or the
            tasks of a cluster. Nodes go where their device fields ask for, and the others where a step is fastest. If
            not given, the graph runs as one, wherever its nodes are placed.
        threads_per_device: how many threads one large computation uses, in the whole process, while the session is
            open; as many as the process may use if not given.
        wire: ``bf16`` to send float32 as bfloat16 between devices.
        gpu: how GPUs among the devices are used.
        optimize: whether nodes that compute the same are merged, and constants are folded, before a step is planned;
            results are the same, bit for bit.
        callers: how many threads call ``run``, None if that is not known. If all of them wait for queues, the steps
            fail with FAILED_PRECONDITION, because none could end the wait.
        compile: whether elementwise operations on large tensors are compiled to native code once a step has been
            run often; results are the same, bit for bit.
        soft_placement: whether requests for devices that ``devices`` does not have are ignored.
        budget: limits of memory, time and files, such as ``memory=2GiB,time=10s,files=none``; a step that passes one
            fails, and the error names the node.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        log: Callable[[str], None] | None = None,
        compile_control_flow: bool = True,
        devices: str | Machine | DeviceSource | None = None,
        threads_per_device: int | None = None,
        wire: str | None = None,
        gpu: GpuOptions | None = None,
        optimize: bool = True,
        soft_placement: bool = False,
        callers: int | None = None,
        compile: bool = True,
        budget: RunBudget | str | None = None,
    ) -> None:
        allocator.keep_freed_memory()
        limit_blas()
        graph_checks.check_structure(graph)
        self.graph = graph
        self.resources: StateStore = ResourceManager()
        self._functions = (
            session_parts.open_functions(graph, compile_control_flow, optimize) if graph.functions else None
        )
        self._budget = session_parts.open_budget(budget, self._functions) if budget is not None else None
        self._compile_control_flow = compile_control_flow
        self._optimize = optimize
        # The plans of the signatures used last, the latest at the end.
        self._plans: OrderedDict[tuple[Any, ...], Plan] = OrderedDict()
        self._devices: SessionDevices | None = None
        if devices is not None or threads_per_device is not None or wire is not None:
            self._devices = session_parts.open_devices(
                graph,
                "cpu:1" if devices is None else devices,
                threads_per_device,
                wire,
                gpu,
                soft_placement,
                callers or _CALLERS,
            )
            self.resources = self._devices.resources or self.resources
        # Plans on devices run as they are: their parts meet at sends and receives. A budget guards single kernels.
        is_compiled = compile and self._devices is None and self._budget is None
        self._hot = HotPlans(self._build_hot) if is_compiled else None
        self._lock = Lock()
        self._state_lock = StateLock()
        self._interrupts: list[TfgError] = []
        # What the steps that do nothing but wait wait for, by the step's id.
        self._callers = callers
        self._resumed = 0
        # The states of the nodes that run beside the steps, for messages.
        self.beside: dict[str, str] = {}
        # The threads that run them.
        self.helpers: set[int] = set()
        self._parked: dict[int, Callable[[], Sequence[Wait]]] = {}
        self._is_closed = False
        self._step_ids = count(1)
        self._log = log or _to_standard_error

    def __repr__(self) -> str:
        return f"<Session: {self.graph!r}>"

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(
        self,
        fetches: Sequence[str] = (),
        feeds: Mapping[str, Any] | None = None,
        targets: Sequence[str] = (),
        *,
        timeout: float | None = None,
        observer: Observer | None = None,
        watch: Watch | None = None,
        trace: bool = False,
    ) -> list[Any]:
        """Runs one step, and returns one numpy array per fetch, in order; strings are object arrays of bytes.

        Args:
            fetches: outputs by name, ``node`` or ``node:1``.
            feeds: a value for any output of the graph, by name.
            targets: nodes to run for their effect.
            timeout: seconds after which the step is to stop.
            observer: is called with the plan and the finished step, whose records tell when each node ran.
            watch: is called after each node, with the node and those of its outputs that are read.
            trace: returns ``TracedValues``, a list that also has the trace of the step, and shows itself in a notebook.

        Raises:
            TfgError: with the status that TensorFlow gives, the node, and its line in the file.
        """
        if trace:
            return session_parts.run_traced(self, fetches, feeds, targets, timeout)
        given = feeds or {}
        is_traced = observer is not None or watch is not None
        key = (tuple(fetches), tuple(given), tuple(targets), is_traced)
        plan = self._plans.get(key)
        if plan is None or len(self._plans) > _FEW_PLANS:
            plan = self._used_plan(key)
        self._check_open()
        step = self._new_step(plan, timeout)
        arguments = self._arguments(plan, given)
        if is_traced:
            step.trace(watch, describes_tensors=observer is not None)
        elif self._hot is not None:
            plan = self._hot.select(key, plan, arguments)
        self._state_lock.enter(plan.access, step.check_cancelled)
        outer = cancellation.enter(step)
        try:
            with np.errstate(all="ignore"):
                values = plan.execute(step, arguments)
        except Exception as error:
            explained = self._explained(plan, error)
            if explained is error:
                raise
            raise explained from error
        finally:
            cancellation.enter(outer)
            self._leave(plan, step)
        if observer is not None:
            observer(plan, step)
        # A step that has changed the state is not reported as one that failed.
        if timeout is not None and not plan.changes_state:
            step.check_cancelled()
        return self._results(fetches, values)

    def _leave(self, plan: Plan, step: Step) -> None:
        """Lets go of the state, and of what was for the step alone."""
        self._state_lock.leave(plan.access)
        if self.resources.has_step_containers:
            self.resources.end_step(step.step_id)

    def _new_step(self, plan: Plan, timeout: float | None) -> Step:
        if self._budget is not None:
            timeout = self._budget.timeout(timeout)
        number = next(self._step_ids)
        return Step(number, self.resources, self._log, self._interrupts, timeout, self, plan.access)

    def _arguments(self, plan: Plan, feeds: Mapping[str, Any]) -> list[Any]:
        try:
            return [feed.check(value) for feed, value in zip(plan.feeds, feeds.values())]
        except TfgError as error:
            raise self.graph.error_at(error, error.node) if error.node else error from None

    def _results(self, fetches: Sequence[str], values: Sequence[Any]) -> list[Any]:
        try:
            return [_as_result(fetch, value) for fetch, value in zip(fetches, values)]
        except MemoryError as error:
            raise TfgError(
                Status.RESOURCE_EXHAUSTED, f"out of memory for the values of {', '.join(fetches)}: {error}"
            ) from error

    def _build(self, key: tuple[Any, ...]) -> Plan:
        with self._lock:
            plan = self._plans.get(key)
            if plan is None:
                fetches, feeds, targets, traced = key
                signature = StepSignature(fetches, feeds, targets)
                options = BuildOptions(
                    traced=traced,
                    functions=self._functions,
                    compile_control_flow=self._compile_control_flow,
                    optimize=self._optimize,
                    guard=self._budget.guard if self._budget is not None else None,
                )
                devices = self._devices
                if devices is None:
                    plan = build_plan(self.graph, signature, options)
                else:
                    plan = devices.plan(signature, options)
                self._plans[key] = plan
                if len(self._plans) > MAX_PLANS:
                    self._plans.popitem(last=False)
            return plan

    def _build_hot(
        self,
        key: tuple[Any, ...],
        feed_shapes: Sequence[tuple[int, ...]],
        compile_loop: Callable[[ElementLoop], Any],
    ) -> Plan:
        """The plan of a signature for feeds of these shapes, with native code."""
        fetches, feeds, targets, _ = key
        options = BuildOptions(
            functions=self._functions,
            compile_control_flow=self._compile_control_flow,
            optimize=self._optimize,
            feed_shapes=feed_shapes,
            compile_loop=compile_loop,
        )
        return build_plan(self.graph, StepSignature(fetches, feeds, targets), options)

    def _used_plan(self, key: tuple[Any, ...]) -> Plan:
        """Returns the plan of a signature, built if necessary, and marks it as the one used last."""
        plan = self._build(key)
        if len(self._plans) > _FEW_PLANS:
            with self._lock:
                if key in self._plans:
                    self._plans.move_to_end(key)
        return plan

    def _explained(self, failed: Plan, error: Exception) -> TfgError:
        """Returns the exception of a kernel as an error of the node at which it was raised, or of the budget."""
        located = self._located(failed, error)
        return located if self._budget is None else self._budget.explained(located)

    def _located(self, failed: Plan, error: Exception) -> TfgError:
        """The exception of a kernel as an error of the node at which it was raised."""
        from ...kernels.core.failures import as_tfg_error

        call = failed.failed_call(error)
        if call is not None:
            library = self._functions.library if self._functions is not None else None
            return self.graph.error_at(call.error(error, library), call.node.name)
        if not isinstance(error, TfgError):
            return as_tfg_error(error)
        return self.graph.error_at(error, error.node) if error.node else error

    def snapshot(self, notes: Mapping[str, Any] | None = None) -> SavedState:
        """The whole state at a moment at which no step was changing it. Other threads may run steps: they wait
        meanwhile. That is short, because nothing is copied: a later step that changes a value of the snapshot
        allocates a new one.

        Args:
            notes: kept with the state; anything that JSON can express.
        """
        from ...graphfmt.checkpoints.hdf5.state_file import SavedState

        with self._state_lock.exclusive(self._check_open):
            return SavedState(self.resources.save(), notes or {})

    def save(self, path: str | Path, notes: Mapping[str, Any] | None = None) -> None:
        """Writes a snapshot to a file that replaces the old one in one step; see ``statefile``."""
        from ...graphfmt.checkpoints.hdf5 import state_file

        state_file.write(Path(path), self.snapshot(notes))

    def restore(self, path: str | Path) -> Mapping[str, Any]:
        """Replaces the session's state by that of a file; returns the notes saved with it."""
        from ...graphfmt.checkpoints.hdf5 import state_file

        return self.take(state_file.read(Path(path)))

    def take(self, state: SavedState) -> Mapping[str, Any]:
        """Replaces the session's state; returns the notes of the new one."""
        with self._state_lock.exclusive(self._check_open):
            self.resources.restore(state.resources)
        return state.notes

    def reset(self, container: str) -> None:
        """Drops the variables, queues and other resources of a container, "" for the default one."""
        with self._state_lock.exclusive(self._check_open):
            self.resources.reset(container)

    def _check_open(self) -> None:
        if self._is_closed:
            raise TfgError(Status.CANCELLED, "Session has been closed.")

    def plan(
        self, fetches: Sequence[str] = (), feeds: Sequence[str] = (), targets: Sequence[str] = ()
    ) -> Plan:
        """The plan that a step with these feeds, fetches and targets uses."""
        return self._build((tuple(fetches), tuple(feeds), tuple(targets), False))

    @property
    def machine(self) -> Machine | None:
        """The machine that the session runs on, if it was opened with ``devices``."""
        return self._devices.machine if self._devices is not None else None

    @property
    def lost_tasks(self) -> Sequence[str]:
        """The tasks of the session's cluster that have ended or do not answer."""
        return () if self._devices is None else self._devices.lost_tasks

    def restart_tasks(self) -> None:
        """Starts all tasks of the session's cluster anew; their state is gone. No step may run meanwhile.

        Raises UNAVAILABLE where they cannot be started.
        """
        if self._devices is not None:
            with self._lock:
                self._devices.restart()
                self._plans.clear()

    def park(self, step: Step, describe: Callable[[], Sequence[Wait]]) -> None:
        """Lets go of the state while a step waits for a queue or the like: a checkpoint need not wait for it."""
        self._parked[step.step_id] = describe
        self._state_lock.leave(step.access)

    def unpark(self, step: Step) -> None:
        """Takes hold of the state again for a step that goes on."""
        self._resumed += 1
        self._parked.pop(step.step_id, None)
        self._state_lock.enter(step.access, _never_cancelled)

    @property
    def stuck_since(self) -> int | None:
        """A number that stays the same as long as all callers wait; None while one of them may go on, and for the
        threads of ``helpers``, whose waits the others tell."""
        if self._callers is None or len(self._parked) < self._callers or get_ident() in self.helpers:
            return None
        return self._resumed

    def add_callers(self, count: int) -> None:
        """Changes the number of threads that call ``run``, if it is known."""
        with self._lock:
            if self._callers is not None:
                self._callers += count

    def counterparts(self, node: Node) -> list[Counterpart] | None:
        """The nodes that could end the wait of a node, None if that is not known."""
        from .waits import counterparts

        return counterparts(self.graph, node, self.beside)

    def waits(self) -> list[Wait]:
        """The nodes of running steps that wait, with what they wait for and since when. From any thread."""
        return [wait for describe in list(self._parked.values()) for wait in describe()]

    def interrupt(self, reason: str) -> None:
        """Ends the steps that run with CANCELLED, and later ones until ``clear_interrupts``. Called from any thread."""
        self._interrupts.append(TfgError(Status.CANCELLED, reason))

    def clear_interrupts(self) -> None:
        """Lets steps run again after ``interrupt``; a closed session stays closed."""
        self._interrupts.clear()

    def close(self) -> None:
        """Cancels the steps that still run; any later one fails with CANCELLED."""
        self._is_closed = True
        if self._hot is not None:
            self._hot.close()
        self.interrupt("the session was closed while the step ran")
        if self._devices is not None:
            self._devices.close()


def _never_cancelled() -> None:
    pass


def _to_standard_error(line: str) -> None:
    sys.stderr.write(line + "\n")


def _as_result(fetch: str, value: Any) -> Any:
    """A fetched value as an array that the caller may keep: constants are copied.

    Raises INVALID_ARGUMENT for a handle: TensorFlow 1 declares those of tensor arrays and stacks as strings.
    """
    if isinstance(value, np.ndarray):
        return value if value.flags.writeable else value.copy()
    if isinstance(value, np.generic):
        return np.asarray(value)
    if not isinstance(value, bytes | str):
        raise invalid(f"cannot fetch {fetch!r}, which is a handle of a {type(value).__name__}")
    result = np.empty((), object)
    result[()] = value
    return result
