"""The simulator beside measured steps: typical steps, what sends cost, and how far off it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import tfg
from tfg.graphfmt.graph import Graph
from tfg.kernels.core import registry
from tfg.runtime.execution.trace import Event, StepTrace
from tfg.runtime.passes.placement.costs.measured_costs import read_measurements
from tfg.runtime.passes.placement.costs.observed_steps import (
    Measurements,
    ObservedStep,
    observe_steps,
    summarize_steps,
    with_hand_over,
)
from tfg.runtime.passes.placement.costs.prediction import predict
from tfg.runtime.passes.placement.machine.machine import parse_devices
from tfg.runtime.profiling.chrome_trace import chrome_trace

ONE, OTHER = (f"/job:localhost/replica:0/task:0/device:CPU:{i}" for i in range(2))
MS = 1_000_000


def placed() -> Graph:
    """``a`` on a device, ``b`` of it on the other."""
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [4], name="x")
    g.Tanh(g.Tanh(x, name="a"), name="b")
    return g.graph().with_nodes(
        replace(node, device=OTHER if node.name == "b" else ONE) for node in g.graph().nodes
    )


def step(number: int, begin: int, slow: int = 1) -> list[Event]:
    """2 ms of ``a``, 1 ms to send it, 1 ms on the way, 4 ms of ``b``."""
    spans = [
        ("a", "Tanh", 0, 2, ONE, ""),
        ("a/_send_0", "_Send", 2, 3, ONE, "a"),
        ("a/_recv_0", "_Recv", 4, 4, OTHER, "a"),
        ("b", "Tanh", 4, 8, OTHER, ""),
    ]
    return [
        Event(number, node, op, begin + s * slow * MS, begin + e * slow * MS, device, source and "t", source)
        for node, op, s, e, device, source in spans
    ]


def test_a_step_that_is_simulated_as_it_was() -> None:
    """The first step is slow, and no typical one."""
    trace = StepTrace([event for n in range(5) for event in step(n, n * 100 * MS, slow=9 if n == 0 else 1)])
    found = predict(trace, placed(), parse_devices("cpu:2"))
    assert found.measured == pytest.approx(8e-3)
    assert found.simulated == pytest.approx(8e-3, rel=1e-3)
    assert found.error == pytest.approx(0, abs=1e-3)
    assert found.shown in {n * 100 * MS for n in range(1, 5)}
    spans = {event["name"]: event["ts"] for event in found.timeline(found.shown) if event["ph"] == "X"}
    assert spans["b"] == pytest.approx(4000, rel=1e-3)


def test_an_error_has_a_sign() -> None:
    found = predict(StepTrace(step(0, 0)), placed(), parse_devices("cpu:2"))
    assert found._replace(measured=10e-3).error == pytest.approx(-0.2, rel=1e-3)
    assert found._replace(measured=4e-3).error == pytest.approx(1, rel=1e-3)


def test_a_device_that_waits_for_a_send_is_handed_it_over() -> None:
    (found,) = observe_steps(step(0, 0))
    assert found.hand_overs == pytest.approx([1e-3])
    assert found.costs == pytest.approx({"a": 3e-3, "b": 4e-3})


def test_what_a_device_does_between_nodes_counts_to_the_next() -> None:
    """The receive finds its value there already: looking for it is what ``b`` takes, and no hand-over."""
    events = [
        Event(0, "a", "Tanh", 0, 2 * MS, ONE),
        Event(0, "a/_send_0", "_Send", 2 * MS, 3 * MS, ONE, "t", "a"),
        Event(0, "c", "Neg", 1 * MS, 5 * MS, OTHER),
        Event(0, "a/_recv_0", "_Recv", 6 * MS, 7 * MS, OTHER, "t", "a"),
        Event(0, "b", "Tanh", 8 * MS, 9 * MS, OTHER),
    ]
    (found,) = observe_steps(events)
    assert found.hand_overs == []
    assert found.costs == pytest.approx({"a": 3e-3, "c": 5e-3, "b": 4e-3})


def test_nodes_that_did_not_run_take_no_time() -> None:
    graph = placed()
    events = [event for event in step(0, 0) if event.node == "b"]
    found = predict(StepTrace(events), graph, parse_devices("cpu:2"))
    assert found.simulated == pytest.approx(4e-3, rel=0.02)


def lasting(*seconds: float) -> list[ObservedStep]:
    return [ObservedStep(0, s, {"a": s}, []) for s in seconds]


def test_typical_steps_are_the_middle_half_without_the_first() -> None:
    found = summarize_steps(lasting(90, 1, 5, 4, 3, 6, 70, 2, 7))
    assert found == Measurements(4.5, {"a": 4.5}, None)
    assert summarize_steps(lasting(90)).costs == {"a": 90}


def test_a_node_of_other_steps_is_known_from_them() -> None:
    steps = [ObservedStep(0, 9, {"init": 7}, []), *lasting(1, 1, 1)]
    assert summarize_steps(steps).costs == {"a": 1, "init": 7}


def test_waiting_for_data_is_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find", lambda op: SimpleNamespace(asynchronous=op == "Take"))
    events = [
        Event(0, "a", "Neg", 0, 1 * MS, ONE),
        Event(0, "take", "Take", 90 * MS, 91 * MS, ONE),
        Event(0, "b", "Neg", 92 * MS, 93 * MS, ONE),
    ]
    (found,) = observe_steps(events)
    assert found.costs == pytest.approx({"a": 1e-3, "take": 1e-3, "b": 2e-3})


def test_a_measured_hand_over_counts_where_nobody_said_what_one_takes() -> None:
    machine = parse_devices("cpu:2,gpu:1")
    found = with_hand_over(machine, 1e-3)
    assert found.link(ONE, OTHER).latency == 1e-3
    gpu = machine.names[-1]
    assert found.link(ONE, gpu) == machine.link(ONE, gpu)
    assert with_hand_over(machine, None) is machine


def test_a_trace_s_file_tells_what_the_trace_does(tmp_path: Path) -> None:
    trace = StepTrace([event for n in range(5) for event in step(n, n * 100 * MS)])
    path = tmp_path / "t.json"
    path.write_text(json.dumps(chrome_trace(trace)))
    found, known = read_measurements(str(path)), summarize_steps(observe_steps(trace.events))
    assert found.costs == pytest.approx(known.costs)
    assert (found.seconds, found.hand_over) == pytest.approx((known.seconds, known.hand_over))
