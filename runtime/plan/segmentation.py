"""A plan's nodes cut into the tasks that the scheduler knows.

Most nodes neither wait nor steer; they run together as segments. A node that may wait (``asynchronous``) and one
that steers (Switch, Merge, Enter, Exit, NextIteration) is a task of its own, and splits what depends on it from
what does not: two nodes share a segment exactly if the waiting and steering outputs that they depend on, going
back to the nearest, are the same. So a segment is dead as a whole or not at all, belongs to one iteration, and
waits for nothing that one of its nodes does not need. A send, which runs even when it is dead, is a task of its
own where it may be, and otherwise a line of a segment like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ...graphfmt.graph import Endpoint, Node, endpoint
from ...kernels.core.binding import PASS_ON
from ...kernels.core.traits import Role
from ..execution.scheduler import CONTROL, Program, Task, TaskInput, TaskKind
from . import lowering
from .liveness import Line, reads_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from ...kernels.core.facts import Fact
    from ..execution.gpu import Gpu
    from .lowering import Segment

# How the scheduler runs the operations that are tasks of their own because of their role.
_KINDS = {
    Role.MERGE: TaskKind.MERGE,
    Role.ENTER: TaskKind.ENTER,
    Role.EXIT: TaskKind.EXIT,
    Role.NEXT_ITERATION: TaskKind.NEXT_ITERATION,
    Role.CONTROL_TRIGGER: TaskKind.TRIGGER,
    Role.SWITCH: TaskKind.PLAIN,
    Role.SEND: TaskKind.SEND,
}

# The waiting and steering outputs that a node depends on, going back to the nearest.
_Gates = frozenset[Endpoint]


@dataclass(frozen=True)
class SegmentTask:
    """A segment, the outputs it takes and those it gives."""

    segment: Segment
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]


@dataclass(frozen=True)
class NodeTask:
    """A node that is a task of its own; ``dereferenced`` marks inputs that are references to be read, and one
    that ``exchanges`` sends to another device, or receives."""

    node: Node
    kernel: Callable[..., Any] | None
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    dereferenced: tuple[bool, ...]
    is_one: bool
    takes_context: bool
    waits: bool
    exchanges: bool


@dataclass(frozen=True)
class FeedTask:
    """What is fed: there from the start."""

    outputs: tuple[Endpoint, ...]


@dataclass(frozen=True)
class TaskGraph:
    """The tasks and the program that says how they depend on each other, in the same order.

    ``urgent`` are the numbers of the tasks that lead to a send; ``has_work`` is whether a segment waits for nothing
    but what is fed, ``is_straight`` whether there are no branches and loops, and ``gpu`` what computes them if not the
    host.
    """

    tasks: tuple[SegmentTask | NodeTask | FeedTask, ...]
    program: Program
    urgent: frozenset[int] = frozenset()
    has_work: bool = True
    is_straight: bool = False
    traced: bool = False
    gpu: Gpu | None = None

    @property
    def segments(self) -> list[Segment]:
        return [task.segment for task in self.tasks if isinstance(task, SegmentTask)]


def is_own_task(line: Line, maybe_dead: Collection[str] = ()) -> bool:
    """Whether a node waits or steers, or sends what may be dead."""
    op = line.prepared.op
    return op.asynchronous or (op.role in _KINDS and (op.role is not Role.SEND or line.name in maybe_dead))


def cut(
    lines: Sequence[Line],
    facts: Mapping[str, Sequence[Fact]],
    given: Sequence[Endpoint],
    fetches: Sequence[Endpoint],
    *,
    maybe_dead: Collection[str] = (),
    traced: bool = False,
    limited: bool = False,
) -> TaskGraph:
    """Cuts ordered lines into tasks; the first is what is given.

    Args:
        maybe_dead: the names of the sends whose inputs may be dead.
        traced, limited: as for ``lowering.lower``.
    """
    lower = partial(lowering.lower, read=False, traced=traced, limited=limited)
    cutter = _Segmenter(lines, facts, tuple(given), maybe_dead, lower)
    tasks = cutter.tasks(fetches)
    program = Program(tuple(cutter.shape(number, task) for number, task in enumerate(tasks)))
    has_work = any(
        isinstance(task, SegmentTask) and all(source.task == 0 for source in shape.inputs)
        for task, shape in zip(tasks, program.tasks)
    )
    urgent = _leading_to(program, cutter.sending())
    is_straight = not any(line.prepared.op.is_control_flow or line.name in maybe_dead for line in lines)
    return TaskGraph(tasks, program, urgent, has_work, is_straight, traced)


def _leading_to(program: Program, ends: Iterable[int]) -> frozenset[int]:
    found: set[int] = set()
    stack = list(ends)
    while stack:
        number = stack.pop()
        if number not in found:
            found.add(number)
            stack += [source.task for source in program.tasks[number].inputs]
    return frozenset(found)


class _Segmenter:
    """``singles`` are the nodes that are tasks of their own, ``groups`` the lines of each task, ``home`` says which
    task a node belongs to, ``known`` are the constants that no gate stands before: their values are part of the
    segments that read them."""

    def __init__(
        self,
        lines: Sequence[Line],
        facts: Mapping[str, Sequence[Fact]],
        given: tuple[Endpoint, ...],
        maybe_dead: Collection[str],
        lower: Callable[..., Segment],
    ) -> None:
        self.facts = facts
        self.given = given
        self.lower = lower
        self.singles = {line.name for line in lines if is_own_task(line, maybe_dead)}
        self.groups, free = _grouped(lines, self.singles)
        self.groups.insert(0, [])
        self.home = {line.name: number for number, group in enumerate(self.groups) for line in group}
        self.home |= {source.node: 0 for source in given}
        self.known = {line.name for line in lines if line.is_constant and line.name in free}
        self._outputs: list[list[Endpoint]] = []

    def tasks(self, fetches: Sequence[Endpoint]) -> tuple[SegmentTask | NodeTask | FeedTask, ...]:
        inputs = [self._inputs(number) for number in range(len(self.groups))]
        needed: list[dict[Endpoint, None]] = [{} for _ in self.groups]
        for source in [*(source for group in inputs for source in group), *fetches]:
            if source.node in self.home:
                needed[self.home[source.node]][source] = None
        self._outputs = [list(group) for group in needed]
        made = [self._unit(n, inputs[n], tuple(needed[n])) for n in range(1, len(self.groups))]
        return (FeedTask(self.given), *made)

    def _inputs(self, number: int) -> tuple[Endpoint, ...]:
        """The outputs of others that a task's kernels read, each once; all of them, in order, for a single."""
        group = self.groups[number]
        if group and group[0].name in self.singles:
            return tuple(group[0].prepared.inputs)
        read = dict.fromkeys(e for line in group if not line.is_constant for e in line.prepared.inputs)
        return tuple(e for e in read if self.home.get(e.node) != number and e.node not in self.known)

    def _unit(
        self, number: int, inputs: tuple[Endpoint, ...], outputs: tuple[Endpoint, ...]
    ) -> SegmentTask | NodeTask:
        group = self.groups[number]
        first = group[0]
        prepared = first.prepared
        if first.name not in self.singles:
            return SegmentTask(self.lower(group, self.facts, inputs, outputs), inputs, outputs)
        ports = tuple(Endpoint(first.name, port) for port in range(len(prepared.output_facts)))
        return NodeTask(
            node=prepared.node,
            kernel=_same if first.kernel is PASS_ON else first.kernel,
            inputs=inputs,
            outputs=ports,
            dereferenced=tuple(reads_reference(prepared, i) for i in range(len(inputs))),
            is_one=len(ports) == 1 and not prepared.op.signature.outputs[0].is_list,
            takes_context=prepared.op.takes_context,
            waits=prepared.op.asynchronous,
            exchanges=prepared.op.role in (Role.SEND, Role.RECV),
        )

    def sending(self) -> list[int]:
        """The tasks with a send in them."""
        return [
            number
            for number, group in enumerate(self.groups)
            if any(line.prepared.op.role is Role.SEND for line in group)
        ]

    def shape(self, number: int, task: SegmentTask | NodeTask | FeedTask) -> Task:
        """The task as the scheduler sees it."""
        if isinstance(task, FeedTask):
            return Task("what is fed", (), len(task.outputs))
        group = self.groups[number]
        sources = tuple(dict.fromkeys(self._sources(number, group)))
        if isinstance(task, SegmentTask):
            return Task(group[0].name, sources, len(task.outputs))
        kind = _KINDS.get(group[0].prepared.op.role, TaskKind.PLAIN)
        if kind is not TaskKind.ENTER:
            return Task(task.node.name, sources, len(task.outputs), kind)
        attrs = group[0].prepared.bound.plain_attrs
        parallel = max(1, attrs["parallel_iterations"])
        return Task(task.node.name, sources, 1, kind, attrs["frame_name"], attrs["is_constant"], parallel)

    def _sources(self, number: int, group: Sequence[Line]) -> Iterator[TaskInput]:
        single = group[0].name in self.singles
        for line in group:
            for source in map(endpoint, line.prepared.node.inputs):
                producer = self.home.get(source.node)
                if producer is None or (producer == number and not single):
                    continue
                if single or source.node not in self.known:
                    yield TaskInput(producer, self._port(source, producer, line))

    def _port(self, source: Endpoint, producer: int, reader: Line) -> int:
        """Which of its task's outputs an output is; none where only its being there counts."""
        if source.is_control:
            return CONTROL
        if producer == 0:
            return self.given.index(source)
        if self.groups[producer][0].name in self.singles:
            return source.port
        # A segment is dead as a whole, and does not give what only constants would read.
        return CONTROL if reader.is_constant else self._place(producer, source)

    def _place(self, producer: int, source: Endpoint) -> int:
        return self._outputs[producer].index(source)


def _same(value: Any) -> Any:
    return value


def _grouped(lines: Sequence[Line], singles: Collection[str]) -> tuple[list[list[Line]], set[str]]:
    """The lines by task, and the names of those that no gate stands before."""
    gates: dict[str, _Gates] = {}
    groups: dict[_Gates | str, list[Line]] = {}
    for line in lines:
        found: set[Endpoint] = set()
        for source in map(endpoint, line.prepared.node.inputs):
            found |= {source} if source.node in singles else gates.get(source.node, frozenset())
        gates[line.name] = frozenset(found)
        groups.setdefault(line.name if line.name in singles else gates[line.name], []).append(line)
    return list(groups.values()), {name for name, found in gates.items() if not found}
