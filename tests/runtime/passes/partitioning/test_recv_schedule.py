"""Receives begun late: less is held at a time, the longest path is no longer, and the results are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import tfg
from hypothesis import given, settings
from hypothesis import strategies as st
from tfg.graphfmt.graph import Graph, endpoint
from tfg.kernels.core.inference import topological_order
from tfg.kernels.core.op_sets import RECVS
from tfg.runtime.execution.session import Session
from tfg.runtime.passes.partitioning.partition import partition
from tfg.runtime.passes.partitioning.parts import Parts, cross_device_transfers, union_graph
from tfg.runtime.passes.partitioning.recv_schedule import schedule_receives

from .placing import Together, device, on, placed


def whole(parts: Parts) -> Graph:
    send_of = {pair.receive.name: pair.send.name for pair in cross_device_transfers(parts)}
    graph = union_graph(parts)
    return graph.with_nodes(
        replace(n, inputs=(*n.inputs, f"^{send_of[n.name]}")) if n.name in send_of else n for n in graph.nodes
    )


def simulate(parts: Parts) -> Mapping[str, int]:
    """When each node starts, if each takes one unit of time and starts as soon as it can."""
    starts: dict[str, int] = {}
    for node in topological_order(whole(parts)):
        starts[node.name] = max((starts[endpoint(i).node] + 1 for i in node.inputs), default=0)
    return starts


def most_held(parts: Parts) -> int:
    """The most received tensors that there are at a time, each from its receive until its last reader has run."""
    starts = simulate(parts)
    graph = union_graph(parts)
    ends = {
        n.name: max(starts[r.name] for r in graph.nodes if n.name in (endpoint(i).node for i in r.inputs))
        for n in graph.nodes
        if n.op in RECVS
    }
    times = range(max(starts.values()) + 1)
    return max(sum(starts[name] <= time <= end for name, end in ends.items()) for time in times)


def chain(length: int) -> Graph:
    """A long chain on device 0, of which every link reads a tensor of device 1."""
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [], name="x")
    away: dict[str, int] = {}
    for number in range(length):
        constant = g.Tanh(g.constant(float(number)), name=f"away_{number}")
        away |= {constant.node: 1, constant.builder.view(constant.node).inputs[0].node: 1}
        x = g.Tanh(g.Add(x, constant), name=f"link_{number}")
    return on(g.graph(), away)


def test_a_chain_holds_few_of_what_it_receives_and_takes_no_longer() -> None:
    eager = partition(chain(20))
    late = schedule_receives(eager)
    assert most_held(eager) == 20
    assert most_held(late) <= 3
    assert max(simulate(late).values()) == max(simulate(eager).values())
    feeds = {"x": np.float32(0.5)}
    assert Together(late).run(["link_19"], feeds) == Session(chain(20)).run(["link_19"], feeds)


def test_a_receive_never_waits_for_what_its_readers_do_not_need() -> None:
    """A step that needs only one of two results must not compute the other."""
    g = tfg.GraphBuilder()
    far = g.Tanh(g.constant(1.0, name="c"), name="far")
    x = g.placeholder("float", [], name="x")
    for _ in range(4):
        x = g.Tanh(x)
    g.Add(far, g.Neg(g.constant(2.0)), name="needs_no_x")
    late = schedule_receives(partition(on(g.graph(), {"c": 1, "far": 1})))
    (pair,) = cross_device_transfers(late)
    assert pair.receive.inputs == ()


def test_a_receive_never_waits_for_a_branch() -> None:
    g = tfg.GraphBuilder()
    far = g.Tanh(g.constant(1.0, name="c"), name="far")
    dead, live = g.Switch(g.placeholder("float", [], name="x"), g.placeholder("bool", [], name="p"))
    for _ in range(4):
        live = g.Tanh(live)
    g.Add(far, live, name="y")
    del dead
    late = schedule_receives(partition(on(g.graph(), {"c": 1, "far": 1})))
    assert [pair.receive.inputs for pair in cross_device_transfers(late)] == [()]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    g = tfg.GraphBuilder()
    values = [g.placeholder("float", [], name="x")]
    for _ in range(draw(st.integers(1, 25))):
        one, other = draw(st.sampled_from(values[-6:])), draw(st.sampled_from(values))
        values.append(draw(st.sampled_from([g.Add, g.Mul, g.Sub]))(one, other))
    return placed(g.graph(), draw(st.integers(0, 1 << 30)), draw(st.integers(2, 4)))


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_any_graph_takes_no_longer_and_makes_no_cycle(graph: Graph) -> None:
    eager = partition(graph)
    late = schedule_receives(eager)
    before, after = simulate(eager), simulate(late)  # a cycle would be refused
    assert max(after.values()) == max(before.values())
    assert all(after[name] >= before[name] for name in before)


def test_measured_costs_decide_when_a_receive_may_begin() -> None:
    eager = partition(chain(6))
    late = schedule_receives(eager, lambda node: 5.0 if node.op == "Tanh" else 1e-3)
    waits = [pair.receive.inputs for pair in cross_device_transfers(late)]
    assert any(waits) and all(text.startswith("^") for inputs in waits for text in inputs)
    assert device(0) in late.graphs
