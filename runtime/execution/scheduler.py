"""The scheduler: a pure state machine, without threads, clocks or numpy.

A program is a graph of *tasks*: a segment of nodes that runs as one call, or a single node that may wait or is
control flow. Events go in, instructions come out: ``start`` and ``finished`` each return what to do next, and the
executor that does it reports back.

Loops run in *frames* (OSDI'16 section 3.4). An Enter takes a value into a frame, which begins there with
iteration 0; a NextIteration takes it on to the next iteration, an Exit out of the frame. A *tag* names an iteration:
``(("outer", 2), ("inner", 0))`` is the first iteration of the loop "inner" within the third of "outer", and
``()`` is the root. Up to ``parallel_iterations`` iterations of a frame overlap.

A tensor on the branch that is not taken is *dead*: a task with a dead input is not run, and its outputs are dead too.
The exceptions: a merge is ready with its first live input, and dead only when all its inputs are; a trigger is never
dead; a send runs even if it is dead, to tell the other device; a dead NextIteration begins no iteration; a dead Exit
counts only if the loop ends with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from typing import NamedTuple

CONTROL = -1

Tag = tuple[tuple[str, int], ...]
ROOT: Tag = ()

# The iteration number under which the loop invariants of a frame are kept.
CONSTANTS = -1


class TaskKind(Enum):
    """The kinds of tasks, which differ in how they treat dead inputs and in which iteration their outputs are."""

    PLAIN = auto()
    MERGE = auto()
    TRIGGER = auto()
    SEND = auto()
    ENTER = auto()
    EXIT = auto()
    NEXT_ITERATION = auto()


class TaskInput(NamedTuple):
    """An input of a task: an output of another one, or its control output (port -1)."""

    task: int
    port: int = CONTROL


@dataclass(frozen=True, slots=True)
class Task:
    """``inputs`` are the outputs that it reads or waits for; ``outputs`` is the number of its ports. The last three
    fields are those of an Enter: its frame, whether the value is the same in all iterations, and how many of these
    may overlap."""

    name: str
    inputs: tuple[TaskInput, ...] = ()
    outputs: int = 0
    kind: TaskKind = TaskKind.PLAIN
    frame: str = ""
    is_constant: bool = False
    parallel_iterations: int = 10


@dataclass(frozen=True)
class Program:
    """The tasks of a step, by number."""

    tasks: tuple[Task, ...]

    @cached_property
    def readers(self) -> Sequence[Sequence[tuple[int, int]]]:
        """For every task its readers: (port, reader), once per input."""
        found: list[list[tuple[int, int]]] = [[] for _ in self.tasks]
        for number, task in enumerate(self.tasks):
            for source in task.inputs:
                found[source.task].append((source.port, number))
        return found

    @cached_property
    def input_counts(self) -> Sequence[int]:
        """The number of inputs of each task."""
        return [len(task.inputs) for task in self.tasks]

    @cached_property
    def root_runs(self) -> Sequence[Run]:
        """The instruction to run each task outside of all loops."""
        return [Run(number) for number in range(len(self.tasks))]

    @cached_property
    def enters(self) -> dict[str, int]:
        """The number of Enters that lead into each frame."""
        found: dict[str, int] = {}
        for task in self.tasks:
            if task.kind is TaskKind.ENTER:
                found[task.frame] = found.get(task.frame, 0) + 1
        return found


class Run(NamedTuple):
    """The instruction to run a task. ``live`` is the input that a merge is to forward; ``is_dead`` tells a send that
    its value is dead."""

    task: int
    tag: Tag = ROOT
    live: TaskInput | None = None
    is_dead: bool = False


class Move(NamedTuple):
    """The instruction to make a task's outputs available under another tag."""

    task: int
    source: Tag
    target: Tag


class Orders(NamedTuple):
    """Instructions, in this order: move values, then drop all values under the tags that have ended, then run
    tasks."""

    runs: list[Run]
    moves: list[Move]
    ended: list[Tag]


@dataclass(slots=True)
class _Arrivals:
    """The inputs that have arrived at a task under one tag. ``waiting`` is the number of those to come, for a merge
    of control inputs alone; ``dead`` is the number of dead data inputs of a merge, of dead inputs of others."""

    waiting: int
    dead: int = 0
    live: TaskInput | None = None
    is_decided: bool = False


@dataclass(slots=True)
class _Iteration:
    """``active`` is the number of tasks that run, ``frames`` that of the loops that were entered from here and have
    not ended."""

    active: int = 0
    frames: int = 0
    arrivals: dict[int, _Arrivals] = field(default_factory=dict[int, _Arrivals])


