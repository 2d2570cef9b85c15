"""A step's parts and the threads that run them, with threads that come when the test says so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tfg.graphfmt import dtypes
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.graph import Endpoint, Graph, Node
from tfg.graphfmt.tensors import from_array
from tfg.kernels.core import registry, shapes
from tfg.runtime.execution.resources import ResourceManager
from tfg.runtime.execution.step import Step
from tfg.runtime.multi_device.multi_device_executor import MultiDeviceExecutor
from tfg.runtime.multi_device.rendezvous import InProcessRendezvous
from tfg.runtime.multi_device.thread_pool import ThreadPool
from tfg.runtime.passes.partitioning.partition import partition
from tfg.runtime.passes.prune import StepSignature
from tfg.runtime.plan.build import BuildOptions, PartOptions, build_part

from ..passes.partitioning.placing import device

Work = Callable[[], None]

op = registry.find("CallForTests") or registry.Family(__name__).op(
    "CallForTests(x: float) -> (y: float)", shape=shapes.like_input, stateful=True
)
CALLED: dict[str, Callable[[Any], Any]] = {}


@op.kernel
def _(xp: Any, x: Any, *, node_name: str) -> Any:
    return CALLED[node_name](x)


class NoThreads(ThreadPool):
    """A pool without threads."""

    def call(self, work: Work) -> None:
        pass


class LateThreads(ThreadPool):
    """A pool whose threads start when the test asks for them."""

    def __init__(self) -> None:
        super().__init__()
        self.called: list[Work] = []

    def call(self, work: Work) -> None:
        self.called.append(work)


def graph(*edges: str) -> Graph:
    """``"b:1 a"`` is the node b on device 1, which reads a; without an input it is a constant 1."""
    nodes: list[Node] = []
    for text in edges:
        what, *inputs = text.split()
        name, _, number = what.partition(":")
        attrs = {} if inputs else {"dtype": dtypes.float32, "value": from_array(np.float32(1))}
        kind = "CallForTests" if inputs else "Const"
        nodes.append(Node(name, kind, tuple(inputs), attrs, device(int(number))))
    return Graph(tuple(nodes))


def step(timeout: float | None = None) -> Step:
    return Step(1, ResourceManager(), print, [], timeout)


def run(graph: Graph, fetches: dict[int, str], pool: ThreadPool, timeout: float | None = 10) -> list[Any]:
    parts = partition(graph)
    rendezvous = InProcessRendezvous({})
    executor = MultiDeviceExecutor(step(timeout), rendezvous, pool)
    wanted: list[list[Endpoint]] = []
    for number, (name, part) in enumerate(parts.graphs.items()):
        fetched = tuple(text for text in [fetches.get(number)] if text)
        sends = tuple(node.name for node in part.nodes if node.op == "_Send")
        made = build_part(part, StepSignature(fetched, (), sends), BuildOptions(), PartOptions())
        executor.add(name, made.tasks, made.initial_values(()))
        wanted.append(list(made.fetches))
    return [value for values in executor.run(wanted) for value in values]


@pytest.fixture(params=[NoThreads, ThreadPool])
def pool(request: pytest.FixtureRequest) -> ThreadPool:
    return request.param()


def test_values_go_back_and_forth(pool: ThreadPool) -> None:
    CALLED.update(b=lambda x: x + 1, c=lambda x: x * 10, d=lambda x: x - 1)
    assert run(graph("a:0", "b:1 a", "c:0 b", "d:1 c"), {0: "c", 1: "d"}, pool) == [20, 19]


def test_the_thread_that_called_runs_all_parts_without_a_pool() -> None:
    threads: set[int] = set()

    def note(x: Any) -> Any:
        threads.add(threading.get_ident())
        return x

    CALLED.update(b=note, c=note, d=note)
    run(graph("a:0", "b:1 a", "c:0 b", "d:2 c"), {2: "d"}, NoThreads())
    assert threads == {threading.get_ident()}


def test_two_parts_that_have_work_run_at_once() -> None:
    """Each waits for the other to have begun."""
    barrier = threading.Barrier(2, timeout=10)

    def meet(x: Any) -> Any:
        barrier.wait()
        return x

    CALLED.update(b=meet, c=meet)
    assert run(graph("a:0", "b:0 a", "a1:1", "c:1 a1"), {0: "b", 1: "c"}, ThreadPool()) == [1, 1]


def test_what_is_sent_wakes_its_reader_while_the_sender_goes_on() -> None:
    has_arrived = threading.Event()

    def arrive(x: Any) -> Any:
        has_arrived.set()
        return x

    def wait(x: Any) -> Any:
        assert has_arrived.wait(10)
        return x

    CALLED.update(first=lambda x: x, there=arrive, later=wait)
    g = graph("a:0", "later:0 a", "first:0 a", "there:1 first")
    assert run(g, {0: "later", 1: "there"}, ThreadPool()) == [1, 1]


def test_a_helper_that_comes_too_late_finds_nothing_to_do() -> None:
    CALLED.update(b=lambda x: x, c=lambda x: x)
    late = LateThreads()
    run(graph("a:0", "b:1 a", "c:0 b"), {0: "c"}, late)
    for work in late.called:
        work()


def failing(message: str) -> Callable[[Any], Any]:
    def fail(x: Any) -> Any:
        raise TfgError(Status.OUT_OF_RANGE, message)

    return fail


def test_the_first_error_is_the_steps_error_not_those_that_follow(pool: ThreadPool) -> None:
    CALLED.update(b=failing("no more"), c=lambda x: x, d=lambda x: x)
    with pytest.raises(TfgError) as caught:
        run(graph("a:0", "b:0 a", "c:1 b", "d:2 c"), {2: "d"}, pool)
    assert (caught.value.status, caught.value.message) == (Status.OUT_OF_RANGE, "no more")


def test_no_thread_works_on_a_step_that_has_failed() -> None:
    is_over, ran = threading.Event(), []
    both = threading.Barrier(2, timeout=10)

    def meet_and_fail(x: Any) -> Any:
        both.wait()
        raise TfgError(Status.ABORTED, "failed")

    def meet_and_take_time(x: Any) -> Any:
        both.wait()
        is_over.wait(0.2)
        ran.append(is_over.is_set())
        return x

    CALLED.update(b=meet_and_fail, c=meet_and_take_time, d=lambda x: ran.append("after") or x)
    with pytest.raises(TfgError, match="failed"):
        run(graph("a:0", "b:0 a", "a1:1", "c:1 a1", "d:1 c"), {0: "b", 1: "d"}, ThreadPool())
    is_over.set()
    assert ran[:1] == [False]


def test_a_step_is_stopped_when_its_time_is_up(pool: ThreadPool) -> None:
    def wait_for_ever(x: Any) -> Any:
        time_is_up = step_of[0]
        while True:
            time_is_up.check_cancelled()

    step_of = [step(0.1)]
    CALLED.update(b=wait_for_ever, c=lambda x: x)
    with pytest.raises(TfgError) as caught:
        run(graph("a:0", "b:0 a", "c:1 b"), {1: "c"}, pool, 0.1)
    assert caught.value.status == Status.DEADLINE_EXCEEDED


def test_a_receive_whose_value_no_part_sends_is_named() -> None:
    parts = partition(graph("a:0", "b:1 a"))
    executor = MultiDeviceExecutor(step(), InProcessRendezvous({}), NoThreads())
    part = parts.graphs[device(1)]
    made = build_part(part, StepSignature(("b",), (), ()), BuildOptions(), PartOptions())
    executor.add(device(1), made.tasks, {})
    with pytest.raises(TfgError) as caught:
        executor.run([made.fetches])
    assert caught.value.status == Status.INTERNAL
    assert "'a/_recv_0' waits for a value that no part sends" in caught.value.message
    assert f"{device(0)};0000000000000001;{device(1)};edge_0_a;0:0" in caught.value.message


def test_helpers_are_used_again() -> None:
    pool, threads, done = ThreadPool(), set[int](), threading.Semaphore(0)

    def work() -> None:
        threads.add(threading.get_ident())
        done.release()

    for _ in range(20):
        pool.call(work)
        assert done.acquire(timeout=10)
    assert len(threads) <= 3


def test_no_thread_is_called_for_a_value_that_goes_back_and_forth() -> None:
    """The sender has nothing else to do, and runs the receiving part itself."""
    CALLED.update(b=lambda x: x + 1, c=lambda x: x * 10, d=lambda x: x - 1)
    pool = LateThreads()
    assert run(graph("a:0", "b:0 a", "c:1 b", "d:0 c"), {0: "d"}, pool) == [19]
    assert not pool.called


def test_what_costs_nothing_is_sent_before_what_takes_long() -> None:
    """The value that another device waits for comes after a long chain in the file."""
    has_arrived = threading.Event()

    def arrive(x: Any) -> Any:
        has_arrived.set()
        return x

    def wait(x: Any) -> Any:
        assert has_arrived.wait(10)
        return x

    CALLED.update(first=lambda x: x, slow=wait, end=lambda x: x, there=arrive, last=lambda x: x)
    g = graph("a:0", "slow:0 a", "end:1 slow", "first:0 a", "there:1 first", "last:1 end")
    assert run(g, {1: "there"}, ThreadPool()) == [1]
