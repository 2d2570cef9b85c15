"""The scheduler is a state machine, so its tests are conversations: events in, instructions out."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from tfg.runtime.scheduler import CONTROL, Program, Run, Scheduler, Source, Unit


def names(program: Program, runs: list[Run]) -> list[str]:
    return [program.units[run.unit].name for run in runs]


def program(*units: tuple[str, str], merges: str = "") -> Program:
    """``("c", "a b:1 ^d")``: unit c reads port 0 of a, port 1 of b, and waits for d."""
    numbers = {name: number for number, (name, _) in enumerate(units)}

    def source(text: str) -> Source:
        if text.startswith("^"):
            return Source(numbers[text[1:]], CONTROL)
        name, _, port = text.partition(":")
        return Source(numbers[name], int(port or 0))

    return Program(
        tuple(
            Unit(name, tuple(map(source, inputs.split())), 2, name in merges.split())
            for name, inputs in units
        )
    )


def test_a_unit_is_ready_when_all_its_inputs_have_arrived() -> None:
    p = program(("a", ""), ("b", ""), ("c", "a b"))
    s = Scheduler(p)
    a, b = s.start()
    assert s.finished(a) == []
    assert names(p, s.finished(b)) == ["c"]


def test_one_unit_may_read_another_twice() -> None:
    p = program(("a", ""), ("b", "a a:1 ^a"))
    s = Scheduler(p)
    (a,) = s.start()
    assert names(p, s.finished(a)) == ["b"]


def test_what_waits_for_something_slow_does_not_hold_up_the_rest() -> None:
    p = program(("slow", ""), ("fast", ""), ("after_slow", "slow"), ("after_fast", "fast"))
    s = Scheduler(p)
    slow, fast = s.start()
    (after_fast,) = s.finished(fast)
    assert s.finished(after_fast) == [] and not s.is_done
    (after_slow,) = s.finished(slow)
    s.finished(after_slow)
    assert s.is_done and s.stuck() == []


def test_the_dead_are_not_run_and_tell_their_readers() -> None:
    p = program(
        ("switch", ""),
        ("left", "switch:0"),
        ("right", "switch:1"),
        ("further", "right"),
        ("side", "^further"),
    )
    s = Scheduler(p)
    (switch,) = s.start()
    (left,) = s.finished(switch, dead=[1])
    assert p.units[left.unit].name == "left"
    s.finished(left)
    assert s.is_done
    assert (switch.tag, Source(3, 0)) in s.dead_outputs


def test_a_merge_passes_on_the_live_input_without_waiting_for_the_other() -> None:
    p = program(("switch", ""), ("slow", ""), ("left", "switch:0"), ("merge", "left slow"), merges="merge")
    s = Scheduler(p)
    switch, _slow = s.start()
    (left,) = s.finished(switch)
    (merge,) = s.finished(left)
    assert merge.live == Source(2, 0)


def test_a_merge_waits_for_its_control_inputs() -> None:
    p = program(("a", ""), ("b", ""), ("merge", "a ^b"), merges="merge")
    s = Scheduler(p)
    a, b = s.start()
    assert s.finished(a) == []
    assert names(p, s.finished(b)) == ["merge"]


def test_a_merge_is_dead_when_all_its_data_inputs_are() -> None:
    p = program(("switch", ""), ("merge", "switch:0 switch:1"), ("after", "merge"), merges="merge")
    s = Scheduler(p)
    (switch,) = s.start()
    assert s.finished(switch, dead=[0, 1]) == []
    assert s.is_done and s.stuck() == []


def test_a_unit_whose_input_never_comes_is_named() -> None:
    p = program(("a", ""), ("b", "c"), ("c", "b"), ("d", "a b"))
    s = Scheduler(p)
    (a,) = s.start()
    s.finished(a)
    assert s.is_done and s.stuck() == ["d"]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.integers(1, 40), st.integers(0, 10**6))
def test_every_unit_of_a_graph_runs_once_after_its_inputs_in_any_order(size: int, seed: int) -> None:
    rng = random.Random(seed)
    units = [
        Unit(f"u{n}", tuple(Source(rng.randrange(n), rng.choice((CONTROL, 0, 1))) for _ in range(rng.randrange(4)))
        if n else (), 2)
        for n in range(size)
    ]  # fmt: skip
    scheduler = Scheduler(Program(tuple(units)))
    ready, done = scheduler.start(), []
    while ready:
        run = ready.pop(rng.randrange(len(ready)))
        assert all(source.unit in done for source in units[run.unit].inputs)
        done.append(run.unit)
        ready += scheduler.finished(run)
    assert sorted(done) == list(range(size))
