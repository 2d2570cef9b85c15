"""The scheduler is a state machine, so its tests are conversations: events in, instructions out."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfg.runtime.execution.acyclic_scheduler import AcyclicScheduler
from tfg.runtime.execution.scheduler import (
    CONTROL,
    ROOT,
    Orders,
    Program,
    Run,
    Scheduler,
    Tag,
    Task,
    TaskInput,
    TaskKind,
)

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = {
    "merge": TaskKind.MERGE,
    "enter": TaskKind.ENTER,
    "constant": TaskKind.ENTER,
    "exit": TaskKind.EXIT,
    "next": TaskKind.NEXT_ITERATION,
    "trigger": TaskKind.TRIGGER,
    "send": TaskKind.SEND,
}


def names(program: Program, orders: Orders) -> list[str]:
    return [program.tasks[run.task].name for run in orders.runs]


def program(*tasks: tuple[str, str], parallel: int = 10) -> Program:
    """``("c", "a b:1 ^d")``: task c reads port 0 of a, port 1 of b, and waits for d. A task whose name begins
    with a kind, such as ``merge1``, is of that kind; all Enters lead to the loop "loop"."""
    numbers = {name: number for number, (name, _) in enumerate(tasks)}

    def source(text: str) -> TaskInput:
        if text.startswith("^"):
            return TaskInput(numbers[text[1:]], CONTROL)
        name, _, port = text.partition(":")
        return TaskInput(numbers[name], int(port or 0))

    def task(name: str, inputs: str) -> Task:
        kind = KINDS.get(name.rstrip("0123456789"), TaskKind.PLAIN)
        frame = "loop" if kind is TaskKind.ENTER else ""
        sources = tuple(map(source, inputs.split()))
        return Task(name, sources, 2, kind, frame, name.startswith("constant"), parallel)

    return Program(tuple(task(name, inputs) for name, inputs in tasks))


def test_a_unit_is_ready_when_all_its_inputs_have_arrived() -> None:
    p = program(("a", ""), ("b", ""), ("c", "a b"))
    s = Scheduler(p)
    a, b = s.start().runs
    assert names(p, s.finished(a)) == []
    assert names(p, s.finished(b)) == ["c"]


def test_one_unit_may_read_another_twice() -> None:
    p = program(("a", ""), ("b", "a a:1 ^a"))
    s = Scheduler(p)
    (a,) = s.start().runs
    assert names(p, s.finished(a)) == ["b"]


def test_what_waits_for_something_slow_does_not_hold_up_the_rest() -> None:
    p = program(("slow", ""), ("fast", ""), ("after_slow", "slow"), ("after_fast", "fast"))
    s = Scheduler(p)
    slow, fast = s.start().runs
    (after_fast,) = s.finished(fast).runs
    assert s.finished(after_fast).runs == [] and not s.is_done
    (after_slow,) = s.finished(slow).runs
    s.finished(after_slow)
    assert s.is_done


def test_the_dead_are_not_run_and_tell_their_readers() -> None:
    p = program(
        ("switch", ""),
        ("left", "switch:0"),
        ("right", "switch:1"),
        ("further", "right"),
        ("side", "^further"),
    )
    s = Scheduler(p)
    (switch,) = s.start().runs
    (left,) = s.finished(switch, dead=[1]).runs
    assert p.tasks[left.task].name == "left"
    assert s.finished(left).runs == []
    assert s.is_done


def test_a_merge_passes_on_the_live_input_without_waiting_for_the_other() -> None:
    p = program(("switch", ""), ("slow", ""), ("left", "switch:0"), ("merge", "left slow"))
    s = Scheduler(p)
    switch, _slow = s.start().runs
    (left,) = s.finished(switch).runs
    (merge,) = s.finished(left).runs
    assert merge.live == TaskInput(2, 0)


def test_a_merge_waits_for_its_control_inputs() -> None:
    p = program(("a", ""), ("b", ""), ("merge", "a ^b"))
    s = Scheduler(p)
    a, b = s.start().runs
    assert s.finished(a).runs == []
    assert names(p, s.finished(b)) == ["merge"]


def test_a_merge_is_dead_when_all_its_data_inputs_are() -> None:
    p = program(("switch", ""), ("merge", "switch:0 switch:1"), ("after", "merge"))
    s = Scheduler(p)
    (switch,) = s.start().runs
    assert s.finished(switch, dead=[0, 1]).runs == []
    assert s.is_done


def test_a_trigger_is_never_dead() -> None:
    p = program(("switch", ""), ("right", "switch:1"), ("trigger", "^right"))
    s = Scheduler(p)
    (switch,) = s.start().runs
    assert names(p, s.finished(switch, dead=[0, 1])) == ["trigger"]


COUNTING_LOOP = (
    ("start", ""),
    ("enter", "start"),
    ("constant", "start"),
    ("merge", "enter next"),
    ("condition", "merge constant"),
    ("switch", "merge condition"),
    ("body", "switch:1 constant"),
    ("next", "body"),
    ("exit", "switch:0"),
    ("after", "exit"),
)


def run_loop(
    p: Program, turns: int, choose: Callable[[list[Run]], int] = lambda ready: 0
) -> list[tuple[str, Tag]]:
    """Runs a program whose switch goes on for so many turns; gives what ran, and where."""
    s = Scheduler(p)
    ready = s.start().runs
    done: list[tuple[str, Tag]] = []
    while ready:
        run = ready.pop(choose(ready))
        name = p.tasks[run.task].name
        done.append((name, run.tag))
        dead = [0 if run.tag[-1][1] < turns else 1] if name == "switch" else []
        ready += s.finished(run, dead).runs
    assert s.is_done and not s.open_frames
    return done


@pytest.mark.parametrize("parallel", [1, 2, 10, 32])
@pytest.mark.parametrize("turns", [0, 1, 5, 40])
def test_a_loop_turns_as_often_as_its_condition_holds(turns: int, parallel: int) -> None:
    done = run_loop(program(*COUNTING_LOOP, parallel=parallel), turns)
    assert [tag[-1][1] for name, tag in done if name == "body"] == list(range(turns))
    assert done[-1] == ("after", ROOT)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.integers(0, 12), st.integers(1, 4), st.integers(0, 10**6))
def test_the_order_of_the_ready_queue_does_not_matter(turns: int, parallel: int, seed: int) -> None:
    rng = random.Random(seed)
    p = program(*COUNTING_LOOP, parallel=parallel)
    done = run_loop(p, turns, lambda ready: rng.randrange(len(ready)))
    assert sorted(done) == sorted(run_loop(p, turns))


def test_a_loop_behind_a_branch_that_is_not_taken_does_not_run() -> None:
    p = program(
        ("choice", ""),
        ("enter", "choice:1"),
        ("merge1", "enter next"),
        ("switch", "merge1"),
        ("next", "switch:1"),
        ("exit", "switch:0"),
        ("merge2", "exit choice:0"),
    )
    s = Scheduler(p)
    (choice,) = s.start().runs
    (merge,) = s.finished(choice, dead=[1]).runs
    assert p.tasks[merge.task].name == "merge2" and merge.live == TaskInput(0, 0)
    s.finished(merge)
    assert s.is_done and not s.open_frames


def test_no_more_iterations_run_at_once_than_may() -> None:
    p = program(
        ("start", ""),
        ("enter", "start"),
        ("merge", "enter next"),
        ("next", "merge"),
        ("slow", "merge"),
        ("exit", "slow"),
        parallel=3,
    )
    s = Scheduler(p)
    ready, slow = s.start().runs, []
    while ready:
        run = ready.pop()
        if p.tasks[run.task].name == "slow":
            slow.append(run)
        else:
            ready += s.finished(run).runs
    assert [run.tag[-1][1] for run in slow] == [0, 1, 2]


def test_a_send_runs_though_it_is_dead_and_what_waits_for_it_dies() -> None:
    p = program(("switch", ""), ("send", "switch:1"), ("after", "^send"))
    s = Scheduler(p)
    (switch,) = s.start().runs
    (send,) = s.finished(switch, dead=[1]).runs
    assert send == Run(1, ROOT, None, is_dead=True)
    assert s.finished(send).runs == []
    assert s.is_done


def test_a_send_that_is_alive_is_like_any_other_unit() -> None:
    p = program(("switch", ""), ("send", "switch:0"), ("after", "^send"))
    s = Scheduler(p)
    (switch,) = s.start().runs
    (send,) = s.finished(switch, dead=[1]).runs
    assert not send.is_dead
    assert names(p, s.finished(send)) == ["after"]


def test_a_receive_that_gets_something_dead_is_a_unit_with_a_dead_port() -> None:
    p = program(("receive", ""), ("reader", "receive"), ("send", "reader"))
    s = Scheduler(p)
    (receive,) = s.start().runs
    (send,) = s.finished(receive, dead=[0]).runs
    assert p.tasks[send.task].name == "send" and send.is_dead


def test_a_send_in_a_loop_runs_in_the_last_iteration_too() -> None:
    """The body's side of the Switch is dead then, and the other device has begun that iteration as well."""
    p = program(
        ("start", ""), ("enter", "start"), ("merge", "enter next"), ("switch", "merge"),
        ("send", "switch:1"), ("next", "switch:1"), ("exit", "switch:0"),
    )  # fmt: skip
    s = Scheduler(p)
    ready, sent = s.start().runs, []
    while ready:
        run = ready.pop()
        name = p.tasks[run.task].name
        is_last = bool(run.tag) and run.tag[-1][1] == 2
        if name == "send":
            sent.append((run.tag[-1][1], run.is_dead))
        ready += s.finished(run, dead=[1 if is_last else 0] if name == "switch" else []).runs
    assert sorted(sent) == [(0, False), (1, False), (2, True)]
    assert s.is_done and not s.open_frames