@dataclass(eq=False)
class _Frame:
    """A loop in progress: the iteration that it was entered from, the number of Enters still to come, the iterations
    that have not ended, and the number of the newest. ``deferred`` are the NextIterations that wait because as many
    iterations run as may overlap."""

    tag: Tag
    name: str
    parent: _Frame | None
    parent_iteration: int
    entering: int
    parallel: int
    newest: int = 0
    iterations: dict[int, _Iteration] = field(default_factory=dict[int, _Iteration])
    constants: list[tuple[int, bool]] = field(default_factory=list[tuple[int, bool]])
    deferred: list[int] = field(default_factory=list[int])
    dead_exits: list[int] = field(default_factory=list[int])

    def tag_of(self, iteration: int) -> Tag:
        return (*self.tag, (self.name, iteration)) if self.parent is not None else ROOT


@dataclass
class Scheduler:
    """The state of one step."""

    program: Program
    _frames: dict[Tag, _Frame] = field(default_factory=dict[Tag, _Frame])
    _orders: Orders = field(default_factory=lambda: Orders([], [], []))
    _dead: deque[tuple[_Frame, int, int]] = field(default_factory=deque[tuple[_Frame, int, int]])
    _running: int = 0

    @property
    def is_done(self) -> bool:
        """True if nothing runs; then nothing is ready either, and tasks that have not run never will."""
        return self._running == 0

    @property
    def open_frames(self) -> list[str]:
        """The names of the loops that have begun and not ended."""
        return sorted({frame.name for frame in self._frames.values() if frame.parent is not None})

    def start(self) -> Orders:
        """Begins the step: runs the tasks without inputs."""
        root = _Frame(ROOT, "", None, 0, 0, 1, iterations={0: _Iteration()})
        self._frames[ROOT] = root
        for number, task in enumerate(self.program.tasks):
            if not task.inputs:
                self._run(root, 0, number, None)
        return self._take_orders()

    def finished(self, run: Run, dead: Iterable[int] = ()) -> Orders:
        """Takes note that a task has run, and that these of its ports are dead."""
        self._running -= 1
        frame, iteration = self._place(run.tag)
        self._complete(frame, iteration, run.task, frozenset(dead), is_dead=run.is_dead)
        self._propagate_deadness()
        return self._take_orders()

    def _take_orders(self) -> Orders:
        orders, self._orders = self._orders, Orders([], [], [])
        return orders

    def _place(self, tag: Tag) -> tuple[_Frame, int]:
        if not tag:
            return self._frames[ROOT], 0
        return self._frames[(*tag[:-1], (tag[-1][0], 0))], tag[-1][1]

    def _run(
        self, frame: _Frame, iteration: int, task: int, live: TaskInput | None, *, is_dead: bool = False
    ) -> None:
        frame.iterations[iteration].active += 1
        self._running += 1
        self._orders.runs.append(Run(task, frame.tag_of(iteration), live, is_dead))

    def _propagate_deadness(self) -> None:
        """Propagates deadness through tasks that are not run."""
        while self._dead:
            frame, iteration, task = self._dead.popleft()
            self._complete(frame, iteration, task, frozenset(), is_dead=True)

    def _complete(
        self, frame: _Frame, iteration: int, task: int, dead: frozenset[int], *, is_dead: bool
    ) -> None:
        """Delivers the outputs of a task that has run, or is dead, as its kind demands."""
        match self.program.tasks[task].kind:
            case TaskKind.ENTER:
                self._enter(frame, iteration, task, is_dead)
            case TaskKind.EXIT:
                self._exit(frame, iteration, task, is_dead)
            case TaskKind.NEXT_ITERATION:
                if not is_dead:
                    self._to_next_iteration(frame, iteration, task)
            case _:
                self._deliver(frame, iteration, task, dead, is_dead)
        frame.iterations[iteration].active -= 1
        self._end_iterations(frame, iteration)

    def _enter(self, frame: _Frame, iteration: int, task: int, is_dead: bool) -> None:
        enter = self.program.tasks[task]
        child = self._child(frame, iteration, enter)
        if enter.is_constant:
            if not is_dead:
                self._move(frame, iteration, task, child.tag_of(CONSTANTS))
            child.constants.append((task, is_dead))
            for number in list(child.iterations):
                self._deliver(child, number, task, frozenset(), is_dead)
        else:
            if not is_dead:
                self._move(frame, iteration, task, child.tag_of(0))
            self._deliver(child, 0, task, frozenset(), is_dead)
        child.entering -= 1
        self._end_iterations(child, 0)

    def _child(self, frame: _Frame, iteration: int, enter: Task) -> _Frame:
        """The frame that an Enter leads to; the first of its Enters begins it."""
        tag = frame.tag_of(iteration)
        key = (*tag, (enter.frame, 0))
        found = self._frames.get(key)
        if found is None:
            found = _Frame(
                tag,
                enter.frame,
                frame,
                iteration,
                self.program.enters[enter.frame],
                enter.parallel_iterations,
            )
            found.iterations[0] = _Iteration()
            frame.iterations[iteration].frames += 1
            self._frames[key] = found
        return found

    def _exit(self, frame: _Frame, iteration: int, task: int, is_dead: bool) -> None:
        assert frame.parent is not None
        if not is_dead:
            self._move(frame, iteration, task, frame.parent.tag_of(frame.parent_iteration))
            self._deliver(frame.parent, frame.parent_iteration, task, frozenset(), False)
        elif iteration == frame.newest:
            frame.dead_exits.append(task)

    def _to_next_iteration(self, frame: _Frame, iteration: int, task: int) -> None:
        """Delivers a value to the next iteration, which begins now if the overlap allows."""
        following = iteration + 1
        self._move(frame, iteration, task, frame.tag_of(following))
        if following > frame.newest:
            if len(frame.iterations) >= frame.parallel:
                frame.deferred.append(task)
                return
            self._begin_iteration(frame)
        self._deliver(frame, following, task, frozenset(), False)

    def _begin_iteration(self, frame: _Frame) -> None:
        frame.newest += 1
        frame.iterations[frame.newest] = _Iteration()
        frame.dead_exits.clear()
        for task, is_dead in frame.constants:
            self._deliver(frame, frame.newest, task, frozenset(), is_dead)

    def _move(self, frame: _Frame, iteration: int, task: int, target: Tag) -> None:
        self._orders.moves.append(Move(task, frame.tag_of(iteration), target))

    def _end_iterations(self, frame: _Frame, iteration: int) -> None:
        """Ends this iteration, those after it that only waited for it to end, and then the frame."""
        while frame.parent is not None and self._has_ended(frame, iteration):
            del frame.iterations[iteration]
            self._orders.ended.append(frame.tag_of(iteration))
            if frame.deferred:
                deferred, frame.deferred = frame.deferred, []
                self._begin_iteration(frame)
                for task in deferred:
                    self._deliver(frame, frame.newest, task, frozenset(), False)
            iteration += 1
        if frame.parent is not None and not frame.iterations and not frame.entering:
            self._end_frame(frame)

    def _has_ended(self, frame: _Frame, iteration: int) -> bool:
        state = frame.iterations.get(iteration)
        if state is None or state.active or state.frames:
            return False
        return not frame.entering if iteration == 0 else iteration - 1 not in frame.iterations

    def _end_frame(self, frame: _Frame) -> None:
        parent, iteration = frame.parent, frame.parent_iteration
        key = (*frame.tag, (frame.name, 0))
        if parent is None or key not in self._frames:
            return
        del self._frames[key]
        self._orders.ended.append(frame.tag_of(CONSTANTS))
        for task in frame.dead_exits:
            self._deliver(parent, iteration, task, frozenset(), True)
        parent.iterations[iteration].frames -= 1
        self._end_iterations(parent, iteration)

    def _deliver(self, frame: _Frame, iteration: int, task: int, dead: frozenset[int], is_dead: bool) -> None:
        """Counts a task's outputs as arrived at all its readers, and runs those that are ready."""
        tasks = self.program.tasks
        is_dead_enter = is_dead and tasks[task].kind is TaskKind.ENTER
        for port, reader in self.program.readers[task]:
            arrivals = self._arrivals(frame, iteration, reader)
            arrives_dead = is_dead or port in dead
            kind = tasks[reader].kind
            if kind is TaskKind.MERGE:
                state = self._arrive_at_merge(
                    arrivals, tasks[reader], TaskInput(task, port), arrives_dead, is_dead_enter
                )
            else:
                state = _arrive_at_plain(arrivals, arrives_dead and kind is not TaskKind.TRIGGER)
            if state == "run":
                self._run(frame, iteration, reader, arrivals.live)
            elif state == "dead" and kind is TaskKind.SEND:
                self._run(frame, iteration, reader, None, is_dead=True)
            elif state == "dead":
                frame.iterations[iteration].active += 1
                self._dead.append((frame, iteration, reader))

    def _arrivals(self, frame: _Frame, iteration: int, reader: int) -> _Arrivals:
        known = frame.iterations[iteration].arrivals
        found = known.get(reader)
        if found is None:
            task = self.program.tasks[reader]
            controls = sum(source.port == CONTROL for source in task.inputs)
            found = known[reader] = _Arrivals(controls if task.kind is TaskKind.MERGE else len(task.inputs))
        return found

    def _arrive_at_merge(
        self, arrivals: _Arrivals, task: Task, source: TaskInput, is_dead: bool, is_dead_enter: bool
    ) -> str:
        if source.port == CONTROL:
            arrivals.waiting -= 1
        elif is_dead:
            arrivals.dead += 1
        elif arrivals.live is None:
            arrivals.live = source
        if arrivals.is_decided or arrivals.waiting:
            return "wait"
        data = sum(source.port != CONTROL for source in task.inputs)
        if arrivals.live is None and arrivals.dead < data and not is_dead_enter:
            return "wait"
        arrivals.is_decided = True
        return "run" if arrivals.live is not None else "dead"


def _arrive_at_plain(arrivals: _Arrivals, is_dead: bool) -> str:
    arrivals.waiting -= 1
    arrivals.dead += is_dead
    if arrivals.waiting:
        return "wait"
    return "dead" if arrivals.dead else "run"
