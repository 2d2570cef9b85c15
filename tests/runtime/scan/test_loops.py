"""Bounds of loops that a counter ends."""

from __future__ import annotations

from typing import Any

import pytest
import tfg
from tfg.kernels.functions.library import graph_library
from tfg.runtime.scan.loops import frame_loops, functional_loops, unbounded_loops


def frame_loop(compare: str, limit: int, step: int, add: str = "AddV2", start: int = 0) -> tfg.Graph:
    """A loop of TensorFlow 1 that counts."""
    g = tfg.GraphBuilder()
    enter: dict[str, Any] = {"frame_name": "loop"}
    first = g.Enter(g.constant(start), name="first", **enter)
    bound = g.Enter(g.constant(limit), is_constant=True, **enter)
    merge, _ = g.Merge([first, first], name="merge")
    on = g.LoopCond(getattr(g, compare)(merge, bound), name="on")
    out, inside = g.Switch(merge, on)
    stride = g.Enter(g.constant(step), is_constant=True, **enter)
    g.NextIteration(getattr(g, add)(g.Identity(inside), stride), name="next")
    g.Exit(out, name="out")
    nodes = [
        node if node.name != "merge" else node.__class__("merge", "Merge", ("first", "next"), node.attrs)
        for node in g.graph().nodes
    ]
    return g.graph().with_nodes(nodes)


@pytest.mark.parametrize(
    ("compare", "limit", "step", "expected"),
    [
        ("Less", 10, 1, 10),
        ("Less", 10, 3, 4),
        ("LessEqual", 10, 3, 4),
        ("LessEqual", 9, 3, 4),
        ("Less", 10, 0, None),
        ("Less", 10, -1, None),
        ("Less", -1, 1, 0),
        ("Greater", -4, -2, 2),
        ("GreaterEqual", -4, -2, 3),
        ("NotEqual", 10, 1, None),
    ],
)
def test_iterations_of_a_counter(compare: str, limit: int, step: int, expected: float | None) -> None:
    (loop,) = frame_loops(frame_loop(compare, limit, step))
    assert (loop.name, loop.node, loop.iterations) == ("loop", "on", expected)


def test_a_subtraction_counts_down() -> None:
    (loop,) = frame_loops(frame_loop("Greater", 0, 1, "Sub", start=7))
    assert loop.iterations == 7


def while_graph(limit: Any, change: Any) -> tfg.Graph:
    g = tfg.GraphBuilder()
    n = g.placeholder("int32", [], name="n")
    at = n if limit is None else g.constant(limit)
    g.while_loop(lambda b, i, end: b.Less(i, end), lambda b, i, end: [change(b, i), end], [g.constant(0), at])
    return g.graph()


def test_a_functional_loop_whose_limit_is_passed_on() -> None:
    graph = while_graph(12, lambda b, i: b.AddV2(i, b.constant(5)))
    (loop,) = functional_loops(graph, graph_library(graph), "")
    assert loop.iterations == 3
    assert list(unbounded_loops(graph, graph_library(graph))) == []


@pytest.mark.parametrize(
    ("limit", "change"),
    [(None, lambda b, i: b.AddV2(i, b.constant(1))), (12, lambda b, i: b.Mul(i, b.constant(2)))],
    ids=["fed limit", "no addition"],
)
def test_functional_loops_without_a_known_bound(limit: Any, change: Any) -> None:
    graph = while_graph(limit, change)
    (loop,) = unbounded_loops(graph, graph_library(graph))
    assert loop.iterations is None
