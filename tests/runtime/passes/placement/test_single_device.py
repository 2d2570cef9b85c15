"""Steps that are too small to be shared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import tfg
from tfg.runtime.passes.placement.algorithms.single_device import single_device
from tfg.runtime.passes.placement.machine.machine import parse_devices
from tfg.runtime.passes.placement.place import place
from tfg.runtime.passes.placement.problem import SharedInterpreter
from tfg.runtime.passes.placement.simulation.simulator import simulate

from .problems import chain

TWO = parse_devices("cpu:2")


def branches(count: int, length: int, size: int) -> tfg.Graph:
    """Chains of products of square matrices, which meet in the end."""
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [size, size], name="x")
    ends = [x] * count
    for _ in range(length):
        ends = [g.MatMul(end, x) for end in ends]
    g.AddN(ends, name="out")
    return g.graph()


def devices_used(graph: tfg.Graph) -> int:
    return len({node.device for node in graph.nodes})


def test_many_small_operations_stay_together() -> None:
    for algorithm in ("best", "quick"):
        assert devices_used(place(branches(10, 10, 4), TWO, algorithm).graph) == 1


def test_long_operations_are_shared() -> None:
    for algorithm in ("best", "quick"):
        assert devices_used(place(branches(2, 3, 300), TWO, algorithm).graph) == 2


def test_an_interpreter_that_several_devices_share_is_needed_for_every_call_and_transfer() -> None:
    shared = replace(chain(1, 1, 1, 1), interpreters=[SharedInterpreter(frozenset({0, 1}), 10.0, 100.0)])
    assert simulate(shared, [0, 0, 0, 0]).makespan == 4
    assert simulate(shared, [0, 1, 1, 0]).makespan == 4 * 10 + 2 * 100


def test_what_may_not_go_where_most_may_is_where_it_must() -> None:
    problem = replace(chain(1, 1, 1), feasible=[(0, 1), (1,), (0,)], seconds=[[2, 1], [2, 1], [2, 1]])
    assert single_device(problem) == [1, 1, 0]
    assert np.isfinite(simulate(problem, single_device(problem)).makespan)
