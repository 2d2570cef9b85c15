"""Loops and conditionals as Python's own, and by the scheduler: the same values, bit for bit, and the same calls."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt import dtypes
from tfg.graphfmt.graph import Graph, Node
from tfg.graphfmt.shapes import UNKNOWN
from tfg.graphfmt.tensors import from_array
from tfg.runtime.execution.session import Session
from tfg.runtime.execution.trace import StepTrace
from tfg.runtime.plan.segment_plan import SegmentPlan

from ... import programs
from ...ways import WAYS, going
from ...ways import every_way as every_way
from .test_control_flow import FLOAT, branch, doubling_loop, enter, op, placeholder


def outcome(program: programs.Program, feeds: dict[str, Any], way: str) -> tuple[list[bytes], Counter[str]]:
    """The fetched values of a program, and the number of calls of each node."""
    programs.CALLS.clear()
    with going(way):
        values = Session(program.graph).run(program.fetches, feeds)
    return [value.dtype.str.encode() + value.tobytes() for value in values], Counter(programs.CALLS)


@pytest.mark.parametrize("seed", range(150))
def test_random_programs_give_the_same_in_every_way(seed: int) -> None:
    program = programs.Program(seed)
    feeds = program.feeds()
    expected = outcome(program, feeds, "scheduled")
    for way in WAYS:
        assert outcome(program, feeds, way) == expected
    assert not program.is_tidy or isinstance(
        Session(program.graph).plan(program.fetches, list(feeds)), SegmentPlan
    )


def without(nodes: list[Node], *names: str) -> list[Node]:
    return [node for node in nodes if node.name not in names]


def is_straight(nodes: list[Node], *fetches: str) -> bool:
    """True if a plan needs no scheduler."""
    return isinstance(Session(Graph(tuple(nodes))).plan(fetches, ["x", "limit"]), SegmentPlan)


LOOP = doubling_loop()


def test_what_is_well_formed_needs_no_scheduler() -> None:
    assert is_straight(LOOP, "out")
    assert is_straight([*LOOP, op("after", "Neg", "out")], "after", "out")


@pytest.mark.parametrize(
    "more",
    [
        # The Merge tells which input came first, and that in every iteration.
        [
            Node("index", "Cast", ("merge:1",), {"SrcT": dtypes.int32, "DstT": dtypes.float32}),
            op("size", "AddV2", "merge", "index"),
            op("less", "Less", "size", "limit/enter"),
        ],
        # A trigger runs in the last iteration, too.
        [Node("trigger", "ControlTrigger", ("^body",)), op("next", "NextIteration", "body", "^trigger")],
        # A predicate besides the loop's.
        [
            Node("not", "LogicalNot", ("less",)),
            op("other", "Switch", "merge", "not"),
            op("after", "Exit", "other:1"),
        ],
    ],
    ids=["index", "trigger", "predicate"],
)
def test_what_is_not_well_formed_is_left_to_the_scheduler(more: list[Node]) -> None:
    nodes = [*without(LOOP, *(node.name for node in more)), *more]
    assert not is_straight(nodes, "out", *(node.name for node in more if node.op == "Exit"))


def test_a_loop_that_is_left_to_the_scheduler_may_have_compiled_ones_around_it() -> None:
    inner = doubling_loop(frame="other")[2:]
    odd = [Node(f"b/{n.name}", n.op, tuple(_renamed(i) for i in n.inputs), n.attrs) for n in inner]
    odd += [Node("b/trigger", "ControlTrigger", ("^b/body",))]
    odd = [op(n.name, "NextIteration", *n.inputs, "^b/trigger") if n.name == "b/next" else n for n in odd]
    for way in WAYS:
        with going(way):
            session = Session(Graph((*LOOP, *odd, op("sum", "AddV2", "out", "b/out"))))
            assert session.run(["sum"], {"x": 1, "limit": 100})[0] == 256


def _renamed(name: str) -> str:
    return name if name in ("x", "limit") else f"b/{name}"


def test_an_error_in_a_loop_names_its_node(every_way: str) -> None:
    nodes = [
        *without(LOOP, "body"),
        op("grown", "Exp", "switch:1"),
        Node("body", "CheckNumerics", ("grown",), {**FLOAT, "message": b"too large"}),
    ]
    with pytest.raises(tfg.TfgError) as caught:
        Session(Graph(tuple(nodes))).run(["out"], {"x": 1, "limit": 1e38})
    assert (caught.value.node, caught.value.status) == ("body", "INVALID_ARGUMENT")


def test_an_error_in_a_branch_names_its_node(every_way: str) -> None:
    nodes = [
        node
        if node.name != "then"
        else Node("then", "CheckNumerics", ("switch:1",), {**FLOAT, "message": b""})
        for node in branch()
    ]
    session = Session(Graph(tuple(nodes)))
    with pytest.raises(tfg.TfgError) as caught:
        session.run(["out"], {"x": np.nan, "pred": True})
    assert caught.value.node == "then"
    assert np.isnan(session.run(["out"], {"x": np.nan, "pred": False})[0])


def test_a_predicate_that_is_no_scalar_is_refused(every_way: str) -> None:
    nodes = [
        Node(n.name, n.op, n.inputs, {**n.attrs, "shape": UNKNOWN}) if n.op == "Placeholder" else n
        for n in LOOP
    ]
    with pytest.raises(tfg.TfgError, match="must be a scalar") as caught:
        Session(Graph(tuple(nodes))).run(["out"], {"x": [1.0, 2.0], "limit": 3})
    assert caught.value.status == "INVALID_ARGUMENT"


def test_variables_may_change_places_and_their_shapes(every_way: str) -> None:
    first, second = (
        LOOP,
        [
            Node(f"b/{n.name}", n.op, tuple(_renamed(i) for i in n.inputs), n.attrs)
            for n in LOOP
            if n.name in ("merge", "switch", "next", "out")
        ],
    )
    swapped = {"next": ("b/twice",), "b/next": ("body",)}
    nodes = [
        Node(n.name, n.op, swapped.get(n.name, n.inputs), n.attrs)
        for n in [*first, *second, enter("b/x/enter", "y"), placeholder("y")]
    ]
    nodes = [
        Node(n.name, n.op, ("b/merge", "condition"), n.attrs) if n.name == "b/switch" else n for n in nodes
    ]
    axis = {"dtype": dtypes.int32, "value": from_array(np.zeros((), np.int32))}
    flat = {"dtype": dtypes.int32, "value": from_array(np.array([-1], np.int32))}
    nodes = [
        *without(nodes, "less"),
        Node("flat", "Const", ("^b/switch",), flat),
        Node("vector", "Reshape", ("b/switch:1", "flat"), {**FLOAT, "Tshape": dtypes.int32}),
        Node("axis", "Const", ("^b/switch",), axis),
        Node("b/twice", "ConcatV2", ("vector", "vector", "axis"), {**FLOAT, "Tidx": dtypes.int32, "N": 2}),
        Node("size", "Size", ("merge",), {**FLOAT, "out_type": dtypes.int32}),
        Node("length", "Cast", ("size",), {"SrcT": dtypes.int32, "DstT": dtypes.float32}),
        op("less", "Less", "length", "limit/enter"),
    ]
    session = Session(Graph(tuple(nodes)))
    out, other = session.run(["out", "b/out"], {"x": 1, "y": 3, "limit": 4})
    assert (out.tolist(), other.tolist()) == ([6, 6, 6, 6], [4, 4])


def test_side_effects_of_iterations_come_in_order(every_way: str) -> None:
    lines: list[str] = []
    nodes = [
        *without(LOOP, "body"),
        Node("said", "Print", ("switch:1", "switch:1"), {**FLOAT, "U": (dtypes.float32,), "message": b""}),
        op("body", "AddV2", "said", "said"),
    ]
    Session(Graph(tuple(nodes)), log=lines.append).run(["out"], {"x": 1, "limit": 8})
    assert [line.strip("[]") for line in lines] == ["1", "2", "4"]


def test_a_loop_waits_for_what_its_enters_wait_for(every_way: str) -> None:
    programs.CALLS.clear()
    counted = Node("counted", "CountedCall", ("x",))
    nodes = [Node(n.name, n.op, (*n.inputs, "^counted"), n.attrs) if n.name == "x/enter" else n for n in LOOP]
    end = Node("end", "NoOp", ("^out",))
    Session(Graph((*nodes, counted, end))).run(targets=["end"], feeds={"x": 1, "limit": 8})
    assert programs.CALLS == ["counted"]


def test_a_traced_loop_is_one_event() -> None:
    trace = StepTrace()
    Session(Graph(tuple(LOOP))).run(["out"], {"x": 1, "limit": 8}, observer=trace.observe)
    assert [event.op for event in trace.events] == ["Loop"]
