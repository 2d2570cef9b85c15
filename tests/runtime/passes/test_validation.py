"""Faults: all of them, each once, and none that only follows from another."""

from __future__ import annotations

import pytest
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.text.reader import read_graph
from tfg.runtime.passes import validation

from tests.cli.graphs import FLOAT, ONE, const, dims, node, placeholder


def faults(*lines: str) -> list[TfgError]:
    return validation.faults(read_graph("".join(lines), "g.pbtxt"))


def told(*lines: str) -> list[tuple[str | None, int, int]]:
    """Node, line and column of every fault."""
    return [(e.node, e.location.line, e.location.column) for e in faults(*lines) if e.location]


def test_a_valid_graph_has_none() -> None:
    assert faults(ONE, node("a", "Neg", "one", "^one", T=FLOAT), node("go", "NoOp", "^a")) == []


@pytest.mark.parametrize(
    "broken",
    [
        node("b", "Neg", "nothing", T=FLOAT),
        node("b", "Neg", "one:7", T=FLOAT),
        node("b", "Neg", "one:x", T=FLOAT),
        node("b", "Neg", "one:99999999999", T=FLOAT),
        node("b", "Neg", "", T=FLOAT),
        node("b", "Neg", "^one", "one", T=FLOAT),
        node("b", "Neg", T=FLOAT),
        node("b", "Neg", "one", T="i: 1"),
        node("b", "Neg", "one"),
        node("b", "Negg", "one"),
        node("b", ""),
        node("b", "Neg", "b", T=FLOAT),
    ],
)
def test_what_follows_from_a_fault_is_not_told(broken: str) -> None:
    after = [node("c", "Neg", "b", T=FLOAT), node("d", "Add", "c", "b", T=FLOAT), node("e", "NoOp", "^c")]
    assert [name for name, _, _ in told(ONE, broken, *after)] == ["b"]


def test_faults_beside_a_fault_are_told() -> None:
    lines = [
        ONE,
        node("a", "Neg", "nothing", T=FLOAT),
        node("b", "Neg", "one:4", T=FLOAT),
        node("c", "MatMul", "one", "one", T=FLOAT),
        node("d", "NoOp", "^nothing"),
    ]
    assert [name for name, _, _ in told(*lines)] == ["a", "b", "c", "d"]


def test_a_fault_stands_at_its_input_or_attribute() -> None:
    line = node("a", "Neg", "one", "^none", T="i: 1")
    assert told(ONE, line) == [
        ("a", 2, line.index('input: "^none"') + 1),
        ("a", 2, line.index("attr") + 1),
    ]


def test_shapes_go_on_past_a_fault() -> None:
    graph = read_graph(
        placeholder("x", shape=dims(2, 3))
        + node("bad", "MatMul", "x", "x", T=FLOAT)
        + node("y", "Neg", "bad", T=FLOAT)
        + node("z", "Neg", "x", T=FLOAT),
        "g.pbtxt",
    )
    shapes = {name: str(facts[0].shape) for name, facts in validation.shapes(graph).items()}
    assert shapes == {"x": "[2,3]", "bad": "<unknown>", "y": "<unknown>", "z": "[2,3]"}


def test_loops_through_next_iteration_are_no_cycles() -> None:
    loop = [
        node("enter", "Enter", "one", T=FLOAT, frame_name='s: "f"'),
        node("merge", "Merge", "enter", "next", T=FLOAT, N="i: 2"),
        node("next", "NextIteration", "merge", T=FLOAT),
    ]
    assert not any("cycle" in error.message for error in faults(ONE, *loop))


@pytest.mark.parametrize(
    "device",
    [
        "/cpu:0",
        "/device:CPU:0",
        "/job:worker/replica:0/task:17/device:GPU:1",
        "/job:*/task:*",
        "/device:GPU:*",
        "/gpu:1",
    ],
)
def test_devices_that_are_well_formed(device: str) -> None:
    assert faults(node("a", "NoOp").replace("op:", f'device: "{device}" op:')) == []


@pytest.mark.parametrize("device", ["cpu:0", "/cpu:x", "/job:", "/device:CPU:0 ", "/task:-1", "nonsense"])
def test_devices_that_are_not(device: str) -> None:
    found = faults(node("a", "NoOp").replace("op:", f'device: "{device}" op:'))
    assert [error.message for error in found] == [f"Malformed device specification {device!r}"]


def test_hints_are_given_for_the_first_faults_only() -> None:
    found = faults(ONE, *(node(f"n{i}", "Neg", "onee", T=FLOAT) for i in range(50)))
    assert len(found) == 50
    assert found[0].hint == "did you mean 'one'?"
    assert found[-1].hint is None


def test_a_constant_that_takes_no_memory_to_check() -> None:
    assert faults(const("a", f"tensor_shape {{ {dims(1 << 40)} }} float_val: 1")) == []
