"""Branches and loops: Switch, Merge, Enter, Exit, NextIteration; every test in every way to run them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt import dtypes
from tfg.graphfmt.graph import Graph, Node
from tfg.graphfmt.shapes import Shape
from tfg.graphfmt.tensors import from_array
from tfg.kernels.core import registry, shapes
from tfg.runtime.execution.session import Session
from tfg.runtime.passes import validation

from ...ways import every_way as every_way

FLOAT = {"T": dtypes.float32}


pytestmark = pytest.mark.usefixtures("every_way")


def placeholder(name: str, dtype: dtypes.DType = dtypes.float32) -> Node:
    return Node(name, "Placeholder", (), {"dtype": dtype, "shape": Shape(())})


def constant(name: str, value: Any, *controls: str) -> Node:
    array = np.asarray(value, np.float32)
    return Node(name, "Const", controls, {"dtype": dtypes.float32, "value": from_array(array)})


def op(name: str, kind: str, *inputs: str, **attrs: Any) -> Node:
    return Node(name, kind, inputs, {**FLOAT, **attrs})


def enter(name: str, source: str, frame: str = "loop", *, constant: bool = False, parallel: int = 10) -> Node:
    attrs = {"frame_name": frame.encode(), "is_constant": constant, "parallel_iterations": parallel}
    return op(name, "Enter", source, **attrs)


def doubling_loop(parallel: int = 10, body: str = "AddV2", frame: str = "loop") -> list[Node]:
    """``while v < limit: v = v + v``, from x; the result is ``out``."""
    return [
        placeholder("x"),
        placeholder("limit"),
        enter("x/enter", "x", frame, parallel=parallel),
        enter("limit/enter", "limit", frame, constant=True, parallel=parallel),
        op("merge", "Merge", "x/enter", "next", N=2),
        op("less", "Less", "merge", "limit/enter"),
        Node("condition", "LoopCond", ("less",)),
        op("switch", "Switch", "merge", "condition"),
        op("body", body, "switch:1", "switch:1") if body != "Counted" else Node("body", body, ("switch:1",)),
        op("next", "NextIteration", "body"),
        op("out", "Exit", "switch"),
    ]


def run(nodes: list[Node], fetch: str, **feeds: Any) -> Any:
    return Session(Graph(tuple(nodes))).run([fetch], feeds)[0]


@pytest.mark.parametrize("parallel", [1, 2, 10, 32])
@pytest.mark.parametrize(("x", "limit", "expected"), [(1, 100, 128), (5, 1, 5), (1, 2, 2)])
def test_a_loop_runs_until_its_condition_is_false(
    parallel: int, x: float, limit: float, expected: float
) -> None:
    assert run(doubling_loop(parallel), "out", x=x, limit=limit) == expected


def test_what_comes_after_a_loop_sees_its_result() -> None:
    assert run([*doubling_loop(), op("after", "Neg", "out")], "after", x=1, limit=100) == -128


def test_the_file_order_of_the_nodes_does_not_matter() -> None:
    assert run(doubling_loop()[::-1], "out", x=1, limit=100) == 128


def branch(*more: Node) -> list[Node]:
    """Minus x where ``pred``, x * x otherwise."""
    return [
        placeholder("x"),
        placeholder("pred", dtypes.bool_),
        op("switch", "Switch", "x", "pred"),
        op("then", "Neg", "switch:1"),
        op("else", "Mul", "switch", "switch"),
        op("out", "Merge", "else", "then", N=2),
        *more,
    ]


def test_a_branch_is_chosen_and_the_merge_tells_which() -> None:
    assert run(branch(), "out", x=3, pred=True) == -3
    assert run(branch(), "out", x=3, pred=False) == 9
    assert run(branch(), "out:1", x=3, pred=True) == 1


def test_branches_may_be_constants() -> None:
    nodes = [
        placeholder("x"),
        placeholder("pred", dtypes.bool_),
        op("switch", "Switch", "x", "pred"),
        op("then/pivot", "Identity", "switch:1"),
        op("else/pivot", "Identity", "switch"),
        constant("then", 7, "^then/pivot"),
        constant("else", 8, "^else/pivot"),
        op("out", "Merge", "else", "then", N=2),
    ]
    assert run(nodes, "out", x=0, pred=True) == 7
    assert run(nodes, "out", x=0, pred=False) == 8


CALLS: list[str] = []


def counted() -> registry.Op:
    return registry.find("Counted") or registry.Family(__name__).op(
        "Counted(x: float) -> (y: float)", shape=shapes.like_input, stateful=True
    )


@counted().kernel
def _(xp: Any, x: Any, *, node_name: str) -> Any:
    CALLS.append(node_name)
    return x + x


def test_nothing_on_a_branch_not_taken_is_called() -> None:
    nodes = branch(Node("deep", "Counted", ("then",)), op("end", "Merge", "deep", "else", N=2))
    CALLS.clear()
    assert run(nodes, "end", x=3, pred=False) == 9
    assert CALLS == []
    assert run(nodes, "end", x=3, pred=True) == -6
    assert CALLS == ["deep"]


def test_a_loop_on_a_branch_not_taken_does_not_run() -> None:
    renamed = {"x": "choice:1", "switch": "turn", "switch:1": "turn:1"}
    loop = [
        Node(renamed.get(n.name, n.name), n.op, tuple(renamed.get(i, i) for i in n.inputs), n.attrs)
        for n in doubling_loop(body="Counted")[1:]
    ]
    nodes = [
        placeholder("x"),
        placeholder("pred", dtypes.bool_),
        op("choice", "Switch", "x", "pred"),
        *loop,
        op("end", "Merge", "out", "choice", N=2),
    ]
    CALLS.clear()
    assert run(nodes, "end", x=3, pred=False, limit=100) == 3
    assert CALLS == []
    assert run(nodes, "end", x=3, pred=True, limit=100) == 192


def test_any_edge_may_be_fed_before_a_merge() -> None:
    session = Session(Graph(tuple(branch())))
    assert session.run(["out"], {"x": 3, "pred": False, "else": 5.0})[0] == 5


def error_of(nodes: list[Node], fetch: str, **feeds: Any) -> tfg.TfgError:
    with pytest.raises(tfg.TfgError) as caught:
        run(nodes, fetch, **feeds)
    return caught.value


def test_a_dead_fetch_is_an_error_that_names_it() -> None:
    error = error_of(branch(), "then", x=3, pred=False)
    assert (error.status, error.node) == ("INVALID_ARGUMENT", "then")
    assert "does not have a value" in error.message


def test_inputs_from_two_frames_are_refused() -> None:
    nodes = [
        Node(n.name, n.op, ("switch:1", "limit"), n.attrs) if n.name == "body" else n for n in doubling_loop()
    ]
    error = error_of(nodes, "out", x=1, limit=100)
    assert "different frames" in error.message and error.node == "body"


def test_a_fetch_inside_a_loop_is_refused() -> None:
    assert "inside the loop 'loop'" in error_of(doubling_loop(), "body", x=1, limit=100).message


def test_a_loop_without_exit_is_refused() -> None:
    nodes = [n for n in doubling_loop() if n.name != "out"]
    with pytest.raises(tfg.TfgError, match="has no Exit"):
        Session(Graph((*nodes, Node("end", "NoOp", ("^next",))))).run(
            targets=["end"], feeds={"x": 1, "limit": 2}
        )


def test_a_cycle_without_next_iteration_is_refused() -> None:
    nodes = [Node(n.name, "Identity", n.inputs, n.attrs) if n.name == "next" else n for n in doubling_loop()]
    assert "cycle" in error_of(nodes, "out", x=1, limit=100).message


def test_an_endless_loop_ends_with_its_timeout() -> None:
    session = Session(Graph(tuple(doubling_loop(body="Mul"))))
    with pytest.raises(tfg.TfgError) as caught:
        session.run(["out"], {"x": 1, "limit": 100}, timeout=0.2)
    assert caught.value.status == "DEADLINE_EXCEEDED"


def test_a_loop_keeps_the_memory_of_the_iterations_that_run_alone() -> None:
    import tracemalloc

    nodes = [
        Node(n.name, n.op, n.inputs, {**n.attrs, "shape": Shape((None,))}) if n.name == "x" else n
        for n in doubling_loop(parallel=4)
        if n.name not in ("less", "body")
    ]
    nodes += [
        Node("size", "Sum", ("merge", "axis"), {**FLOAT, "Tidx": dtypes.int32}),
        Node("axis_root", "Const", (), {"dtype": dtypes.int32, "value": from_array(np.zeros(1, np.int32))}),
        Node(
            "axis", "Enter", ("axis_root",), {"T": dtypes.int32, "frame_name": b"loop", "is_constant": True}
        ),
        op("less", "Less", "size", "limit/enter"),
        constant("one_root", 1.0),
        enter("one", "one_root", constant=True),
        op("body", "AddV2", "switch:1", "one"),
    ]
    session = Session(Graph(tuple(nodes)))
    feeds = {"x": np.zeros(100_000, np.float32), "limit": 1e8}
    tracemalloc.start()
    (out,) = session.run(["out"], feeds)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert out[0] == 1000
    assert peak < 40 * feeds["x"].nbytes


def test_validation_tells_of_loops_that_are_not_whole() -> None:
    without_exit = [n for n in doubling_loop() if n.name != "out"]
    (fault,) = validation.faults(Graph(tuple(without_exit)))
    assert (fault.node, fault.status) == ("x/enter", "INVALID_ARGUMENT")
    assert "has no Exit" in fault.message
    assert validation.faults(Graph(tuple(doubling_loop()))) == []


@pytest.mark.parametrize("taken", [True, False])
def test_a_size_that_is_known_without_its_tensor_is_dead_with_it(taken: bool) -> None:
    g = tfg.GraphBuilder()
    x, predicate = g.placeholder("float", [3], name="x"), g.placeholder("bool", [], name="taken")
    no, yes = g.Switch(x, predicate)
    g.Merge([g.Size(g.Neg(no), name="size"), g.Size(yes) * 7], name="out")
    session, feeds = Session(g.graph()), {"x": [1, 2, 3], "taken": taken}
    assert session.run(["out"], feeds)[0] == (21 if taken else 3)
    if taken:
        with pytest.raises(tfg.TfgError, match="does not have a value"):
            session.run(["size"], feeds)
