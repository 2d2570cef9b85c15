"""Gradients as graph extension: sums of paths, what is left out, and rows of tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.graph import Graph
from tfg.graphfmt.shapes import UNKNOWN
from tfg.kernels.core import registry
from tfg.kernels.core.failures import UnexpectedError
from tfg.runtime.passes.gradients.backpropagation import add_gradients, differentiate

from tests.kernels import harness


def gradient(g: tfg.GraphBuilder, loss: str, *wrt: str, feeds: dict[str, Any] | None = None) -> list[Any]:
    made = differentiate(g.graph(), loss, wrt)
    with tfg.Session(made) as session:
        return session.run([f"grad/{name}" for name in wrt], feeds or {})


def test_partial_gradients_add_up() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [], name="x")
    square = x * x
    g.AddV2(square * x, square + x, name="y")
    assert gradient(g, "y", "x", feeds={"x": 3.0})[0] == 3 * 9 + 2 * 3 + 1


def test_the_gradient_of_itself_is_one() -> None:
    g = tfg.GraphBuilder()
    g.placeholder("float", [2, 2], name="x")
    np.testing.assert_array_equal(gradient(g, "x", "x", feeds={"x": np.zeros((2, 2))})[0], np.ones((2, 2)))


def test_of_several_outputs_those_not_used_count_as_zero() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [4], name="x")
    _, second = g.Split(0, x, num_split=2)
    g.Sum(second * second, [0], name="y")
    assert gradient(g, "y", "x", feeds={"x": [1, 2, 3, 4]})[0].tolist() == [0, 0, 6, 8]


def test_no_gradient_flows_through_what_stops_it() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [], name="x")
    g.Mul(x, g.StopGradient(x * x), name="y")
    assert gradient(g, "y", "x", feeds={"x": 3.0})[0] == 9


def test_a_gather_has_a_gradient_of_rows() -> None:
    g = tfg.GraphBuilder()
    table = g.VariableV2(shape=[1000, 2], dtype="float", name="table")
    g.Sum(g.GatherV2(table, np.array([3, 7, 3], np.int32), 0), [0, 1], name="y")
    made = differentiate(g.graph(), "y", ["table"])
    with tfg.Session(made) as session:
        values, rows = session.run(["grad/table/values", "grad/table/indices"], {"table": np.ones((1000, 2))})
    assert values.tolist() == [[1, 1]] * 3
    assert rows.tolist() == [3, 7, 3]


def test_all_variables_that_matter_are_the_default() -> None:
    g = tfg.GraphBuilder()
    v = [g.VariableV2(shape=[], dtype="float", name=name) for name in ("a", "b", "unused")]
    g.VariableV2(shape=[], dtype="int32", name="count")
    g.Mul(v[1], g.Identity(v[0]), name="y")
    names = [n.name for n in differentiate(g.graph(), "y").nodes if n.name.startswith("grad/")]
    assert names == ["grad/a", "grad/b"]


def test_patterns_choose_variables_and_placeholders() -> None:
    g = tfg.GraphBuilder()
    a, b = (g.VariableV2(shape=[], dtype="float", name=f"layer/{name}") for name in "ab")
    x = g.placeholder("float", [], name="x")
    g.Add(a * b, x, name="y")
    made = differentiate(g.graph(), "y", ["layer/*", "x"])
    assert [n.name for n in made.nodes if n.name.startswith("grad/")] == [
        "grad/layer/a",
        "grad/layer/b",
        "grad/x",
    ]


def test_names_of_an_earlier_gradient_are_not_taken_twice() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [], name="x")
    g.Mul(x * x, x, name="y")
    once = differentiate(g.graph(), "y", ["x"])
    twice = differentiate(once, "grad/x", ["x"])
    with tfg.Session(twice) as session:
        made = [n.name for n in twice.nodes if n.name.startswith("grad/x")]
        assert len(made) == len(set(made)) == 2
        assert session.run([made[-1]], {"x": 5.0})[0] == 30


@pytest.mark.parametrize(
    ("loss", "wrt", "status", "why"),
    [
        ("z", ["x"], "NOT_FOUND", "'z'"),
        ("y", ["q*"], "NOT_FOUND", "'q*'"),
        ("y", ["other"], "INVALID_ARGUMENT", "does not depend on 'other'"),
        ("y", [], "INVALID_ARGUMENT", "depends on no variable"),
        ("whole", ["x"], "INVALID_ARGUMENT", "is int32"),
        ("y", ["x:1"], "INVALID_ARGUMENT", "no output"),
    ],
)
def test_what_cannot_be_differentiated(loss: str, wrt: list[str], status: str, why: str) -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [], name="x")
    g.placeholder("float", [], name="other")
    g.Neg(x, name="y")
    g.Cast(x, DstT="int32", name="whole")
    with pytest.raises(tfg.TfgError) as caught:
        differentiate(g.graph(), loss, wrt)
    assert caught.value.status == status
    assert why in str(caught.value)


def graphs_of(row: harness.Case) -> Iterator[tuple[Graph, list[str]]]:
    """The graph of a row and its outputs: with static shapes, and with unknown ones."""
    graph, outputs, _ = harness.graph_of(row)
    yield graph, outputs
    nodes = [
        replace(n, attrs={**n.attrs, "shape": UNKNOWN}) if n.op == "Placeholder" else n for n in graph.nodes
    ]
    yield graph.with_nodes(nodes), outputs


def differentiated_rows(family: str) -> list[harness.Case]:
    """The rows of operations with a gradient."""
    return [
        row
        for row in harness.table_module(family).CASES
        if row.error is None and (row.build or registry.get(row.op).gradient_function is not None)
    ]


@pytest.mark.parametrize("family", harness.families())
def test_every_output_alone_has_a_gradient_or_an_error_with_a_status(family: str) -> None:
    for row in differentiated_rows(family):
        for graph, outputs in graphs_of(row):
            inputs = [n.name for n in graph.nodes if n.op == "Placeholder"]
            for output in outputs:
                g = tfg.GraphBuilder(graph)
                try:
                    add_gradients(g, [g.tensor(output)], [g.tensor(name) for name in inputs])
                except UnexpectedError as error:
                    pytest.fail(f"{output} of {row}: {error}")
                except tfg.TfgError:
                    continue
