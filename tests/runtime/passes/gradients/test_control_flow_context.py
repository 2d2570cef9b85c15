"""Gradients through Switch, Merge and the loops that they make, against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.graph import Graph
from tfg.kernels.builder.graph_builder import GraphBuilder, Tensor
from tfg.runtime.passes.gradients.backpropagation import dense, differentiate

from ...ways import every_way  # noqa: F401

pytestmark = pytest.mark.usefixtures("every_way")

Body = Callable[..., Sequence[Tensor]]


def loop(
    g: GraphBuilder,
    cond: Callable[..., Tensor],
    body: Body,
    starts: Sequence[Any],
    held: Sequence[Tensor] = (),
    frame: str = "loop",
    parallel: int = 10,
) -> list[Tensor]:
    """The results of ``while cond: body``, both of which are given the variables and what is held."""

    def enter(value: Any, *, constant: bool) -> Tensor:
        tensor = value if isinstance(value, Tensor) else g.constant(value)
        return g.Enter(tensor, frame_name=frame, is_constant=constant, parallel_iterations=parallel)

    entered = [enter(start, constant=False) for start in starts]
    constants = [enter(tensor, constant=True) for tensor in held]
    with g.control_dependencies(None):
        merges = [g.Merge([e, e])[0] for e in entered]
        with g.control_dependencies([merges[0]]):
            more = g.LoopCond(cond(*merges, *constants))
        switches = [g.Switch(merge, more) for merge in merges]
        pivot = g.Identity(switches[0][1])
        with g.control_dependencies([pivot]):
            results = body(*(again for _, again in switches), *constants)
        for merge, result in zip(merges, results):
            repeat(g, merge, g.NextIteration(result))
        return [g.Exit(over) for over, _ in switches]


def repeat(g: GraphBuilder, merge: Tensor, again: Tensor) -> None:
    node = g.view(merge.node).node
    g.replace_node(replace(node, inputs=(node.inputs[0], again.name)), g.facts_of(node.name))


def choose(g: GraphBuilder, p: Tensor, x: Tensor, then: Any, otherwise: Any) -> Tensor:
    """``then(x)`` where p holds, ``otherwise(x)`` where not."""
    no, yes = g.Switch(x, p)
    return g.Merge([otherwise(no), then(yes)])[0]


def double(g: GraphBuilder, name: str, shape: Sequence[int | None] | None = ()) -> Tensor:
    return g.placeholder("double", shape, name=name)


def count_to(n: int, g: GraphBuilder) -> Callable[..., Tensor]:
    return lambda i, *_: g.Less(i, n)


def gradients(g: GraphBuilder, y: Tensor, xs: Sequence[Tensor]) -> tuple[Graph, list[str]]:
    found = [dense(g, x) for x in tfg.add_gradients(g, [y], xs)]
    return g.graph(), [x.name for x in found if x is not None]


def check(g: GraphBuilder, y: Tensor, feeds: dict[str, Any], wrt: Sequence[str]) -> None:
    """Holds the gradients of a scalar against finite differences."""
    graph, names = gradients(g, y, [g.tensor(name) for name in wrt])
    assert len(names) == len(wrt)
    given = {k: np.array(v, np.float64) if k in wrt else v for k, v in feeds.items()}
    with tfg.Session(graph) as session:
        found = session.run(names, given)
        for name, gradient in zip(wrt, found):
            x = given[name]
            expected = np.zeros_like(x)
            for at in np.ndindex(x.shape):
                ends: list[float] = []
                for step in (1e-6, -1e-6):
                    moved = x.copy()
                    moved[at] += step
                    ends.append(session.run([y.name], {**given, name: moved})[0])
                expected[at] = (ends[0] - ends[1]) / 2e-6
            assert gradient.shape == x.shape
            np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("p", [True, False])
def test_of_a_conditional(p: bool) -> None:
    g = GraphBuilder()
    x, pred = double(g, "x", [2]), g.placeholder("bool", [], name="p")
    out = choose(g, pred, x, lambda t: t * t * t, g.Exp)
    check(g, g.Sum(out * x, [0]), {"x": [0.5, 2.0], "p": p}, ["x"])


@pytest.mark.parametrize("p", [True, False])
@pytest.mark.parametrize("shape", [(), (2,), None])
def test_of_what_one_branch_alone_uses(p: bool, shape: Any) -> None:
    g = GraphBuilder()
    x, z = double(g, "x", shape), double(g, "z", shape)
    pred = g.placeholder("bool", [], name="p")
    out = g.Merge([g.Sin(g.Switch(z, pred)[0]), g.Neg(g.Switch(x, pred)[1])])[0]
    value = 0.5 if shape == () else [0.5, 0.25]
    check(g, g.Sum(out, g.Range(0, g.Rank(out), 1)), {"x": value, "z": value, "p": p}, ["x", "z"])


@pytest.mark.parametrize("p", [True, False])
def test_of_a_tensor_that_a_branch_reads_without_a_switch(p: bool) -> None:
    g = GraphBuilder()
    x, pred = double(g, "x"), g.placeholder("bool", [], name="p")
    no, yes = g.Switch(x, pred)
    out = g.Merge([no, yes * x * x])[0]
    check(g, out + x, {"x": 1.5, "p": p}, ["x"])


@pytest.mark.parametrize("p", [True, False])
def test_where_the_end_itself_is_on_a_branch(p: bool) -> None:
    g = GraphBuilder()
    x, pred = double(g, "x"), g.placeholder("bool", [], name="p")
    y = g.Neg(g.Switch(x, pred)[1])
    graph, (name,) = gradients(g, y, [x])
    assert tfg.Session(graph).run([name], {"x": 3.0, "p": p})[0] == (-1 if p else 0)


@pytest.mark.parametrize("p", [True, False])
@pytest.mark.parametrize("q", [True, False])
def test_of_a_conditional_in_a_conditional_twice(p: bool, q: bool) -> None:
    g = GraphBuilder()
    x = double(g, "x")
    outer, inner = (g.placeholder("bool", [], name=n) for n in "pq")

    def then(t: Tensor) -> Tensor:
        return choose(g, g.Switch(inner, outer)[1], t, lambda u: u * u * u, g.Sin)

    y = choose(g, outer, x, then, g.Exp)
    (first,) = tfg.add_gradients(g, [y], [x])
    assert isinstance(first, Tensor)
    check(g, first * first, {"x": 0.7, "p": p, "q": q}, ["x"])


@pytest.mark.parametrize("parallel", [1, 2, 10, 32])
@pytest.mark.parametrize("n", [0, 1, 6])
def test_of_a_loop(parallel: int, n: int) -> None:
    g = GraphBuilder()
    x, w = double(g, "x", [2]), double(g, "w", [2])
    _, y = loop(g, count_to(n, g), lambda i, y, w: [i + 1, g.Sin(y) * w], [0, x], [w], parallel=parallel)
    check(g, g.Sum(y * w, [0]), {"x": [1.5, 0.5], "w": [2.0, 3.0]}, ["x", "w"])


def test_of_a_loop_as_long_as_its_values_say() -> None:
    g = GraphBuilder()
    x = double(g, "x")
    y = loop(g, lambda y: g.Less(y, 100.0), lambda y: [y * y], [x])[0]
    for start in (1.5, 11.0, 200.0):
        check(g, y, {"x": start}, ["x"])


def test_of_what_a_body_replaces_and_of_what_it_trades() -> None:
    g = GraphBuilder()
    x, z = double(g, "x"), double(g, "z")
    _, a, b, c = loop(g, count_to(3, g), lambda i, a, b, c: [i + 1, b * c, a, g.Exp(c)], [0, x, z, x])
    check(g, a + b + c, {"x": 0.3, "z": 0.7}, ["x", "z"])


@pytest.mark.parametrize("n", [0, 5])
def test_of_a_conditional_in_a_loop(n: int) -> None:
    g = GraphBuilder()
    x, w = double(g, "x"), double(g, "w")

    def body(i: Tensor, y: Tensor, w: Tensor) -> list[Tensor]:
        odd = g.Equal(g.FloorMod(i, 2), 1)
        return [i + 1, choose(g, odd, y, lambda t: g.Sin(t) * g.Switch(w, odd)[1], lambda t: t * t)]

    _, y = loop(g, count_to(n, g), body, [0, x], [w])
    check(g, y * w, {"x": 1.2, "w": 0.8}, ["x", "w"])


@pytest.mark.parametrize("p", [True, False])
def test_of_a_loop_on_a_branch(p: bool) -> None:
    g = GraphBuilder()
    x, pred = double(g, "x"), g.placeholder("bool", [], name="p")

    def then(t: Tensor) -> Tensor:
        with g.control_dependencies([g.Identity(t)]):
            zero = g.constant(0)
        return loop(g, count_to(3, g), lambda i, y, t: [i + 1, g.Sin(y) * t], [zero, t], [t])[1]

    check(g, choose(g, pred, x, then, g.Exp), {"x": 1.2, "p": p}, ["x"])


@pytest.mark.parametrize("n", [0, 1, 4])
def test_of_a_loop_in_a_loop(n: int) -> None:
    g = GraphBuilder()
    x, w = double(g, "x"), double(g, "w")

    def body(i: Tensor, y: Tensor, w: Tensor) -> list[Tensor]:
        def inner(j: Tensor, z: Tensor, i: Tensor, y: Tensor, w: Tensor) -> list[Tensor]:
            return [j + 1, g.Sin(z) * w + y]

        zero = g.constant(0)
        _, z = loop(g, lambda j, z, i, *_: g.Less(j, i), inner, [zero, y * w], [i, y, w], "inner")
        return [i + 1, z * y]

    _, y = loop(g, count_to(n, g), body, [0, x], [w])
    check(g, y, {"x": 1.2, "w": 0.8}, ["x", "w"])


def test_of_a_loop_of_functions_in_a_loop() -> None:
    g = GraphBuilder()
    x, w = double(g, "x"), double(g, "w")

    def body(i: Tensor, y: Tensor, w: Tensor) -> list[Tensor]:
        _, z = g.while_loop(
            lambda b, j, z: b.Less(j, i), lambda b, j, z: [j + 1, b.Sin(z) * w], [g.constant(0), y]
        )
        return [i + 1, z * y]

    _, y = loop(g, count_to(4, g), body, [0, x], [w])
    check(g, y, {"x": 1.2, "w": 0.8}, ["x", "w"])


@pytest.mark.parametrize("n", [0, 4])
def test_of_rows_of_a_table_read_in_a_loop(n: int) -> None:
    g = GraphBuilder()
    table = double(g, "table", [5, 2])

    def body(i: Tensor, y: Tensor, table: Tensor) -> list[Tensor]:
        return [i + 1, y * g.GatherV2(table, g.FloorMod(i, 3), 0)]

    _, y = loop(g, count_to(n, g), body, [0, np.ones(2)], [table])
    made = differentiate(g.graph(), y.name, ["table"])
    values = np.arange(1.0, 11).reshape(5, 2)
    with tfg.Session(made) as session:
        rows, indices = session.run(["grad/table/values", "grad/table/indices"], {"table": values})
    assert sorted(indices) == sorted([0, 1, 2, 0][:n])
    assert rows.shape == (n, 2)
    total = np.zeros((5, 2))
    np.add.at(total, indices, rows)
    expected = np.zeros((5, 2))
    if n:
        product = values[0] ** 2 * values[1] * values[2]
        expected[:3] = product / values[:3] * np.array([[2], [1], [1]])
    np.testing.assert_allclose(total, expected)


def test_twice_in_one_graph() -> None:
    g = GraphBuilder()
    x = double(g, "x")
    _, y = loop(g, count_to(3, g), lambda i, y: [i + 1, y * y], [0, x])
    graph, names = gradients(g, y, [x])
    again = GraphBuilder(graph)
    graph, more = gradients(again, again.tensor(y.name), [again.tensor("x")])
    assert tfg.Session(graph).run([*names, *more], {"x": 1.5}) == [8 * 1.5**7] * 2


def test_memory_of_stacks_is_for_what_is_needed_alone() -> None:
    g = GraphBuilder()
    x, w = double(g, "x"), double(g, "w")
    _, y = loop(g, count_to(3, g), lambda i, y, w: [i + 1, y * w + 2.0], [0, x], [w])
    graph, _ = gradients(g, y, [x])
    assert sum(n.op == "StackV2" for n in graph.nodes) <= 1


def error_of(g: GraphBuilder, y: Tensor, x: Tensor) -> tfg.TfgError:
    with pytest.raises(tfg.TfgError) as caught:
        tfg.add_gradients(g, [y], [x])
    assert caught.value.status == "INVALID_ARGUMENT"
    return caught.value


def test_a_merge_of_anything_else_is_refused() -> None:
    g = GraphBuilder()
    x = double(g, "x")
    p, q = (g.placeholder("bool", [], name=n) for n in "pq")
    y = g.Merge([g.Switch(x, p)[0], g.Switch(x, q)[1]], name="odd")[0]
    error = error_of(g, y, x)
    assert error.node == "odd" and "branches of one predicate" in error.message


def test_a_loop_that_is_left_with_something_else_is_refused() -> None:
    g = GraphBuilder()
    x = double(g, "x")
    entered = g.Enter(x, frame_name="strange")
    merge = g.Merge([entered, entered])[0]
    more = g.LoopCond(
        g.Less(merge, g.Enter(g.constant(9.0, "double"), frame_name="strange", is_constant=True))
    )
    over, _ = g.Switch(merge * merge, more)
    again = g.Switch(merge, more)[1]
    repeat(g, merge, g.NextIteration(again * again))
    error = error_of(g, g.Exit(over, name="out"), x)
    assert error.node == "out" and "'strange'" in error.message


def test_gradients_inside_of_a_loop_are_refused() -> None:
    g = GraphBuilder()
    x = double(g, "x")
    seen: list[Tensor] = []

    def body(i: Tensor, y: Tensor) -> list[Tensor]:
        seen.append(g.Sin(y, name="within"))
        return [i + 1, seen[0]]

    _, y = loop(g, count_to(3, g), body, [0, x])
    assert "inside the loop 'loop'" in error_of(g, seen[0], x).message
    assert "inside the loop 'loop'" in error_of(g, y, seen[0]).message


def test_gradients_of_gradients_of_a_loop_are_refused() -> None:
    g = GraphBuilder()
    x = double(g, "x")
    _, y = loop(g, count_to(3, g), lambda i, y: [i + 1, g.Sin(y)], [0, x])
    (first,) = tfg.add_gradients(g, [y], [x])
    assert isinstance(first, Tensor)
    assert "has no gradient" in error_of(g, first, x).message
