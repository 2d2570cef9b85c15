"""The judge: what a placement comes to, by hand, and against a replay that does everything the slow way."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfg.runtime.passes.placement.problem import Problem, ProblemTensor
from tfg.runtime.passes.placement.simulation.simulator import (
    SimulatedSchedule,
    SimulatedTransfer,
    excess,
    simulate,
    traffic,
)

from .problems import chain, links, problems


def test_on_one_device_times_add_up() -> None:
    schedule = simulate(chain(1, 2, 3), [0, 0, 0])
    assert schedule.start == [0, 1, 3]
    assert schedule.makespan == 6
    assert schedule.transfers == []


def test_a_transfer_takes_latency_and_bytes() -> None:
    problem = chain(1, 2, size=10)
    schedule = simulate(problem, [0, 1])
    assert schedule.transfers == [SimulatedTransfer(0, 0, 1, start=1, finish=12)]
    assert schedule.makespan == 14
    assert traffic(problem, schedule) == {(0, 1): 10}


def test_many_readers_on_a_device_share_one_transfer() -> None:
    readers = Problem(
        group=[0, 1, 1, 2],
        feasible=[(0,), (1,), (0,)],
        seconds=[[1, 1]] * 4,
        tensors=[ProblemTensor(0, 10, 10, (1, 2, 3))],
        persistent=[0] * 4,
        limits=[100, 100],
        **links(2),
    )
    schedule = simulate(readers, [0, 1, 0])
    assert len(schedule.transfers) == 1
    assert schedule.start == [0, 12, 13, 1]


def test_a_link_takes_in_one_transfer_at_a_time_and_both_directions_do_not_meet() -> None:
    problem = Problem(
        group=[0, 0, 1, 1, 0, 1],
        feasible=[(0,), (1,)],
        seconds=[[1, 1], [0, 0], [1, 1], [0, 0], [0, 0], [0, 0]],
        tensors=[ProblemTensor(0, 4, 4, (3,)), ProblemTensor(1, 4, 4, (5,)), ProblemTensor(2, 4, 4, (4,))],
        persistent=[0] * 6,
        limits=[100, 100],
        **links(2),
    )
    times = sorted((t.source, t.start, t.finish) for t in simulate(problem, [0, 1]).transfers)
    # The second leaves when the four bytes of the first have; the latency of one is no matter.
    assert times == [(0, 1, 6), (0, 5, 10), (1, 1, 6)]


def test_first_come_first_served() -> None:
    """Operation 3 has the lower number, but operation 4 is ready before it."""
    problem = Problem(
        group=[0, 1, 2, 3, 4],
        feasible=[(0, 1)] * 5,
        seconds=[[5, 5], [2, 2], [4, 4], [1, 1], [1, 1]],
        tensors=[ProblemTensor(2, 0, 0, (3,)), ProblemTensor(1, 0, 0, (4,))],
        persistent=[0] * 5,
        limits=[100, 100],
        **links(2),
    )
    schedule = simulate(problem, [0, 1, 1, 0, 0])
    assert (schedule.start[4], schedule.start[3]) == (5, 7)


def test_memory_is_held_until_the_last_reader_is_done() -> None:
    """At the fullest, the second operation reads what the first made while it makes its own."""
    assert simulate(chain(1, 1, 1, size=10), [0, 0, 0]).peak == (20, 0)
    # A copy comes into being while its original is still there.
    assert simulate(chain(1, 1, size=10), [0, 1]).peak == (10, 10)
    assert simulate(chain(1, 1, 1, size=10, persistent=[5, 0, 7]), [0, 0, 1]).peak == (25, 17)


def test_bytes_over_the_limits_are_summed() -> None:
    problem = chain(1, 1, 1, size=10, limits=[15.0, 5.0])
    assert excess(problem, simulate(problem, [0, 0, 0])) == 5
    assert excess(problem, simulate(problem, [0, 1, 1])) == 15


def test_nothing_takes_no_time() -> None:
    empty = Problem([], [], [], [], [[0.0]], [[0.0]], [], [10.0])
    assert simulate(empty, []) == SimulatedSchedule([], [], [], [], 0.0, (0,))


@given(problems(), st.randoms(use_true_random=False))
def test_every_schedule_is_possible(problem: Problem, random: object) -> None:
    assignment = [random.choice(devices) for devices in problem.feasible]  # pyright: ignore[reportAttributeAccessIssue]
    schedule = simulate(problem, assignment)
    _nothing_overlaps(problem, schedule)
    _inputs_come_first(problem, schedule)
    assert schedule.place == problem.spread(assignment)
    assert schedule.makespan == max(schedule.finish)
    assert schedule.peak == pytest.approx(_slow_peak(problem, schedule))


def _nothing_overlaps(problem: Problem, schedule: SimulatedSchedule) -> None:
    spans: dict[object, list[tuple[float, float]]] = {}
    for op, device in enumerate(schedule.place):
        assert schedule.finish[op] == schedule.start[op] + problem.seconds[op][device]
        spans.setdefault(device, []).append((schedule.start[op], schedule.finish[op]))
    for t in schedule.transfers:
        size = problem.tensors[t.tensor].size
        assert t.finish == t.start + problem.transfer(size, t.source, t.target)
        left = t.start + problem.occupied(size, t.source, t.target)
        spans.setdefault((t.source, t.target), []).append((t.start, left))
    for busy in spans.values():
        busy.sort()
        assert all(end <= start for (_, end), (start, _) in pairwise(busy))


def _inputs_come_first(problem: Problem, schedule: SimulatedSchedule) -> None:
    arrivals = {(t.tensor, t.target): t.finish for t in schedule.transfers}
    expected: Counter[tuple[int, int]] = Counter()
    for number, tensor in enumerate(problem.tensors):
        made = schedule.finish[tensor.producer]
        home = schedule.place[tensor.producer]
        for reader in tensor.readers:
            there = schedule.place[reader]
            arrived = made if there == home else arrivals[number, there]
            assert arrived >= made
            assert schedule.start[reader] >= arrived
        expected.update((number, d) for d in {schedule.place[r] for r in tensor.readers} - {home})
    assert Counter((t.tensor, t.target) for t in schedule.transfers) == expected


def _slow_peak(problem: Problem, schedule: SimulatedSchedule) -> tuple[int, ...]:
    """The most bytes at any moment at which something begins, everything looked at anew."""
    held: list[tuple[int, float, float, int]] = []
    for number, tensor in enumerate(problem.tensors):
        home = schedule.place[tensor.producer]
        sent = [t for t in schedule.transfers if t.tensor == number]
        ends = [schedule.finish[r] for r in tensor.readers if schedule.place[r] == home]
        ends += [schedule.finish[tensor.producer], *(t.finish for t in sent)]
        held.append((home, schedule.start[tensor.producer], max(ends), tensor.held))
        for t in sent:
            last = max(schedule.finish[r] for r in tensor.readers if schedule.place[r] == t.target)
            held.append((t.target, t.start, max(last, t.finish), tensor.size))
    peak: list[int] = []
    for device in range(problem.devices):
        always = sum(problem.persistent[op] for op, d in enumerate(schedule.place) if d == device)
        moments = [start for d, start, _, _ in held if d == device]
        levels = [sum(b for d, s, e, b in held if d == device and s <= now < e) for now in moments]
        peak.append(always + max(levels, default=0))
    return tuple(peak)
