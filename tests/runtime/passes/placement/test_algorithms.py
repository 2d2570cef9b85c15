"""What every algorithm owes: a feasible placement, never better than the best there is; and what each is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from tfg.runtime.passes.placement.algorithms.annealing import Budget, critical_transfers, search
from tfg.runtime.passes.placement.algorithms.coarsening import coarsen
from tfg.runtime.passes.placement.algorithms.etf import etf
from tfg.runtime.passes.placement.algorithms.greedy import greedy
from tfg.runtime.passes.placement.algorithms.heft import heft, upward_ranks
from tfg.runtime.passes.placement.algorithms.memory_repair import repair
from tfg.runtime.passes.placement.algorithms.pipeline import pipeline, pipelines
from tfg.runtime.passes.placement.problem import Assignment, Problem, ProblemTensor
from tfg.runtime.passes.placement.simulation.bounds import lower_bounds
from tfg.runtime.passes.placement.simulation.simulator import excess, score, simulate

from .problems import assignments, chain, links, optimum, problems

Placer = Callable[[Problem], Assignment]
PLACERS = [greedy, heft, etf, pipeline]


@pytest.mark.parametrize("placer", PLACERS)
@given(problem=problems())
def test_placements_are_feasible_and_repeatable(placer: Placer, problem: Problem) -> None:
    assignment = placer(problem)
    assert len(assignment) == len(problem.feasible)
    assert all(device in devices for device, devices in zip(assignment, problem.feasible))
    assert placer(problem) == assignment


@settings(max_examples=30)
@given(problem=problems(most=6))
def test_nothing_beats_the_best_and_the_best_not_the_bounds(problem: Problem) -> None:
    best = optimum(problem)
    found = [placer(problem) for placer in PLACERS]
    found.append(search(problem, found, Budget(effort=300)))
    scores = [score(problem, simulate(problem, assignment)) for assignment in found]
    assert min(scores) == scores[-1]
    assert all(each >= best for each in scores)
    assert lower_bounds(problem).best <= best[1] * (1 + 1e-9)


@settings(max_examples=30)
@given(problem=problems(most=7, limited=True))
def test_repair_never_makes_it_worse_and_search_never_either(problem: Problem) -> None:
    before = greedy(problem)
    repaired = repair(problem, before)
    searched = search(problem, [before, repaired], Budget(effort=300))
    scores = [score(problem, simulate(problem, a)) for a in (before, repaired, searched)]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("placer", PLACERS)
def test_independent_work_is_shared_out(placer: Placer) -> None:
    problem = replace(chain(1, 1, 1, 1), tensors=[])
    assert simulate(problem, placer(problem)).makespan == 2


@pytest.mark.parametrize("placer", PLACERS)
def test_a_chain_stays_where_it_is_if_transfers_are_dear(placer: Placer) -> None:
    assert len(set(placer(chain(1, 1, 1, 1)))) == 1


@pytest.mark.parametrize("placer", [greedy, heft, etf])
def test_a_faster_device_is_taken(placer: Placer) -> None:
    problem = replace(chain(1, 1, 1), seconds=[[4, 1]] * 3)
    assert placer(problem) == [1, 1, 1]


@pytest.mark.parametrize("placer", PLACERS)
def test_variables_that_fill_a_device_each_go_to_one_each(placer: Placer) -> None:
    problem = chain(1, 1, 1, size=1, devices=3, persistent=[10, 10, 10], limits=[14.0] * 3)
    found = repair(problem, placer(problem))
    assert not excess(problem, simulate(problem, found))


def test_repair_moves_what_is_cheapest_to_move() -> None:
    """Of two variables, the one that shares little with the rest goes."""
    problem = chain(1, 1, 1, size=50, persistent=[0, 10, 10], limits=[115.0, 200.0])
    problem = replace(
        problem,
        tensors=[ProblemTensor(0, 50, 50, (1,)), ProblemTensor(1, 50, 50, ()), ProblemTensor(1, 1, 1, (2,))],
    )
    assert repair(problem, [0, 0, 0]) == [0, 0, 1]


def test_upward_ranks_are_the_longest_way_to_the_end() -> None:
    # A transfer of 9 bytes takes 10 seconds, and is needed for every second pair of devices.
    assert upward_ranks(chain(1, 2, 3, size=9)) == [16, 10, 3]


def test_heft_fills_gaps() -> None:
    """While device 0 waits for what device 1 alone can make, it does what comes later in rank."""
    problem = Problem(
        group=[0, 1, 2],
        feasible=[(1,), (0,), (0,)],
        seconds=[[9, 4], [3, 9], [2, 9]],
        tensors=[ProblemTensor(0, 0, 0, (1,))],
        persistent=[0] * 3,
        limits=[100, 100],
        **links(2),
    )
    assert upward_ranks(problem)[2] < upward_ranks(problem)[1]
    assert simulate(problem, heft(problem)).makespan == 8


def test_a_folded_pipeline_keeps_backward_beside_forward() -> None:
    """A net of eight layers; what each does backward reads what it made forward."""
    layers, big, small = 8, 100, 10
    tensors = [ProblemTensor(0, big, big, (1,))]
    for layer in range(1, layers + 1):
        tensors.append(ProblemTensor(layer, big, big, (layer + 1, 2 * layers + 1 - layer)))
    for op in range(layers + 1, 2 * layers):
        tensors.append(ProblemTensor(op, small, small, (op + 1,)))
    tensors = [t._replace(readers=tuple(r for r in t.readers if r != t.producer)) for t in tensors]
    count = 2 * layers + 1
    problem = Problem(
        group=list(range(count)),
        feasible=[(0, 1)] * count,
        seconds=[[1, 1]] * count,
        tensors=tensors,
        persistent=[0] * count,
        limits=[big * 6.0] * 2,
        **links(2, latency=0.01, per_byte=0.01),
    )
    folded = pipelines(problem)[2]
    beside = [folded[layer] == folded[2 * layers + 1 - layer] for layer in range(1, layers)]
    assert beside.count(False) <= 1
    assert len(set(folded)) == 2


@settings(max_examples=50)
@given(problem=problems())
def test_a_coarse_problem_holds_the_same_work(problem: Problem) -> None:
    coarse = coarsen(problem, 3)
    small = coarse.problem
    assert sum(small.persistent) == sum(problem.persistent)
    assert sum(map(sum, small.seconds)) == pytest.approx(sum(map(sum, problem.seconds)))
    assert all(t.producer < min(t.readers) for t in small.tensors)
    for assignment in assignments(small)[:3]:
        refined = coarse.refine(assignment)
        assert all(device in devices for device, devices in zip(refined, problem.feasible))
        assert coarse.project(problem, refined) == assignment


def test_search_finds_the_way_out_of_a_bad_start() -> None:
    problem = chain(*[1.0] * 12, size=3)
    alternating = [op % 2 for op in range(12)]
    assert simulate(problem, search(problem, [alternating])).makespan == 12


def test_search_is_the_same_every_time_unless_it_goes_by_the_clock() -> None:
    problem = replace(
        chain(*[1.0, 0.5, 2.0] * 6, size=1), tensors=[ProblemTensor(0, 1, 1, tuple(range(1, 18)))]
    )
    start = [0] * 18
    assert search(problem, [start]) == search(problem, [start])
    timed = search(problem, [start], Budget(0.05))
    assert score(problem, simulate(problem, timed)) <= score(problem, simulate(problem, start))


def test_the_transfers_that_the_end_waits_for() -> None:
    problem = chain(1, 1, 1, size=2)
    schedule = simulate(problem, [0, 1, 0])
    assert [schedule.transfers[i].target for i in critical_transfers(problem, schedule)] == [0, 1]


def test_bounds_know_who_may_do_what() -> None:
    problem = replace(chain(2, 2, 2), tensors=[], feasible=[(0,), (0,), (0, 1)])
    bounds = lower_bounds(problem)
    assert (bounds.path, bounds.group) == (2, 2)
    assert bounds.work == 4
    faster = replace(problem, feasible=[(0, 1)] * 3, seconds=[[2, 1]] * 3)
    assert lower_bounds(faster).work == pytest.approx(2.0)
