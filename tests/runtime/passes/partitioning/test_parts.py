"""What keeps parts from running together is said before they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import tfg
from tfg.graphfmt import dtypes
from tfg.graphfmt.graph import Graph, Node
from tfg.graphfmt.text.reader import read_graph
from tfg.runtime.passes.partitioning.partition import partition
from tfg.runtime.passes.partitioning.parts import (
    Parts,
    cross_device_transfers,
    join_parts,
    part_faults,
    with_received_facts,
)

from .placing import device, on


def two_parts() -> Parts:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [2], name="x")
    a = g.Tanh(x, name="a")
    with g.control_dependencies([x]):
        g.Add(a, g.constant([1.0, 2.0], name="one"), name="b")
    return partition(on(g.graph(), {"one": 1, "b": 1}))


def edited(parts: Parts, number: int, edit: Callable[[Node], Node | None]) -> Parts:
    graph = parts.graphs[device(number)]
    nodes = [node for node in map(edit, graph.nodes) if node is not None]
    return Parts({**parts.graphs, device(number): graph.with_nodes(nodes)})


def with_attr(kind: str, name: str, value: object) -> Callable[[Node], Node]:
    return lambda n: replace(n, attrs={**n.attrs, name: value}) if n.op == kind else n  # type: ignore[dict-item]


def without(kind: str) -> Callable[[Node], Node | None]:
    return lambda n: None if n.op == kind else n


EDITS: dict[str, tuple[int, Callable[[Node], Node | None], str]] = {
    "no send": (0, without("_Send"), "receives 'edge_.*' from .*CPU:0 to .*CPU:1, which no part sends"),
    "no receive": (1, without("_Recv"), "sends 'edge_.*, which no part receives"),
    "other name": (1, with_attr("_Recv", "tensor_name", b"edge"), "so does|which no part sends"),
    "other dtype": (1, with_attr("_Recv", "tensor_type", dtypes.int32), "as int32, but .* sends float"),
    "other incarnation": (1, with_attr("_Recv", "send_device_incarnation", 5), "of incarnation 5, but .* is of 1"),
    "other sender": (0, with_attr("_Send", "send_device", device(1).encode()), "but it is on .*CPU:0"),
    "other receiver": (1, with_attr("_Recv", "recv_device", device(2).encode()), "but it is on .*CPU:1"),
    "no name": (1, with_attr("_Recv", "tensor_name", b""), "needs the attrs tensor_name, send_device and"),
    "a semicolon": (1, with_attr("_Recv", "tensor_name", b"a;b"), "without a semicolon"),
    "no input": (0, lambda n: replace(n, inputs=()) if n.op == "_Send" else n, "but has no input"),
    "other device": (0, lambda n: replace(n, device=device(1)), "in the part of .*CPU:0 is placed on '.*CPU:1'"),
    "same name": (0, lambda n: replace(n, name="b") if n.name == "a" else n, "'b' is not unique: the parts of"),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_a_part_that_does_not_fit_the_others_is_refused_at_the_node(name: str) -> None:
    number, edit, message = EDITS[name]
    with pytest.raises(tfg.TfgError, match=message) as caught:
        cross_device_transfers(edited(two_parts(), number, edit))
    assert caught.value.node is not None and caught.value.status == "INVALID_ARGUMENT"


def test_all_faults_can_be_had_at_once() -> None:
    assert len(list(part_faults(edited(two_parts(), 0, without("_Send"))))) == 2


def test_parts_joined_are_the_graph_again() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [2], name="x")
    a = g.Tanh(x, name="a")
    g.Add(a, g.Neg(a, name="n"), name="b")
    graph = on(g.graph(), {"n": 1})
    assert dict(join_parts(partition(graph)).index) == dict(graph.index)


def relayed(first: str) -> Parts:
    """x on device 0, which device 1 only passes on to device 2; ``first`` is what device 0 sends."""

    def part(number: int, text: str) -> Graph:
        return Graph(tuple(replace(n, device=device(number)) for n in read_graph(text, "part").nodes))

    def end(name: str, kind: str, key: str, source: int, target: int, value: str = "") -> str:
        dtype = "T" if kind == "_Send" else "tensor_type"
        texts = {"tensor_name": key, "send_device": device(source), "recv_device": device(target)}
        attrs = "".join(f'attr {{ key: "{k}" value {{ s: "{v}" }} }}' for k, v in texts.items())
        attrs += f'attr {{ key: "{dtype}" value {{ type: DT_FLOAT }} }}'
        attrs += 'attr { key: "send_device_incarnation" value { i: 1 } }'
        return f'node {{ name: "{name}" op: "{kind}" {f"input: {chr(34)}{value}{chr(34)}" if value else ""} {attrs} }}'

    x = 'node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }'
    neg = 'node { name: "y" op: "Neg" input: "r2" attr { key: "T" value { type: DT_FLOAT } } }'
    back = end("s3", "_Send", "back", 2, 0, "r2"), end("r3", "_Recv", "back", 2, 0)
    return Parts(
        {
            device(0): part(0, x + end("s0", "_Send", "there", 0, 1, first) + back[1]),
            device(1): part(1, end("r1", "_Recv", "there", 0, 1) + end("s1", "_Send", "on", 1, 2, "r1")),
            device(2): part(2, end("r2", "_Recv", "on", 1, 2) + neg + back[0]),
        }
    )


def test_what_a_part_only_passes_on_is_read_where_it_was_made() -> None:
    assert join_parts(relayed("x")).index["y"].inputs == ("x",)


def test_parts_that_only_pass_on_what_each_other_send_are_refused() -> None:
    with pytest.raises(tfg.TfgError, match=r"'r.' waits for itself"):
        join_parts(relayed("r3"))


def test_what_is_known_of_a_receive_is_what_the_whole_graph_knows() -> None:
    g = tfg.GraphBuilder()
    g.Reshape(g.placeholder("float", [6], name="x"), g.constant([2, 3], name="shape"), name="y")
    parts = partition(on(g.graph(), {"shape": 1}))
    (pair,) = cross_device_transfers(parts)
    assert parts.received[pair.receive.name][0].elements == (2, 3)
    assert with_received_facts(Parts(parts.graphs)).received[pair.receive.name][0].elements == (2, 3)


def test_a_send_of_another_graph_does_not_matter() -> None:
    """What clients feed and fetch has only one end here."""
    ends = {"tensor_name": b"x", "send_device": b"client", "recv_device": device(0).encode()}
    fed = Node(
        "fed", "_Recv", (), {"tensor_type": dtypes.float32, **ends, "client_terminated": True}, device(0)
    )
    assert cross_device_transfers(Parts({device(0): Graph((fed,))})) == []