def random_unit(rng: random.Random, number: int) -> Task:
    """A task that reads up to three of those before it."""
    count = rng.randrange(4) if number else 0
    inputs = tuple(TaskInput(rng.randrange(number), rng.choice((CONTROL, 0, 1))) for _ in range(count))
    return Task(f"u{number}", inputs, 2)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.integers(1, 40), st.integers(0, 10**6))
def test_every_unit_of_a_graph_runs_once_after_its_inputs_in_any_order(size: int, seed: int) -> None:
    rng = random.Random(seed)
    tasks = [random_unit(rng, number) for number in range(size)]
    scheduler = Scheduler(Program(tuple(tasks)))
    ready, done = scheduler.start().runs, []
    while ready:
        run = ready.pop(rng.randrange(len(ready)))
        assert all(source.task in done for source in tasks[run.task].inputs)
        done.append(run.task)
        ready += scheduler.finished(run).runs
    assert sorted(done) == list(range(size))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.integers(1, 40), st.integers(0, 10**6))
def test_without_branches_and_loops_counting_inputs_gives_the_same_orders(size: int, seed: int) -> None:
    rng = random.Random(seed)
    whole = Program(tuple(random_unit(rng, number) for number in range(size)))
    general, straight = Scheduler(whole), AcyclicScheduler(whole)
    ready = general.start().runs
    assert straight.start().runs == ready
    while ready:
        assert not straight.is_done
        run = ready.pop(rng.randrange(len(ready)))
        following = general.finished(run)
        assert straight.finished(run) == following
        ready += following.runs
    assert straight.is_done
