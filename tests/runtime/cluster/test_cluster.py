"""Sessions on a cluster: the same numbers, errors and state as on one device, and what happens when a task is lost."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.graph import Graph
from tfg.graphfmt.text.reader import read_graph
from tfg.runtime.cluster import cluster as cluster_module
from tfg.runtime.cluster.cluster import Cluster
from tfg.runtime.cluster.thread_engine import ThreadEngine
from tfg.runtime.execution.session import Session
from tfg.runtime.execution.trace import StepTrace

from tests.runtime import programs
from tests.runtime.plan.control_flow.test_control_flow import doubling_loop

from ..passes.partitioning.placing import placed
from .tasks import ThreadTasks, device, on_workers, session_on, task


def training() -> Graph:
    """A variable on worker 0, and its gradient on worker 1."""
    g = tfg.GraphBuilder()
    with g.device(device(0)):
        w = g.VariableV2(shape=[3], dtype="float", name="w")
        g.group(g.Assign(w, np.float32([1, 2, 3])), name="init")
        read = g.Identity(w, name="read")
    with g.device(device(1)):
        x = g.placeholder("float", [3], name="x")
        step = g.Mul(read, x, name="step")
        g.Sum(step, [0], name="loss")
    with g.device(device(0)):
        g.group(g.AssignSub(w, step), name="train")
    return g.graph()


def loop() -> Graph:
    """Doubles x until it reaches the limit, each step on another task than the test; for ever if x is 0."""
    return Graph(tuple(replace(n, device=device(int(n.name == "body"))) for n in doubling_loop()))


X = np.float32([0.5, 0.25, 0.125])


def losses(session: Session, steps: int) -> list[float]:
    return [float(session.run(["loss"], {"x": X}, ["train"])[0]) for _ in range(steps)]


def test_training_gives_the_numbers_of_one_device() -> None:
    with Session(training()) as alone, session_on(training()) as (session, _):
        alone.run(targets=["init"])
        session.run(targets=["init"])
        assert losses(session, 5) == losses(alone, 5)
        state = session.snapshot().resources
    assert {key[2]: value["value"].tolist() for key, value in state.items()} == {
        "w": (np.float32([1, 2, 3]) * (1 - X) ** 5).tolist()
    }


@pytest.mark.parametrize("seed", range(20))
def test_random_programs_with_loops_and_branches_across_tasks(seed: int) -> None:
    program = programs.Program(seed)
    graph, feeds = program.graph, program.feeds()
    with Session(graph) as alone:
        expected = outcome(alone, program.fetches, feeds)
    with session_on(on_workers(placed(graph, seed))) as (session, _):
        assert outcome(session, program.fetches, feeds) == expected


def outcome(session: Session, fetches: list[str], feeds: dict[str, Any]) -> Any:
    try:
        return [value.tobytes() for value in session.run(fetches, feeds)]
    except TfgError as error:
        return error.status


def test_a_loop_across_tasks_in_concurrent_steps() -> None:
    found: dict[int, list[float]] = {}
    with session_on(loop(), "worker:2") as (session, _):

        def work(number: int) -> None:
            found[number] = [
                session.run(["out"], {"x": number + 1, "limit": 2**step})[0].item() for step in range(6)
            ]

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found[2] == [3, 3, 6, 12, 24, 48]


def test_values_of_one_step_to_one_task_travel_as_one_message() -> None:
    g = tfg.GraphBuilder()
    with g.device(device(0)):
        x = g.placeholder("float", [], name="x")
        sent = [g.Add(x, float(i)) for i in range(5)]
    with g.device(device(1)):
        g.AddN(sent, name="y")
    with session_on(g.graph(), "worker:2") as (session, tasks):
        assert session.run(["y"], {"x": 1.0})[0] == 15
        assert tasks.engine.network.messages == 1


def test_an_error_names_node_line_and_device() -> None:
    text = f"""
    node {{ name: "x" op: "Placeholder" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} device: "{device(0)}" }}
    node {{ name: "y" op: "CheckNumerics" input: "x" device: "{device(1)}"
      attr {{ key: "T" value {{ type: DT_FLOAT }} }} attr {{ key: "message" value {{ s: "bad" }} }} }}
    """
    with session_on(read_graph(text, "g.pbtxt")) as (session, _), pytest.raises(TfgError) as caught:
        session.run(["y"], {"x": float("nan")})
    error = caught.value
    assert error.node == "y" and error.location is not None and error.location.line == 3
    assert error.message.endswith(f"[{device(1)}]")


def test_the_first_error_is_reported_and_the_next_step_runs() -> None:
    with session_on(training()) as (session, _):
        with pytest.raises(TfgError, match="uninitialized value w") as caught:
            losses(session, 1)
        assert caught.value.status == Status.FAILED_PRECONDITION
        session.run(targets=["init"])
        assert losses(session, 1) == [1.375]


def test_a_step_whose_time_is_up_ends_on_all_tasks() -> None:
    with session_on(loop(), "worker:2") as (session, tasks):
        with pytest.raises(TfgError) as caught:
            session.run(["out"], {"x": 0, "limit": 1}, timeout=0.1)
        assert caught.value.status == Status.DEADLINE_EXCEEDED
        assert all(health.steps == [] for health in tasks.devices.cluster.call_all("ping").values())
        assert session.run(["out"], {"x": 1, "limit": 3})[0] == 4


def test_closing_a_session_cancels_the_steps_under_way() -> None:
    with session_on(loop(), "worker:2") as (session, _):
        timer = threading.Timer(0.1, session.close)
        timer.start()
        with pytest.raises(TfgError):
            session.run(["out"], {"x": 0, "limit": 1}, timeout=30)
        timer.join()


def test_a_task_that_dies_in_a_step_is_named_and_can_be_replaced() -> None:
    with session_on(training()) as (session, tasks):
        session.run(targets=["init"])
        saved = session.snapshot()
        tasks.engine.tasks[task(1)].hangs = True
        threading.Timer(0.1, tasks.engine.tasks[task(1)].kill).start()
        with pytest.raises(TfgError, match=f"{task(1)} has ended") as caught:
            losses(session, 1)
        assert caught.value.status == Status.UNAVAILABLE and session.lost_tasks == [task(1)]
        with pytest.raises(TfgError, match=f"{task(1)} has ended"):
            losses(session, 1)
        before = dict(tasks.devices.cluster.incarnations)
        session.restart_tasks()
        session.take(saved)
        assert losses(session, 1) == [1.375] and not session.lost_tasks
        assert all(before[name] != now for name, now in tasks.devices.cluster.incarnations.items())


def test_values_that_arrive_after_their_step_are_dropped() -> None:
    with session_on(training()) as (session, tasks):
        session.run(targets=["init"])
        losses(session, 3)
        worker = tasks.engine.tasks[task(1)].task
        worker._arrived(1, [])  # pyright: ignore[reportPrivateUsage]
        losses(session, 1)
        assert not worker._steps  # pyright: ignore[reportPrivateUsage]


def test_prints_of_tasks_are_shown() -> None:
    g = tfg.GraphBuilder()
    with g.device(device(1)):
        x = g.placeholder("float", [], name="x")
        g.Print(x, [x], message="x is ", name="y")
    lines: list[str] = []
    with Session(g.graph(), devices=ThreadTasks("worker:2"), log=lines.append) as session:
        session.run(["y"], {"x": 3})
    assert lines == ["x is [3]"]


def test_state_moves_between_tasks_and_a_single_process() -> None:
    with session_on(training()) as (session, _):
        session.run(targets=["init"])
        losses(session, 2)
        saved = session.snapshot()
    with Session(training()) as alone:
        alone.take(saved)
        expected = losses(alone, 2)
        saved_alone = alone.snapshot()
    elsewhere = training().with_nodes(replace(n, device=device(0)) for n in training().nodes)
    with session_on(elsewhere, "worker:1") as (session, _):
        session.take(saved)
        assert losses(session, 2) == expected
        session.take(saved_alone)
        session.reset("")
        with pytest.raises(TfgError, match="uninitialized"):
            losses(session, 1)


def test_a_trace_has_the_nodes_of_all_tasks() -> None:
    trace = StepTrace()
    with session_on(training()) as (session, _):
        session.run(targets=["init"])
        session.run(["loss"], {"x": X}, observer=trace.observe)
    assert {(event.node, event.device) for event in trace.events} >= {
        ("read", device(0)), ("step", device(1)), ("loss", device(1)),
    }  # fmt: skip


def test_resources_and_their_operations_stay_on_their_task() -> None:
    g = tfg.GraphBuilder()
    with g.device(device(1)):
        queue = g.FIFOQueueV2(component_types=["float"], shapes=[[]], capacity=9, name="queue")
        g.QueueEnqueueV2(queue, [g.placeholder("float", [], name="x")], name="put")
        (taken,) = g.QueueDequeueV2(queue, component_types=["float"], name="get")
    with g.device(device(0)):
        g.Neg(taken, name="y")
    with session_on(g.graph(), "worker:2") as (session, _):
        for value in (1, 2):
            session.run(targets=["put"], feeds={"x": value})
        assert [session.run(["y"])[0].item() for _ in range(2)] == [-1, -2]


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_task_that_hangs_is_noticed_by_its_silence() -> None:
    clock, engine = Clock(), ThreadEngine()
    machine = ThreadTasks("worker:2").machine
    tasks = Cluster(machine, Graph(), {}, engine, clock=clock)
    tasks.ping()
    until(lambda: len(tasks.health) == 2)
    engine.tasks[task(1)].hangs = True
    clock.now, before = 1.0, tasks.health[task(0)]
    tasks.ping()
    until(lambda: tasks.health[task(0)] is not before)
    clock.now += cluster_module.SILENCE
    tasks.ping()
    assert not tasks.lost
    clock.now += 0.1
    tasks.ping()
    assert list(tasks.lost) == [task(1)]
    assert "has not answered for 1.9 s" in str(tasks.lost[task(1)])
    tasks.close()


def test_many_steps_with_deaths_at_any_moment_give_the_undisturbed_losses() -> None:
    pick = random.Random(3)
    with Session(training()) as alone:
        alone.run(targets=["init"])
        expected = losses(alone, 30)
    with session_on(training()) as (session, tasks):
        session.run(targets=["init"])
        found: list[float] = []
        saved = session.snapshot()
        for _ in range(5):
            victim = tasks.engine.tasks[task(pick.randrange(2))]
            killer = threading.Timer(pick.random() * 0.01, victim.kill)
            killer.start()
            try:
                while len(found) < 30:
                    found += losses(session, 1)
                    saved = session.snapshot()
            except TfgError as error:
                assert error.status == Status.UNAVAILABLE
                killer.join()
                session.restart_tasks()
                session.take(saved)
                # A step may have been counted without its state.
                found = found[: steps_done(saved)]
        found += losses(session, 30 - len(found))
    assert found == expected


def steps_done(saved: Any) -> int:
    """The number of steps after which the variable has this value."""
    (state,) = saved.resources.values()
    value, steps = np.float32([1, 2, 3]), 0
    while not np.array_equal(value, state["value"]):
        value, steps = value - value * X, steps + 1
    return steps
