"""Segmentation: a plan's instructions as the tasks that the scheduler knows.

Most instructions neither wait nor are control flow; they run together as segments. A node that may wait
(``asynchronous``) and a control-flow node (Switch, Merge, Enter, Exit, NextIteration) is a task of its own. These nodes
separate what depends on them from what does not: two instructions share a segment exactly if the outputs of such nodes
that they depend on, going back to the nearest, are the same. So a segment is dead as a whole or not at all, belongs to
one iteration, and waits for nothing that one of its instructions does not need. A send, which must run even if it is
dead, is a task of its own where it may be dead, and otherwise part of a segment.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ...graphfmt.graph import Endpoint, Node
from ...graphfmt.traversal import reachable_from
from ...kernels.core.binding import PASS_ON
from ...kernels.core.traits import Role
from ..execution.scheduler import CONTROL, Program, Task, TaskInput, TaskKind
from .codegen import generate_segment
from .ir import Constant, KernelCall, is_control_flow, is_send

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from ...kernels.core.facts import Fact
    from ..execution.gpu import Gpu
    from .instruction import Instruction
    from .segment import Segment

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

# The outputs of waiting and control-flow nodes that an instruction depends on, going back to the nearest.
_Barriers = frozenset[Endpoint]


@dataclass(frozen=True)
class SegmentTask:
    """A segment, the outputs that it takes and those that it returns."""

    segment: Segment
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]


@dataclass(frozen=True)
class NodeTask:
    """A node that is a task of its own. ``dereferenced`` marks inputs that are references to be read;
    ``returns_one`` tells that the kernel returns its only output, not a sequence; a node that ``transfers`` sends to
    another device or receives from one."""

    node: Node
    kernel: Callable[..., Any]
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    dereferenced: tuple[bool, ...]
    returns_one: bool
    takes_context: bool
    is_asynchronous: bool
    transfers: bool


@dataclass(frozen=True)
class FeedTask:
    """The values that are fed: its outputs are known from the start."""

    outputs: tuple[Endpoint, ...]


AnyTask = SegmentTask | NodeTask | FeedTask


@dataclass(frozen=True)
class TaskGraph:
    """The tasks of a step, and the program that says in the same order how they depend on each other.

    ``urgent`` are the numbers of the tasks that lead to a send; ``has_work`` tells whether a segment waits for nothing
    but feeds, ``is_acyclic`` that there are no branches and loops; ``gpu`` is the device that computes, None for the
    host.
    """

    tasks: tuple[AnyTask, ...]
    program: Program
    urgent: frozenset[int] = frozenset()
    has_work: bool = True
    is_acyclic: bool = False
    traced: bool = False
    gpu: Gpu | None = None

    @property
    def segments(self) -> list[Segment]:
        """The generated functions of the segments."""
        return [task.segment for task in self.tasks if isinstance(task, SegmentTask)]


def build_tasks(
    instructions: Sequence[Instruction],
    facts: Mapping[str, Sequence[Fact]],
    feeds: Sequence[Endpoint],
    fetches: Sequence[Endpoint],
    *,
    maybe_dead: Collection[str] = (),
    traced: bool = False,
    counts_memory: bool = False,
    gpu: Gpu | None = None,
) -> TaskGraph:
    """The tasks of ordered instructions; the first task is that of the feeds.

    Args:
        maybe_dead: the names of the sends whose inputs may be dead.
        traced, counts_memory: as for ``codegen.generate_segment``.
    """
    generate = partial(
        generate_segment, facts=facts, traced=traced, counts_memory=counts_memory, reads_results=False
    )
    segmenter = _Segmenter(instructions, tuple(feeds), maybe_dead, generate)
    tasks = segmenter.tasks(fetches)
    program = Program(tuple(segmenter.scheduled(number, task) for number, task in enumerate(tasks)))
    has_work = any(
        isinstance(task, SegmentTask) and all(source.task == 0 for source in scheduled.inputs)
        for task, scheduled in zip(tasks, program.tasks)
    )
    is_acyclic = not any(is_control_flow(one) or one.name in maybe_dead for one in instructions)
    urgent = reachable_from(
        segmenter.sending(), lambda number: [source.task for source in program.tasks[number].inputs]
    )
    return TaskGraph(tasks, program, frozenset(urgent), has_work, is_acyclic, traced, gpu)


def _is_own_task(call: KernelCall, maybe_dead: Collection[str]) -> bool:
    """True for a node that waits, is control flow, or sends what may be dead."""
    op = call.typed.op
    return op.asynchronous or (op.role in _KINDS and (op.role is not Role.SEND or call.name in maybe_dead))


class _Segmenter:
    """``_own`` are the nodes that are tasks of their own; ``_groups`` the instructions of each task, and ``_home`` the
    task of each node. ``_known`` are the constants that depend on no barrier: their values are part of the segments
    that read them. ``_outputs`` are those of each task that others need."""

    def __init__(
        self,
        instructions: Sequence[Instruction],
        feeds: tuple[Endpoint, ...],
        maybe_dead: Collection[str],
        generate: Callable[..., Segment],
    ) -> None:
        self._feeds = feeds
        self._generate = generate
        self._own = {
            one.name: one
            for one in instructions
            if isinstance(one, KernelCall) and _is_own_task(one, maybe_dead)
        }
        groups, unconditional = _grouped(instructions, self._own)
        self._groups: list[list[Instruction]] = [[], *groups]
        self._home = {one.name: number for number, group in enumerate(self._groups) for one in group}
        self._home |= {source.node: 0 for source in feeds}
        self._known = {
            one.name for one in instructions if isinstance(one, Constant) and one.name in unconditional
        }
        self._outputs: list[list[Endpoint]] = []

    def tasks(self, fetches: Sequence[Endpoint]) -> tuple[AnyTask, ...]:
        inputs = [self._inputs(number) for number in range(len(self._groups))]
        needed: list[dict[Endpoint, None]] = [{} for _ in self._groups]
        for source in [*(source for group in inputs for source in group), *fetches]:
            if source.node in self._home:
                needed[self._home[source.node]][source] = None
        self._outputs = [list(group) for group in needed]
        others = [self._task(n, inputs[n], tuple(needed[n])) for n in range(1, len(self._groups))]
        return (FeedTask(self._feeds), *others)

    def _own_call(self, number: int) -> KernelCall | None:
        """The call that is a task of its own; None for a segment."""
        group = self._groups[number]
        return self._own.get(group[0].name) if group else None

    def _inputs(self, number: int) -> tuple[Endpoint, ...]:
        """The outputs of other tasks that a task reads: each once for a segment, all in order for a node."""
        call = self._own_call(number)
        if call is not None:
            return tuple(call.inputs)
        read = dict.fromkeys(source for one in self._groups[number] for source in one.inputs)
        return tuple(e for e in read if self._home.get(e.node) != number and e.node not in self._known)

    def _task(
        self, number: int, inputs: tuple[Endpoint, ...], outputs: tuple[Endpoint, ...]
    ) -> SegmentTask | NodeTask:
        call = self._own_call(number)
        if call is not None:
            return _node_task(call, inputs)
        segment = self._generate(self._groups[number], parameters=inputs, results=outputs)
        return SegmentTask(segment, inputs, outputs)

    def sending(self) -> list[int]:
        """The tasks with a send in them."""
        return [number for number, group in enumerate(self._groups) if any(map(is_send, group))]

    def scheduled(self, number: int, task: AnyTask) -> Task:
        """The task as the scheduler sees it."""
        if isinstance(task, FeedTask):
            return Task("feeds", (), len(task.outputs))
        group = self._groups[number]
        call = self._own_call(number)
        inputs = tuple(dict.fromkeys(self._task_inputs(number, group, call)))
        if call is None:
            return Task(group[0].name, inputs, len(task.outputs))
        kind = _KINDS.get(call.typed.op.role, TaskKind.PLAIN)
        if kind is not TaskKind.ENTER:
            return Task(call.name, inputs, len(task.outputs), kind)
        attrs = call.typed.bound.plain_attrs
        parallel = max(1, attrs["parallel_iterations"])
        return Task(call.name, inputs, 1, kind, attrs["frame_name"], attrs["is_constant"], parallel)

    def _task_inputs(
        self, number: int, group: Sequence[Instruction], call: KernelCall | None
    ) -> Iterator[TaskInput]:
        for instruction in group:
            for source in instruction.dependencies:
                producer = self._home.get(source.node)
                if producer is None or (producer == number and call is None):
                    continue
                if call is not None or source.node not in self._known:
                    yield TaskInput(producer, self._port(source, producer, instruction))

    def _port(self, source: Endpoint, producer: int, reader: Instruction) -> int:
        """The position of an output among its task's outputs; CONTROL if the value is not needed."""
        if source.is_control:
            return CONTROL
        if producer == 0:
            return self._feeds.index(source)
        if self._own_call(producer) is not None:
            return source.port
        # A segment is dead as a whole, and does not return what only constants would read.
        return CONTROL if isinstance(reader, Constant) else self._outputs[producer].index(source)


