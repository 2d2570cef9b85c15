"""The pass from graph to placed graph: what it keeps, what it minds, and that it always does the same."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import tfg
from hypothesis import given, settings
from hypothesis import strategies as st
from tfg.graphfmt.graph import Graph
from tfg.runtime.passes.optimizers.minimize import minimize
from tfg.runtime.passes.placement.explain import explain, node_times
from tfg.runtime.passes.placement.machine.machine import Machine, parse_devices
from tfg.runtime.passes.placement.place import ALGORITHMS, PlacementOptions, place
from tfg.runtime.passes.placement.simulation.simulator import simulate

CPU = "/job:localhost/replica:0/task:0/device:CPU:"


def branches(count: int = 2, size: int = 300) -> Graph:
    """Matrix products that have nothing to do with each other, and their sum."""
    g = tfg.GraphBuilder()
    ends = []
    for branch in range(count):
        x = g.placeholder("float", [size, size], name=f"x{branch}")
        for layer in range(3):
            x = g.MatMul(x, x, name=f"b{branch}/{layer}")
        ends.append(x)
    g.AddN(ends, name="sum")
    return g.graph()


def training() -> Graph:
    g = tfg.GraphBuilder()
    x, y = g.placeholder("float", [None, 50], name="x"), g.placeholder("int32", [None], name="y")
    for number, (width, units) in enumerate([(50, 80), (80, 80), (80, 10)]):
        w = g.VarHandleOp(dtype="float", shape=[width, units], shared_name=f"w{number}", name=f"w{number}")
        g.AssignVariableOp(w, g.StatelessRandomUniform([width, units], [1, 2], dtype="float"))
        x = g.Tanh(g.MatMul(x, g.ReadVariableOp(w, dtype="float")))
    losses, _ = g.SparseSoftmaxCrossEntropyWithLogits(x, y)
    g.Mean(losses, g.constant([0]), name="loss")
    return minimize(g.graph(), "loss", "momentum:learning_rate=0.1,momentum=0.9")


def with_memory(machine: Machine, memory: int) -> Machine:
    return replace(machine, devices=tuple(replace(device, memory=memory) for device in machine.devices))


def required_devices(graph: Graph) -> dict[str, str]:
    return {node.name: node.device for node in graph.nodes}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_node_gets_a_full_name_and_nothing_else_changes(algorithm: str) -> None:
    graph, machine = training(), parse_devices("cpu:3")
    placement = place(graph, machine, algorithm, PlacementOptions(batch=64))
    assert {node.device for node in placement.graph.nodes} <= set(machine.names)
    assert placement.graph.with_nodes(replace(node, device="") for node in placement.graph.nodes) == graph
    for group in placement.constraints.groups:
        assert len({placement.graph[name].device for name in group.nodes}) == 1


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_device_has_all(algorithm: str) -> None:
    placed = place(branches(), parse_devices("cpu"), algorithm).graph
    assert {node.device for node in placed.nodes} == {CPU + "0"}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_reported_is_what_the_simulator_says(algorithm: str) -> None:
    placement = place(training(), parse_devices("cpu:2"), algorithm, PlacementOptions(batch=64))
    for trial in placement.trials:
        assert simulate(placement.problem, trial.assignment) == trial.schedule
    assert placement.makespan == min(trial.schedule.makespan for trial in placement.trials)
    assert placement.makespan >= placement.bounds.best


def test_branches_go_to_different_devices() -> None:
    found = required_devices(place(branches(), parse_devices("cpu:2")).graph)
    first, second = ({found[f"b{b}/{layer}"] for layer in range(3)} for b in range(2))
    assert len(first) == len(second) == 1
    assert first != second


@settings(max_examples=5, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_in_the_file_does_not_matter(shuffler: random.Random) -> None:
    graph = training()
    nodes = list(graph.nodes)
    shuffler.shuffle(nodes)
    machine = parse_devices("cpu:2")
    costs = {node.name: 1e-5 * len(node.name) for node in nodes[:20]}
    placed, again = (
        place(g, machine, options=PlacementOptions(costs=costs)).graph
        for g in (graph, graph.with_nodes(nodes))
    )
    assert required_devices(placed) == required_devices(again)


def test_requests_are_kept() -> None:
    graph = branches()
    asking = graph.with_nodes(
        replace(node, device="/device:CPU:1") if node.name.startswith("b0") else node for node in graph.nodes
    )
    found = required_devices(place(asking, parse_devices("cpu:2")).graph)
    assert {found[f"b0/{layer}"] for layer in range(3)} == {CPU + "1"}


def test_a_request_that_cannot_be_met_is_an_error_or_a_wish() -> None:
    graph = branches()
    asking = graph.with_nodes(replace(node, device="/device:CPU:7") for node in graph.nodes)
    with pytest.raises(tfg.TfgError, match="Cannot assign a device for operation"):
        place(asking, parse_devices("cpu:2"))
    assert place(asking, parse_devices("cpu:2"), options=PlacementOptions(soft=True)).graph


def test_memory_limits_are_kept_where_that_can_be() -> None:
    g = tfg.GraphBuilder()
    read = [
        g.ReadVariableOp(
            g.VarHandleOp(dtype="float", shape=[1000], shared_name=f"v{i}", name=f"v{i}"), dtype="float"
        )
        for i in range(4)
    ]
    for i, value in enumerate(read):
        g.Neg(value, name=f"n{i}")
    machine = with_memory(parse_devices("cpu:4"), 9000)
    for algorithm in ALGORITHMS:
        placement = place(g.graph(), machine, algorithm)
        assert max(placement.best.schedule.peak) <= 9000
    with pytest.raises(tfg.TfgError, match="more than its memory of 6,000") as caught:
        place(g.graph(), with_memory(parse_devices("cpu:2"), 6000))
    assert caught.value.status == "RESOURCE_EXHAUSTED"
    assert caught.value.hint == "variables and constants take 16,000 bytes, all devices have 12,000"


def test_measured_costs_decide() -> None:
    graph = branches(3)
    costs = {f"b{branch}/{layer}": 1e-3 if branch else 1.0 for branch in range(3) for layer in range(3)}
    placement = place(graph, parse_devices("cpu:2"), options=PlacementOptions(costs=costs))
    found = required_devices(placement.graph)
    assert found["b1/1"] == found["b2/1"] != found["b0/1"]
    assert placement.makespan == pytest.approx(3, rel=0.1)


def test_only_the_step_counts() -> None:
    graph = training()
    machine = parse_devices("cpu:2")
    whole, step = (
        place(graph, machine, "greedy"),
        place(graph, machine, "greedy", PlacementOptions(step=["train"])),
    )
    assert step.makespan < whole.makespan
    assert sum(step.problem.persistent) == sum(whole.problem.persistent)
    with pytest.raises(tfg.TfgError, match="'trian'"):
        place(graph, machine, options=PlacementOptions(step=["trian"]))


def test_a_loop_is_placed_as_one_iteration() -> None:
    g = tfg.GraphBuilder()
    limit = g.placeholder("int32", [], name="limit")
    g.while_loop(lambda g, i: g.Less(i, limit), lambda g, i: [i + 1], [np.int32(0)], name="count")
    placement = place(g.graph(), parse_devices("cpu:2"))
    assert {node.device for node in placement.graph.nodes} <= {CPU + "0", CPU + "1"}


def test_an_empty_graph() -> None:
    assert place(Graph(), parse_devices("cpu:2")).makespan == 0


def test_a_large_graph_in_which_nothing_takes_time() -> None:
    g = tfg.GraphBuilder()
    for number in range(700):
        g.NoOp(name=f"n{number}")
    assert place(g.graph(), parse_devices("cpu:2")).makespan == 0


def test_an_unknown_algorithm() -> None:
    with pytest.raises(tfg.TfgError) as caught:
        place(Graph(), parse_devices("cpu"), "greddy")
    assert caught.value.hint == "did you mean 'greedy'?"


def test_an_explanation_says_what_the_schedule_says() -> None:
    placement = place(branches(), parse_devices("cpu:2"))
    found = explain(placement, "sum")
    chosen, other = sorted(found.alternatives, key=lambda a: not a.chosen)
    assert chosen.finish == placement.makespan == chosen.makespan
    assert chosen.device == placement.graph["sum"].device
    assert [wait.source for wait in chosen.waits] == [other.device]
    assert other.makespan >= chosen.makespan
    with pytest.raises(tfg.TfgError, match="'smu'"):
        explain(placement, "smu")


def test_the_times_of_all_nodes() -> None:
    placement = place(branches(), parse_devices("cpu:2"))
    rows = node_times(placement)
    assert [row.start for row in rows] == sorted(row.start for row in rows)
    assert {row.node for row in rows} == set(placement.graph.index)
    for row in rows:
        assert dict(row.elsewhere)[row.device] == row.finish
