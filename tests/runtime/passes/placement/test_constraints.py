"""Which nodes must be together, and which devices will do."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfg.graphfmt import dtypes
from tfg.graphfmt.devices import parse_device
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.graph import Graph, Node, endpoint
from tfg.graphfmt.text.reader import read_graph
from tfg.runtime.passes.placement.constraints.colocation import DisjointSets
from tfg.runtime.passes.placement.constraints.constraints import Constraints, constrain
from tfg.runtime.passes.placement.machine.machine import Machine, parse_devices
from tfg.runtime.passes.placement.placed import resolve_devices

FLOAT = dtypes.BY_NAME["float"]
RESOURCE = dtypes.BY_NAME["resource"]
CPU2 = parse_devices("cpu:2")
MIXED = parse_devices("cpu:2,gpu:1")


def node(
    name: str, op: str = "NoOp", *inputs: str, on: str = "", beside: Sequence[str] = (), **attrs: object
) -> Node:
    if beside:
        attrs["_class"] = tuple(f"loc:@{other}".encode() for other in beside)
    return Node(name, op, inputs, attrs, on)  # type: ignore[arg-type]


def variable(name: str, on: str = "") -> Node:
    return node(name, "VariableV2", on=on, dtype=FLOAT)


def placeholder(name: str, on: str = "") -> Node:
    return node(name, "Placeholder", on=on, dtype=FLOAT)


def assign(name: str, target: str, value: str, on: str = "") -> Node:
    return node(name, "Assign", target, value, on=on, T=FLOAT)


def constrained(*nodes: Node, soft: bool = False, machine: Machine = CPU2) -> Constraints:
    return constrain(Graph(nodes), machine, soft=soft)


def locals_of(found: Constraints, name: str) -> list[str]:
    return [parse_device(device).local for device in found.feasible(name)]


def refusal(*nodes: Node, soft: bool = False, machine: Machine = CPU2) -> TfgError:
    with pytest.raises(TfgError) as caught:
        constrained(*nodes, soft=soft, machine=machine)
    return caught.value


def test_nodes_without_wishes_may_go_anywhere_by_themselves() -> None:
    found = constrained(node("b"), node("a"))
    assert [group.nodes for group in found.groups] == [("a",), ("b",)]
    assert locals_of(found, "a") == ["CPU:0", "CPU:1"]


def test_colocation_is_transitive_and_requests_are_shared() -> None:
    found = constrained(node("a", beside=["b"]), node("b", beside=["c"]), node("c", on="/cpu:1"))
    assert found.groups[0].nodes == ("a", "b", "c")
    assert locals_of(found, "a") == ["CPU:1"]


def test_parts_of_requests_are_put_together() -> None:
    found = constrained(node("a", beside=["b"], on="/device:CPU:*"), node("b", on="/task:0/device:*:1"))
    assert str(found.groups[0].requested) == "/task:0/device:CPU:1"


def test_a_contradiction_names_both_sides_and_their_lines() -> None:
    text = """node { name: "a" op: "NoOp" device: "/device:GPU:0"
  attr { key: "_class" value { list { s: "loc:@b" } } } }