def _node_task(call: KernelCall, inputs: tuple[Endpoint, ...]) -> NodeTask:
    op = call.typed.op
    return NodeTask(
        node=call.node,
        kernel=_identity if call.kernel is PASS_ON else call.kernel,
        inputs=inputs,
        outputs=tuple(Endpoint(call.name, port) for port in range(len(call.output_facts))),
        dereferenced=tuple(call.reads_reference(i) for i in range(len(inputs))),
        returns_one=call.returns_one,
        takes_context=op.takes_context,
        is_asynchronous=op.asynchronous,
        transfers=op.role in (Role.SEND, Role.RECV),
    )


def _identity(value: Any) -> Any:
    return value


def _grouped(
    instructions: Sequence[Instruction], own: Collection[str]
) -> tuple[list[list[Instruction]], set[str]]:
    """The instructions by task, and the names of those that depend on no barrier."""
    barriers: dict[str, _Barriers] = {}
    groups: dict[_Barriers | str, list[Instruction]] = {}
    for instruction in instructions:
        nearest: set[Endpoint] = set()
        for source in instruction.dependencies:
            nearest |= {source} if source.node in own else barriers.get(source.node, frozenset())
        barriers[instruction.name] = frozenset(nearest)
        key = instruction.name if instruction.name in own else barriers[instruction.name]
        groups.setdefault(key, []).append(instruction)
    return list(groups.values()), {name for name, nearest in barriers.items() if not nearest}
