"""The critical path: a chain without gaps from the start of the step to its end."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tfg.runtime.passes.placement.problem import Problem
from tfg.runtime.passes.placement.simulation.critical_path import critical_path
from tfg.runtime.passes.placement.simulation.simulator import simulate

from .problems import chain, problems


def test_a_chain_across_devices_is_all_critical() -> None:
    problem = chain(1, 2, 3)
    found = critical_path(problem, simulate(problem, [0, 1, 1]))
    assert (found.ops, found.transfers) == ({0, 1, 2}, {0})


@given(problems(), st.data())
def test_it_fills_the_whole_step(problem: Problem, data: st.DataObject) -> None:
    schedule = simulate(problem, [data.draw(st.sampled_from(feasible)) for feasible in problem.feasible])
    found = critical_path(problem, schedule)
    spans = [(schedule.start[op], schedule.finish[op]) for op in found.ops]
    spans += [(schedule.transfers[t].start, schedule.transfers[t].finish) for t in found.transfers]
    spans.sort()
    assert spans[0][0] == 0
    assert max(finish for _, finish in spans) == schedule.makespan
    # Transfers overlap where one waited for the bytes of another alone.
    assert all(finish >= start for (_, finish), (start, _) in pairwise(spans))
