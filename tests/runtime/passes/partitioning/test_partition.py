"""What a partitioned graph looks like: who sends what to whom."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import tfg
from tfg.graphfmt.graph import Graph, Node
from tfg.graphfmt.text.writer import write_graph
from tfg.runtime.execution.session import Session
from tfg.runtime.passes.partitioning.partition import partition
from tfg.runtime.passes.partitioning.parts import Parts, cross_device_transfers
from tfg.runtime.passes.partitioning.transfer_compression import WIRES

from .placing import Together, device, on


def sent(parts: Parts) -> list[tuple[str, str, str]]:
    """What is sent, from where to where: source, number of the sender, number of the receiver."""
    return sorted(
        (p.send.attrs["_src"].decode(), p.ends.source[-1], p.ends.target[-1])  # type: ignore[union-attr]
        for p in cross_device_transfers(parts)
    )


def ops(parts: Parts, number: int) -> Counter[str]:
    return Counter(node.op for node in parts.graphs[device(number)].nodes)


def two_devices() -> Graph:
    """x and a on device 0; b and c, which read a, on device 1; d, back on 0, reads both."""
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [2], name="x")
    a = g.Tanh(x, name="a")
    b, c = g.Sigmoid(a, name="b"), g.Relu(a, name="c")
    g.Add(b, c, name="d")
    return on(g.graph(), {"x": 0, "a": 0, "b": 1, "c": 1, "d": 0})


def test_an_edge_between_devices_becomes_a_send_and_a_receive_with_the_same_attributes() -> None:
    parts = partition(two_devices(), incarnations={device(0): 7})
    pair = next(p for p in cross_device_transfers(parts) if p.send.attrs["_src"] == b"a")
    shared = {
        "tensor_name": b"edge_0_a",
        "send_device": device(0).encode(),
        "send_device_incarnation": 7,
        "recv_device": device(1).encode(),
        "client_terminated": False,
    }
    assert shared.items() <= pair.send.attrs.items() and shared.items() <= pair.receive.attrs.items()
    assert pair.send.attrs["T"] is pair.receive.attrs["tensor_type"]
    assert (pair.send.op, pair.send.inputs, pair.send.device) == ("_Send", ("a",), device(0))
    assert (pair.receive.op, pair.receive.inputs, pair.receive.device) == ("_Recv", (), device(1))
    assert parts.graphs[device(1)]["b"].inputs == parts.graphs[device(1)]["c"].inputs == (pair.receive.name,)


def test_however_many_readers_a_device_has_a_tensor_is_sent_there_once() -> None:
    g = tfg.GraphBuilder()
    x = g.Tanh(g.placeholder("float", [], name="x"), name="a")
    for number in range(10):
        g.Tanh(x, name=f"reader_{number}")
    readers = {f"reader_{n}": 1 + n // 5 for n in range(10)}
    assert sent(partition(on(g.graph(), {"x": 0, "a": 0, **readers}))) == [("a", "0", "1"), ("a", "0", "2")]


def test_each_output_of_a_node_is_sent_by_itself() -> None:
    g = tfg.GraphBuilder()
    split = g.Split(np.int32(0), g.placeholder("float", [4], name="x"), num_split=2)
    g.Add(split[0], split[1], name="sum")
    parts = partition(on(g.graph(), {"sum": 1}))
    assert len(cross_device_transfers(parts)) == 2


def test_a_control_edge_carries_an_empty_tensor_once() -> None:
    g = tfg.GraphBuilder()
    a = g.Tanh(g.placeholder("float", [], name="x"), name="a")
    one = g.constant(1.0, name="one")
    with g.control_dependencies([a]):
        g.Identity(one, name="b")
        g.Identity(one, name="c")
    parts = partition(on(g.graph(), {"one": 1, "b": 1, "c": 1}))
    (pair,) = cross_device_transfers(parts)
    signal = parts.graphs[device(0)][pair.send.inputs[0]]
    assert (signal.op, signal.inputs) == ("Const", ("^a",))
    assert signal.attrs["value"].shape.dims == (0,)  # type: ignore[union-attr]
    after = next(n for n in parts.graphs[device(1)].nodes if n.inputs == (pair.receive.name,))
    assert after.op == "Identity"
    assert [parts.graphs[device(1)][n].inputs for n in "bc"] == [("one", f"^{after.name}")] * 2


def test_neither_parts_nor_names_depend_on_the_order_of_nodes() -> None:
    graph = two_devices()
    nodes = list(graph.nodes)
    expected = {d: write_graph(g) for d, g in partition(graph).graphs.items()}
    for seed in range(5):
        random.Random(seed).shuffle(nodes)
        shuffled = Graph(tuple(nodes), versions=graph.versions)
        assert {d: write_graph(g) for d, g in partition(shuffled).graphs.items()} == expected


def test_made_names_are_new() -> None:
    g = tfg.GraphBuilder()
    a = g.Tanh(g.placeholder("float", [], name="x"), name="a")
    g.Identity(a, name="a/_send_0")
    g.Identity(a, name="a/_recv_0")
    parts = partition(on(g.graph(), {"a/_recv_0": 1}))
    names = [node.name for _, node in parts.nodes]
    assert len(names) == len(set(names)) == 6


def test_a_graph_on_one_device_stays_as_it_is() -> None:
    graph = on(two_devices(), {}, everywhere=0)
    parts = partition(graph)
    assert {n.name: n for n in parts.graphs[device(0)].nodes} == dict(graph.index)


@pytest.mark.parametrize("name", ["", "/device:CPU:0", "/job:localhost/replica:0/task:0/device:CPU:*"])
def test_a_node_without_a_whole_device_name_is_refused(name: str) -> None:
    graph = two_devices()
    graph = graph.with_nodes(replace(n, device=name) if n.name == "b" else n for n in graph.nodes)
    with pytest.raises(tfg.TfgError, match=r"'b' has .*device") as caught:
        partition(graph)
    assert caught.value.node == "b" and "tfg place" in str(caught.value.hint)


@pytest.mark.parametrize("kind", ["reference", "resource handle"])
def test_what_has_a_meaning_only_where_it_was_made_is_not_sent(kind: str) -> None:
    g = tfg.GraphBuilder()
    if kind == "reference":
        g.Assign(g.VariableV2(shape=[], dtype="float", name="w"), 1.0, name="use")
    else:
        g.AssignVariableOp(g.VarHandleOp(dtype="float", shape=[], name="w"), 1.0, name="use")
    with pytest.raises(tfg.TfgError, match=rf"'use' on {device(1)} takes the {kind}.* 'w'"):
        partition(on(g.graph(), {"use": 1}))


def test_a_variable_read_elsewhere_is_sent_to_each_reader_as_it_is_then() -> None:
    """One reader waits for the assignment, the other comes before it."""
    g = tfg.GraphBuilder()
    w = g.VariableV2(shape=[], dtype="float", name="w")
    before = g.Mul(w, g.constant(1.0), name="before")
    with g.control_dependencies([before]):
        change = g.Assign(w, 5.0, name="change")
    with g.control_dependencies([change]):
        g.Mul(w, g.constant(2.0), name="after")
    g.Assign(w, 3.0, name="start")
    graph = on(g.graph(), {"before": 1, "after": 1})
    assert [name for name, _, _ in sent(partition(graph))].count("w") == 2
    session = Session(graph, devices="cpu:2")
    session.run(targets=["start"])
    assert session.run(["before", "after"]) == [3.0, 10.0]


def test_a_read_waits_for_updates_that_come_back_as_data() -> None:
    """The sum reads the variable once its other input, which follows from the update, is there."""
    g = tfg.GraphBuilder()
    w = g.VariableV2(shape=[], dtype="float", name="w")
    g.Assign(w, 1.0, name="start")
    changed = g.Neg(g.AssignAdd(w, 10.0, name="change"), name="changed")
    g.AddN([w, changed], name="sum")
    session = Session(on(g.graph(), {"changed": 1, "sum": 1}), devices="cpu:2")
    session.run(targets=["start"])
    assert session.run(["sum"]) == [0.0]


class Host:
    """A GPU that keeps shapes in the memory of the host."""

    def output_on_host(self, node: Node, port: int) -> bool:
        return "GPU" in node.device and node.op == "Shape"

    def input_on_host(self, node: Node, position: int) -> bool:
        return "GPU" in node.device and node.op == "Reshape" and position == 1


def test_what_a_device_keeps_in_the_memory_of_the_host_is_sent_from_and_received_there() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [4], name="x")
    shape = g.Shape(x, name="shape")
    g.Reshape(x, shape, name="y")
    g.Neg(shape, name="negative")
    g.Identity(shape, name="here")
    gpu = device(0).replace("CPU", "GPU")
    graph = on(g.graph(), {"here": 1})
    graph = graph.with_nodes(replace(n, device=gpu) if n.name != "here" else n for n in graph.nodes)
    parts = partition(graph, memory=Host())
    found = sorted((p.ends.target[-5:], p.send.op, p.receive.op) for p in cross_device_transfers(parts))
    assert found == [("CPU:1", "_HostSend", "_Recv"), ("GPU:0", "_HostSend", "_Recv")]
    assert parts.graphs[gpu]["y"].inputs == ("x", "shape")


def test_each_part_keeps_the_functions_that_it_calls() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [], name="x")
    inner = g.function("inner", lambda b, v: b.Tanh(v), "float")
    outer = g.function("outer", lambda b, v: b.PartitionedCall([v], Tout=["float"], f=inner)[0], "float")
    other = g.function("other", lambda b, v: b.Neg(v), "float")
    g.PartitionedCall([x], Tout=["float"], f=outer, name="a")
    g.PartitionedCall([x], Tout=["float"], f=other, name="b")
    parts = partition(on(g.graph(), {"b": 1}))
    assert [f.name for f in parts.graphs[device(0)].functions] == ["inner", "outer"]
    assert [f.name for f in parts.graphs[device(1)].functions] == ["other"]


@pytest.mark.parametrize("wire", WIRES)
def test_a_wire_cuts_off_what_it_cannot_carry_between_devices_and_never_within_one(wire: str) -> None:
    bits = np.array([0x3F800001, 0xBF7FFFFF, 0x7F800001, 0xFF80FFFF, 0x7F800000, 0x00000001], np.uint32)
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [6], name="x")
    g.Identity(g.Identity(x, name="near"), name="far")
    g.Identity(g.placeholder("double", [], name="wide"), name="as_it_is")
    parts = partition(on(g.graph(), {"far": 1, "as_it_is": 1}), wire=wire)
    assert sorted(str(p.send.attrs["T"]) for p in cross_device_transfers(parts)) == ["bfloat16", "double"]
    near, far, wide = Together(parts).run(
        ["near", "far", "as_it_is"], {"x": bits.view(np.float32), "wide": 0.1}
    )
    nan = np.isnan(bits.view(np.float32))
    np.testing.assert_array_equal(near.view(np.uint32), bits)
    np.testing.assert_array_equal(far.view(np.uint32)[~nan], bits[~nan] & 0xFFFF0000)
    assert np.isnan(far[nan]).all() and wide == 0.1


def test_there_is_no_other_wire() -> None:
    with pytest.raises(tfg.TfgError, match="unknown compression 'fp8'"):
        partition(two_devices(), wire="fp8")