node { name: "b" op: "NoOp" device: "/device:CPU:0" }"""
    with pytest.raises(TfgError) as caught:
        constrain(read_graph(text, "g.pbtxt"), MIXED)
    assert caught.value.message == (
        "Cannot assign a device for operation 'b': it must be with 'a' (loc:@b), which asks for /device:GPU:0 "
        "(g.pbtxt:1:1), but 'b' itself asks for /device:CPU:0 (g.pbtxt:3:1)"
    )
    assert str(caught.value.location) == "g.pbtxt:3:1"


def test_soft_placement_leaves_open_what_companions_differ_in() -> None:
    found = constrained(node("a", beside=["b"], on="/cpu:0"), node("b", on="/cpu:1"), soft=True)
    assert locals_of(found, "a") == ["CPU:0", "CPU:1"]
    assert len(found.notes) == 1


def test_jobs_are_never_given_up() -> None:
    error = refusal(node("a", beside=["b"], on="/job:x"), node("b", on="/job:localhost"), soft=True)
    assert "'a' (loc:@b), which asks for /job:x" in error.message


@pytest.mark.parametrize("name", ["missing", ""])
def test_an_unknown_companion(name: str) -> None:
    error = refusal(node("a", beside=[name]))
    assert error.message == f"node 'a' expects to be colocated with unknown node {name!r}"


def test_users_of_a_reference_are_where_it_is_and_may_not_ask_for_another_place() -> None:
    found = constrained(variable("v", "/cpu:1"), placeholder("x"), assign("to", "v", "x", "/cpu:0"))
    assert locals_of(found, "to") == ["CPU:1"]
    assert "'to' asks for '/cpu:0'" in found.notes[0] or "'to' asks for /cpu:0" in found.notes[0]
    assert locals_of(found, "x") == ["CPU:0", "CPU:1"]


def test_a_user_decides_where_the_maker_does_not() -> None:
    assert locals_of(constrained(variable("v"), placeholder("x"), assign("to", "v", "x", "/cpu:1")), "v") == [
        "CPU:1"
    ]


def test_what_reads_a_reference_as_a_value_is_free() -> None:
    found = constrained(variable("v", "/cpu:1"), node("read", "Identity", "v", on="/cpu:0", T=FLOAT))
    assert locals_of(found, "read") == ["CPU:0"]


def test_resources_are_followed_through_whatever_passes_them_on() -> None:
    found = constrained(
        node("v", "VarHandleOp", on="/cpu:1", dtype=FLOAT),
        node("in", "Enter", "v", T=RESOURCE, frame_name=b"f"),
        node("id", "Identity", "in", T=RESOURCE),
        node("read", "ReadVariableOp", "id", on="/cpu:0", dtype=FLOAT),
    )
    assert found.groups[0].nodes == ("id", "in", "read", "v")
    assert locals_of(found, "read") == ["CPU:1"]


@pytest.mark.parametrize("soft", [False, True])
def test_variables_that_one_operation_takes_cannot_be_apart(soft: bool) -> None:
    error = refusal(
        variable("v", "/cpu:0"),
        variable("m", "/cpu:1"),
        placeholder("x"),
        node("apply", "ApplyMomentum", "v", "m", "x", "x", "x", T=FLOAT),
        soft=soft,
    )
    assert "must be with 'm' (both are taken by 'apply'), which asks for /cpu:1" in error.message


@pytest.mark.parametrize("device", ["/gpu:0", "/cpu:7", "/device:XPU:*"])
def test_devices_that_do_not_exist(device: str) -> None:
    error = refusal(node("a", on=device))
    assert error.status is Status.INVALID_ARGUMENT
    assert (
        f"'a' asks for {device}, but there is no such device; the devices are /job:localhost" in error.message
    )
    assert locals_of(constrained(node("a", on=device), soft=True), "a") == ["CPU:0", "CPU:1"]


def test_other_tasks_are_never_given_up() -> None:
    assert "there is no such device" in refusal(node("a", on="/job:worker"), soft=True).message


def test_devices_without_a_kernel() -> None:
    strings = node("s", "Placeholder", on="/gpu:0", dtype=dtypes.BY_NAME["string"])
    assert "no kernel for that: GPU has none for 's', Placeholder" in refusal(strings, machine=MIXED).message
    assert locals_of(constrained(strings, machine=MIXED, soft=True), "s") == ["CPU:0", "CPU:1"]
    assert "no type of device has kernels" in refusal(
        node("s", "Placeholder", dtype=dtypes.BY_NAME["string"]), machine=parse_devices("gpu")
    ).message  # fmt: skip


def test_kernels_of_a_group_are_those_that_all_members_have() -> None:
    adds = node("add", "AddV2", "x", "x", T=FLOAT)
    assert locals_of(constrained(adds, placeholder("x"), machine=MIXED), "add") == ["CPU:0", "CPU:1", "GPU:0"]
    tied = node("add", "AddV2", "x", "x", T=FLOAT, beside=["s"])
    found = constrained(tied, placeholder("x"), node("s", "NoOp", beside=["v"]), variable("v"), machine=MIXED)
    assert locals_of(found, "add") == ["CPU:0", "CPU:1"]


def test_no_devices() -> None:
    error = refusal(node("a"), machine=Machine(()))
    assert (error.status, error.message) == (Status.FAILED_PRECONDITION, "No devices are registered")


def test_malformed_devices_and_unknown_operations() -> None:
    assert "Malformed device specification '/tpu:0'" in refusal(node("a", on="/tpu:0")).message
    assert refusal(node("a", "Nonsense")).status is Status.NOT_FOUND


@given(st.integers(1, 30), st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=40))
def test_sets_are_the_transitive_closure(count: int, pairs: list[tuple[int, int]]) -> None:
    pairs = [(a % count, b % count) for a, b in pairs]
    sets = DisjointSets(count)
    closure = [{i} for i in range(count)]
    for a, b in pairs:
        sets.unite(a, b)
        joined = closure[a] | closure[b]
        for member in joined:
            closure[member] = joined
    assert all(
        (sets.find(a) == sets.find(b)) == (b in closure[a]) for a in range(count) for b in range(count)
    )
    assert all(sets.find(a) == min(closure[a]) for a in range(count))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Variables, their users, and companions, with and without requests."""
    count = draw(st.integers(1, 12))
    devices = st.sampled_from(
        ["", "", "", "/cpu:0", "/cpu:1", "/device:CPU:*", "/gpu:0", "/job:localhost", "/task:1"]
    )
    nodes = [placeholder("x")]
    for i in range(count):
        variables = [n.name for n in nodes if n.op == "VariableV2"]
        kind = draw(st.sampled_from(["plain", "variable", "assign", "identity"]))
        beside = draw(st.lists(st.sampled_from([n.name for n in nodes]), max_size=1))
        on = draw(devices)
        if kind == "variable":
            nodes.append(node(f"n{i}", "VariableV2", on=on, beside=beside, dtype=FLOAT))
        elif kind == "assign" and variables:
            target = draw(st.sampled_from(variables))
            nodes.append(node(f"n{i}", "Assign", target, "x", on=on, beside=beside, T=FLOAT))
        elif kind == "identity" and variables:
            nodes.append(
                node(f"n{i}", "Identity", draw(st.sampled_from(variables)), on=on, beside=beside, T=FLOAT)
            )
        else:
            nodes.append(node(f"n{i}", on=on, beside=beside))
    return Graph(tuple(nodes))


