"""Loops cut across devices: control loops, and where steering operations go."""

from __future__ import annotations

from collections import Counter

import pytest
import tfg
from tfg.graphfmt import dtypes
from tfg.graphfmt.graph import Graph, Node
from tfg.runtime.execution.session import Session
from tfg.runtime.passes.partitioning.control_flow_colocation import colocate_control_flow
from tfg.runtime.passes.partitioning.partition import partition
from tfg.runtime.passes.partitioning.parts import cross_device_transfers

from ...plan.control_flow.test_control_flow import constant, doubling_loop, enter, op, placeholder
from .placing import device, on


def loop(**numbers: int) -> Graph:
    return on(Graph(tuple(doubling_loop())), numbers)


def ops(graph: Graph) -> Counter[str]:
    return Counter(node.op for node in graph.nodes)


def test_a_device_that_receives_in_a_loop_gets_a_control_loop() -> None:
    parts = partition(loop(body=1))
    there = parts.graphs[device(1)]
    assert ops(there) == {
        **dict.fromkeys(("Const", "Enter", "Merge", "Switch", "NextIteration", "AddV2", "_Send"), 1),
        "_Recv": 2,
    }
    merge = next(node for node in there.nodes if node.op == "Merge")
    turn = next(node for node in there.nodes if node.op == "Switch")
    begin = next(node for node in there.nodes if node.op == "Enter")
    assert begin.attrs["frame_name"] == b"loop" and begin.attrs["parallel_iterations"] == 10
    received = {node.attrs["_src"]: node for node in there.nodes if node.op == "_Recv"}
    assert all(node.inputs == (f"^{merge.name}",) for node in received.values())
    assert turn.inputs == (merge.name, received[b"condition"].name)


def test_the_device_with_the_predicate_needs_one_too_for_what_comes_back() -> None:
    here = partition(loop(body=1)).graphs[device(0)]
    made = [node for node in here.nodes if "/_loop_" in node.name]
    assert ops(Graph(tuple(made))) == Counter(["Const", "Enter", "Merge", "Switch", "NextIteration"])
    assert next(node for node in made if node.op == "Switch").inputs[1] == "condition"


def test_a_loop_on_one_device_is_left_alone() -> None:
    parts = partition(on(Graph((*doubling_loop(), op("y", "Neg", "out"))), {"y": 1}))
    assert [pair.send.attrs["_src"] for pair in cross_device_transfers(parts)] == [b"out"]
    assert ops(parts.graphs[device(1)]) == Counter(["_Recv", "Neg"])


def test_in_nested_loops_the_inner_control_loop_is_entered_from_the_outer() -> None:
    inner = doubling_loop(frame="inner")
    renamed = [Node(f"in/{n.name}", n.op, tuple(f"in/{i}" for i in n.inputs), n.attrs) for n in inner[2:]]
    entered = {"in/x/enter": "switch:1", "in/limit/enter": "limit/enter"}
    renamed = [Node(n.name, n.op, (entered[n.name],), n.attrs) if n.name in entered else n for n in renamed]
    outer = [n for n in doubling_loop() if n.name != "body"]
    graph = Graph((*outer, *renamed, op("body", "AddV2", "in/out", "switch:1")))
    whole = Session(graph).run(["out"], {"x": 1.0, "limit": 100.0})
    cut = on(graph, {"in/body": 1})
    there = partition(cut).graphs[device(1)]
    frames = {n.attrs["frame_name"]: n for n in there.nodes if n.op == "Enter"}
    assert there[frames[b"inner"].inputs[0]].op == "Merge" and there[frames[b"loop"].inputs[0]].op == "Const"
    assert Session(cut, devices="cpu:2").run(["out"], {"x": 1.0, "limit": 100.0}) == whole


@pytest.mark.parametrize("away", ["merge", "less", "condition", "switch", "next", "out", "x/enter", "body"])
@pytest.mark.parametrize("limit", [0.0, 1000.0])
def test_wherever_a_loop_is_cut_it_gives_the_same(away: str, limit: float) -> None:
    feeds = {"x": 1.0, "limit": limit}
    whole = Session(Graph(tuple(doubling_loop()))).run(["out"], feeds)
    assert Session(loop(**{away: 1}), devices="cpu:2").run(["out"], feeds) == whole


def test_a_switch_goes_to_its_data_and_an_exit_to_what_leaves() -> None:
    moved = colocate_control_flow(loop(merge=1))
    assert {n.name for n in moved.nodes if n.device == device(1)} == {
        "x/enter",
        "merge",
        "switch",
        "out",
        "next",
    }


def test_a_constant_of_a_loop_travels_once() -> None:
    nodes = [*doubling_loop(), op("sum", "AddV2", "body", "limit/enter")]
    nodes = [op("next", "NextIteration", "sum") if n.name == "next" else n for n in nodes]
    graph = on(Graph(tuple(nodes)), {"sum": 1})
    moved = colocate_control_flow(graph)
    assert [(n.name, n.device) for n in moved.nodes if n.inputs == ("limit",)] == [
        ("limit/enter", device(0)),
        ("limit/enter/_copy_1", device(1)),
    ]
    assert moved["sum"].inputs == ("body", "limit/enter/_copy_1")


def test_a_loop_that_is_cut_needs_a_predicate() -> None:
    nodes = [
        op("switch", "Switch", "merge", "less") if n.name == "switch" else n
        for n in doubling_loop()
        if n.name != "condition"
    ]
    with pytest.raises(tfg.TfgError, match="A cross-device loop must have a pivot predicate: 'loop'"):
        partition(on(Graph(tuple(nodes)), {"body": 1}))


@pytest.mark.parametrize("taken", [0.0, 1.0])
def test_a_branch_on_another_device_learns_that_it_is_not_taken(taken: float) -> None:
    nodes = [
        placeholder("x"),
        placeholder("p", dtypes.bool_),
        op("switch", "Switch", "x", "p"),
        op("there", "Neg", "switch:1"),
        op("pivot", "Identity", "switch:0"),
        constant("other", 5, "^pivot"),
        op("merge", "Merge", "there", "other", N=2),
        enter("unused", "x"),
    ]
    graph = on(Graph(tuple(nodes[:-1])), {"there": 1, "other": 2})
    value, index = Session(graph, devices="cpu:3").run(["merge", "merge:1"], {"x": 3.0, "p": bool(taken)})
    assert (value, index) == ((-3.0, 0) if taken else (5.0, 1))


@pytest.mark.parametrize("limit", [0.0, 100.0])
def test_what_is_there_only_in_the_first_iteration_is_received_only_then(limit: float) -> None:
    """The value is negated, elsewhere, between the Enter and the Merge."""
    nodes = [n for n in doubling_loop() if n.name != "merge"]
    nodes += [op("first", "Neg", "x/enter"), op("again", "Neg", "first")]
    nodes += [op("merge", "Merge", "again", "next", N=2)]
    feeds = {"x": 3.0, "limit": limit}
    whole = Session(Graph(tuple(nodes))).run(["out"], feeds)
    for away in ("first", "again"):
        cut = on(Graph(tuple(nodes)), {away: 1})
        assert Session(cut, devices="cpu:2").run(["out"], feeds, timeout=5) == whole
