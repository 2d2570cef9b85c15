"""A running step as kernels see it: its id, its time limit, and the session's resources."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from ...graphfmt.errors import Status, TfgError
from ...kernels.core.context import Resource
from ...kernels.families.control_flow.rendezvous_keys import ROOT_ITERATION
from .state_lock import Access

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from ...graphfmt.graph import Node
    from ..multi_device.rendezvous import StepRendezvous
    from .memory_budget import MemoryBudget, MemoryLimit
    from .memory_meter import MemoryMeter
    from .resources import StateStore
    from .waits import Counterpart, Wait

R = TypeVar("R", bound=Resource)


class ParkingSession(Protocol):
    """The session of a step, which is told when the step does nothing but wait."""

    def park(self, step: Step, describe: Callable[[], Sequence[Wait]]) -> None: ...

    def unpark(self, step: Step) -> None: ...

    @property
    def stuck_since(self) -> int | None: ...

    def counterparts(self, node: Node) -> Sequence[Counterpart] | None: ...

    def waits(self) -> Sequence[Wait]: ...


# ``Step.halt`` of a step that must be asked whether it has to stop, because no list tells.
_ASK = (True,)


# Takes a node and those of its outputs that are read.
Watch = Callable[["Node", "Sequence[Any]"], None]


class TracedTensor(NamedTuple):
    """The dtype, shape and bytes of a tensor that a traced node read or computed."""

    dtype: str
    shape: tuple[int, ...]
    bytes: int


class NodeRecord(NamedTuple):
    """A node in a traced step: start and end in nanoseconds of the process's clock, the tensors that it read and
    computed as far as they are known, and the bytes of arrays that the step held when it ended."""

    node: Node
    iteration: str
    start: int
    end: int
    inputs: Sequence[TracedTensor] = ()
    outputs: Sequence[TracedTensor] = ()
    held: int = 0


def _traced(values: Iterable[Any]) -> Sequence[TracedTensor]:
    """Describes those values that are tensors."""
    return tuple(
        TracedTensor(value.dtype.name, value.shape, value.nbytes)
        for value in values
        if hasattr(value, "nbytes") and hasattr(value, "dtype")
    )


def _content(value: Any) -> Any:
    """Returns the tensor in a variable; any other value as it is."""
    return getattr(value, "value", value)


def _share_nothing() -> None:
    pass


class Step:
    """Implements ``kernels.core.context.StepContext``. On several devices each has a copy of its own, and all copies
    share the rendezvous.

    ``interrupts`` is a list of the session's, to which another thread adds an error that ends the steps. Generated
    code calls ``check_cancelled`` only where ``halt`` is true: it is that list, and always true for a step with a
    deadline or on several devices.
    """

    __slots__ = (
        "_deadline",
        "_interrupts",
        "_log",
        "_rendezvous",
        "_session",
        "access",
        "depth",
        "device",
        "halt",
        "iteration",
        "memory_budget",
        "meter",
        "parts",
        "read",
        "records",
        "resources",
        "share",
        "started",
        "step_id",
        "watch",
    )

    def __init__(
        self,
        step_id: int,
        resources: StateStore,
        log: Callable[[str], None],
        interrupts: list[TfgError],
        timeout: float | None,
        session: ParkingSession | None = None,
        access: Access = Access.READ,
    ) -> None:
        self._session = session
        self.access = access
        self.step_id = step_id
        self.depth = 0
        self.iteration = ROOT_ITERATION
        self.resources = resources
        self._rendezvous: StepRendezvous | None = None
        self._log = log
        self._interrupts = interrupts
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self.halt: Sequence[Any] = interrupts if timeout is None else _ASK
        self.device = ""
        self.memory_budget: MemoryBudget | None = None
        self.parts: list[Step] = []
        # Called before a device computes on after a send: other threads may run the parts that became ready.
        self.share: Callable[[], None] = _share_nothing
        self.started = 0
        self.watch: Watch | None = None
        self.records: list[NodeRecord] = []
        self.meter: MemoryMeter | None = None
        self.read: Sequence[TracedTensor] = ()

    @property
    def rendezvous(self) -> StepRendezvous:
        """The rendezvous of this step's sends and receives; on one device it is created at first use."""
        if self._rendezvous is None:
            from ..multi_device.rendezvous import InProcessRendezvous

            self._rendezvous = InProcessRendezvous({})
        return self._rendezvous

    @contextmanager
    def parked(self, describe: Callable[[], Sequence[Wait]]) -> Generator[None]:
        """Lets the state be saved, and other steps have it alone, while this one waits. ``describe`` tells what for."""
        session = self._session
        if session is None:
            yield
            return
        session.park(self, describe)
        try:
            yield
        finally:
            session.unpark(self)

    @property
    def stuck_since(self) -> int | None:
        """A number that stays the same as long as all callers of the session wait; None if one may go on."""
        return None if self._session is None else self._session.stuck_since

    def counterparts(self, node: Node) -> Sequence[Counterpart] | None:
        """The nodes of the graph that could end the wait of a node, None if that is not known."""
        return None if self._session is None else self._session.counterparts(node)

    def waits(self) -> Sequence[Wait]:
        """The nodes that wait in all steps of the session."""
        return () if self._session is None else self._session.waits()

    def part(self, device: str, rendezvous: StepRendezvous, limit: MemoryLimit | None = None) -> Step:
        """A copy of this step for one of several devices; ``limit`` is that of the device's memory."""
        own = self.within(self.iteration)
        own.device = device
        own.records = []
        own._rendezvous = rendezvous
        own.halt = _ASK
        if limit is not None:
            from .memory_budget import MemoryBudget

            own.memory_budget = MemoryBudget(limit)
        self.parts.append(own)
        return own

    def within(self, iteration: str) -> Step:
        """A copy of this step for kernels in an iteration of a loop."""
        own = Step.__new__(Step)
        for name in Step.__slots__:
            setattr(own, name, getattr(self, name))
        own.iteration = iteration
        return own

    def resource(self, container: str, name: str, kind: type[R], make: Callable[[], R]) -> R:
        return self.resources.get(container, name, kind, make)

    def log(self, text: str) -> None:
        self._log(text)

    def check_cancelled(self) -> None:
        if self._rendezvous is not None and self._rendezvous.error is not None:
            raise self._rendezvous.error
        if self._interrupts:
            interrupt = self._interrupts[0]
            raise TfgError(interrupt.status, interrupt.message)
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise TfgError(Status.DEADLINE_EXCEEDED, "the step took longer than its timeout")

    def trace(self, watch: Watch | None, *, describes_tensors: bool) -> None:
        """Prepares a traced step; ``describes_tensors`` to record shapes and memory too."""
        self.watch = watch
        if describes_tensors:
            from .memory_meter import MemoryMeter

            self.meter = MemoryMeter()
        self.start_clock()

    def start_clock(self) -> None:
        """Starts timing. Traced plans call it before a node, unless another one has just ended."""
        self.read = ()
        self.started = time.perf_counter_ns()

    def begin(self, *inputs: Any) -> None:
        """Starts timing a node that reads these values. Traced plans call it before every computation."""
        if self.meter is not None:
            self.read = _traced(map(_content, inputs))
        self.started = time.perf_counter_ns()

    def record(self, node: Node, *outputs: Any) -> None:
        """Records the time of a node. Traced plans call it after every node, with those outputs that are read."""
        now = time.perf_counter_ns()
        written, held = (), 0
        if self.meter is not None:
            self.meter.hold(outputs)
            written, held = _traced(outputs), self.meter.used
        self.records.append(NodeRecord(node, self.iteration, self.started, now, self.read, written, held))
        self.read = ()
        if self.watch is not None:
            self.watch(node, outputs)
        self.started = time.perf_counter_ns()