def outcome(graph: Graph, soft: bool) -> Constraints | str:
    try:
        return constrain(graph, MIXED, soft=soft)
    except TfgError as error:
        return str(error)


@settings(max_examples=300, deadline=None)
@given(graphs(), st.booleans(), st.integers(0, 1000))
def test_the_order_of_nodes_is_irrelevant(graph: Graph, soft: bool, seed: int) -> None:
    shuffled = list(graph.nodes)
    random.Random(seed).shuffle(shuffled)
    assert outcome(graph.with_nodes(shuffled), soft) == outcome(graph, soft)


@settings(max_examples=300, deadline=None)
@given(graphs())
def test_what_is_feasible_violates_nothing(graph: Graph) -> None:
    found = outcome(graph, soft=False)
    if isinstance(found, str):
        return
    assert sorted(name for group in found.groups for name in group.nodes) == sorted(graph.index)
    ignored = " ".join(found.notes)
    for n in graph.nodes:
        assert found.feasible(n.name)
        if f"'{n.name}' asks" not in ignored:
            assert all(parse_device(n.device).matches(parse_device(d)) for d in found.feasible(n.name))
        together = [item[5:].decode() for item in n.attrs.get("_class", ())]  # type: ignore[union-attr]
        together += [endpoint(n.inputs[0]).node] if n.op == "Assign" else []
        assert all(found.group_of[other] == found.group_of[n.name] for other in together)


def test_the_devices_of_a_placed_graph() -> None:
    graph = Graph((node("a", on=CPU2.names[0]), node("b", on="/device:CPU:1")))
    assert resolve_devices(graph, CPU2) == {"a": CPU2.names[0], "b": CPU2.names[1]}


@pytest.mark.parametrize(
    "device, message",
    [
        (
            "/device:GPU:0",
            "node 'a' is placed on /device:GPU:0, which does not exist; the devices are /job:localhost",
        ),
        ("", "node 'a' is not placed: no device is given"),
        ("/device:CPU:*", "the device /device:CPU:* fits several"),
        ("/cpu", "Malformed device specification"),
    ],
)
def test_a_graph_placed_elsewhere_or_not_at_all(device: str, message: str) -> None:
    graph = read_graph(f'\nnode {{ name: "a" op: "NoOp" device: "{device}" }}', "g.pbtxt")
    with pytest.raises(TfgError) as caught:
        resolve_devices(graph, CPU2)
    assert message in caught.value.message
    assert str(caught.value.location) == "g.pbtxt:2:1"
