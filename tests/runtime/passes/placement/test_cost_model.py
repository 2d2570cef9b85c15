"""Estimates from shapes, and costs from traces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tfg
from tfg.runtime.passes.placement.costs.cost_model import OVERHEAD, NodeWork, estimate_work
from tfg.runtime.passes.placement.costs.measured_costs import read_measurements
from tfg.runtime.passes.placement.machine.machine import Device


def work(g: tfg.GraphBuilder, node: str, batch: int = 1) -> NodeWork:
    return estimate_work(g.graph(), batch=batch)[node]


@pytest.mark.parametrize(
    ("shapes", "build", "flops"),
    [
        ([(3, 4), (4, 5)], lambda g, a, b: g.MatMul(a, b, name="y"), 2 * 3 * 4 * 5),
        ([(4, 3), (4, 5)], lambda g, a, b: g.MatMul(a, b, transpose_a=True, name="y"), 2 * 3 * 4 * 5),
        ([(7, 3, 4), (7, 4, 5)], lambda g, a, b: g.BatchMatMulV2(a, b, name="y"), 7 * 2 * 3 * 4 * 5),
        ([(7, 4, 3), (7, 4, 5)], lambda g, a, b: g.BatchMatMulV2(a, b, adj_x=True, name="y"), 7 * 2 * 60),
        ([(3, 4), (4, 5)], lambda g, a, b: g.Einsum([a, b], equation="ij,jk->ik", name="y"), 2 * 3 * 4 * 5),
        (
            [(2, 8, 8, 3), (3, 3, 3, 16)],
            lambda g, a, b: g.Conv2D(a, b, strides=[1, 2, 2, 1], padding="SAME", name="y"),
            2 * (2 * 4 * 4 * 16) * 27,
        ),
        (
            [(2, 8, 8, 3), (3, 3, 3, 2)],
            lambda g, a, b: g.DepthwiseConv2dNative(a, b, strides=[1, 1, 1, 1], padding="SAME", name="y"),
            2 * (2 * 8 * 8 * 6) * 9,
        ),
        ([(3, 4), (4,)], lambda g, a, b: g.AddV2(a, b, name="y"), 12),
        ([(3, 4), (4,)], lambda g, a, b: g.Tanh(a, name="y"), 15 * 12),
        ([(3, 4), (4,)], lambda g, a, b: g.Sum(a, g.constant([0]), name="y"), 12),
    ],
)
def test_operations(shapes: list[tuple[int, ...]], build: Any, flops: int) -> None:
    g = tfg.GraphBuilder()
    build(g, *(g.placeholder("float", shape) for shape in shapes))
    assert work(g, "y").flops == flops


def test_the_gradients_of_a_convolution_cost_what_it_costs() -> None:
    g = tfg.GraphBuilder()
    x, w = g.placeholder("float", [2, 8, 8, 3], name="x"), g.placeholder("float", [3, 3, 3, 16], name="w")
    g.Sum(g.Conv2D(x, w, strides=[1, 1, 1, 1], padding="SAME", name="y"), g.constant([0, 1, 2, 3]), name="s")
    from tfg.runtime.passes.gradients.backpropagation import differentiate

    graph = differentiate(g.graph(), "s", ["x", "w"])
    found = estimate_work(graph)
    flops = {node.op: found[node.name].flops for node in graph.nodes}
    assert flops["Conv2DBackpropInput"] == flops["Conv2DBackpropFilter"] == flops["Conv2D"]


def test_open_dimensions_are_the_batch() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 10], name="x")
    g.MatMul(x, g.constant([[1.0]] * 10), name="y")
    assert work(g, "y").flops == 20
    assert work(g, "y", batch=64) == NodeWork(64 * 20, 4 * (64 * 10 + 10 + 64), (4 * 64,), 0, False, False)


def test_a_graph_that_stands_no_batch_is_taken_as_it_is() -> None:
    g = tfg.GraphBuilder()
    g.AddV2(g.placeholder("float", [None], name="x"), g.placeholder("float", [3], name="b"), name="y")
    assert work(g, "y", batch=64).outputs == (12,)


def test_variables_and_constants_are_persistent_and_their_readers_are_views() -> None:
    g = tfg.GraphBuilder()
    handle = g.VarHandleOp(dtype="float", shape=[5], shared_name="v", name="v")
    g.ReadVariableOp(handle, dtype="float", name="read")
    g.Identity(g.VariableV2(dtype="double", shape=[2], name="r"), name="copy")
    g.constant([1, 2, 3], name="c")
    found = estimate_work(g.graph())
    assert {n: (w.persistent, w.is_view, w.is_free) for n, w in found.items()} == {
        "v": (20, True, True),
        "read": (0, True, True),
        "r": (16, True, True),
        "copy": (0, True, True),
        "c": (12, True, True),
    }


def test_a_device_is_busy_computing_or_busy_fetching() -> None:
    device = Device("/job:localhost/replica:0/task:0/device:CPU:0", "CPU", None, speed=10, bandwidth=2)
    assert NodeWork(100, 4, (), 0, False, False).seconds(device) == pytest.approx(10 + OVERHEAD)
    assert NodeWork(10, 40, (), 0, False, False).seconds(device) == pytest.approx(20 + OVERHEAD)
    assert NodeWork(0, 0, (), 0, False, True).seconds(device) == 0


def trace(folder: Path, *events: dict[str, Any]) -> str:
    path = folder / "trace.json"
    path.write_text(json.dumps({"traceEvents": list(events)}))
    return str(path)


def event(node: str, step: int, microseconds: float) -> dict[str, Any]:
    return {"name": node, "ph": "X", "cat": "Op", "dur": microseconds, "args": {"op": "Op", "step": step}}


def test_costs_are_medians_of_steps_without_the_first(tmp_path: Path) -> None:
    events = [event("a", step, time) for step, time in enumerate([90, 4, 2, 3])]
    # In a loop: two calls in every step. And what ran in the first step alone.
    events += [event("b", step, 5) for step in (1, 1, 2, 2)] + [event("init", 0, 7)]
    found = read_measurements(trace(tmp_path, *events)).costs
    assert found == pytest.approx({"a": 3e-6, "b": 1e-5, "init": 7e-6})


def test_a_single_step_will_do_and_other_events_do_not_matter(tmp_path: Path) -> None:
    others = [{"ph": "M", "name": "thread_name"}, {"ph": "X", "name": "transfer", "dur": 3, "args": {}}]
    assert read_measurements(trace(tmp_path, *others, event("a", 0, 2))).costs == {"a": 2e-6}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("3", "has no list of traceEvents"),
        ('{"traceEvents": 3}', "has no list of traceEvents"),
        ('{"traceEvents": [3, {"ph": "X"}]}', "has no events of operations"),
        (json.dumps([event("a", 0, 0) | {"dur": "x"}]), "took 'x' microseconds"),
        (json.dumps([event("a", 0, -1)]), "took -1 microseconds"),
        ('[{"ph": "X", "name": "a", "dur": NaN, "args": {"op": "Op", "step": 1}}]', "took nan microseconds"),
    ],
)
def test_what_is_no_trace(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(tfg.TfgError, match=why) as caught:
        read_measurements(str(path))
    assert caught.value.status == "INVALID_ARGUMENT"
    assert str(caught.value.location) == str(path)


def test_a_trace_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(tfg.TfgError) as caught:
        read_measurements(str(tmp_path / "none.json"))
    assert caught.value.status == "NOT_FOUND"
