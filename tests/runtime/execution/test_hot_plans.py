"""Steps that run often: their plans are replaced by compiled ones, which compute the same bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.runtime.execution import hot_plans
from tfg.runtime.execution.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

pytest.importorskip("llvmlite")

STEPS = hot_plans.HOT_STEPS + 2


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_plans, "HOT_SECONDS", 0)


def _runs(graph: Any, fetches: list[str], feeds: dict[str, Any], *, compile: bool) -> tuple[list[Any], int]:
    """The fetches of a step that has been run often, and the number of loops compiled for it."""
    with Session(graph, compile=compile) as session:
        values: list[Any] = []
        for _ in range(STEPS):
            values = session.run(fetches, feeds)
        hot = session._hot
        if hot is None:
            return values, 0
        hot.wait()
        return session.run(fetches, feeds), hot.compiled_loops


def _compare(build: Callable[[GraphBuilder, Any], list[Any]], shape: tuple[int, ...], loops: int) -> None:
    g = GraphBuilder()
    fetches = [tensor.name for tensor in build(g, g.Placeholder(dtype="float", name="x"))]
    feeds = {"x": np.random.default_rng(0).standard_normal(shape).astype("f4")}
    wanted, none = _runs(g.graph(), fetches, feeds, compile=False)
    found, count = _runs(g.graph(), fetches, feeds, compile=True)
    assert (none, count) == (0, loops)
    for a, b in zip(found, wanted):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_a_chain_is_one_loop() -> None:
    def build(g: GraphBuilder, x: Any) -> list[Any]:
        y = x
        for _ in range(5):
            y = g.Relu(y * g.constant(np.float32(1.5)) - x)
        return [y]

    _compare(build, (100, 100), 1)


def test_fetches_inside_a_chain_are_outputs() -> None:
    def build(g: GraphBuilder, x: Any) -> list[Any]:
        a = x + x
        b = g.Square(a)
        return [b - a, a, g.Greater(b, a)]

    _compare(build, (100, 100), 1)


def test_broadcast_and_bias() -> None:
    def build(g: GraphBuilder, x: Any) -> list[Any]:
        bias = g.constant(np.arange(100, dtype="f4"))
        column = g.constant(np.arange(100, dtype="f4")[:, None])
        return [g.Relu6(g.BiasAdd(x, bias)) * column]

    _compare(build, (100, 100), 1)


def test_a_call_between_splits_a_chain() -> None:
    def build(g: GraphBuilder, x: Any) -> list[Any]:
        a = g.Relu(x + x)
        product = g.MatMul(a, a)
        return [g.Square(product - a) * a]

    _compare(build, (100, 100), 2)


def test_groups_that_depend_on_each_other_stay_apart() -> None:
    def build(g: GraphBuilder, x: Any) -> list[Any]:
        first = x + x
        product = g.MatMul(first, x)
        other = g.Square(product)
        both = other * first
        return [g.Relu(both), g.Maximum(first, g.Abs(first))]

    _compare(build, (100, 100), 2)


def test_small_arrays_are_left_alone() -> None:
    _compare(lambda g, x: [g.Relu(x + x) * x], (10, 10), 0)


def test_functions_of_numpy_are_called_between_loops() -> None:
    def build(g: GraphBuilder, x: Any) -> list[Any]:
        y = g.Sigmoid(x + x) * g.Tanh(x)
        return [g.TanhGrad(y, g.Softplus(y)), g.Elu(y)]

    # Loops up to each of three levels of functions, and that of the outputs.
    _compare(build, (100, 100), 1)


def test_powers_are_left_alone() -> None:
    _compare(lambda g, x: [g.Pow(x + x, g.constant(np.float32(1.5))) * x], (100, 100), 0)


def test_each_shape_has_its_plan_up_to_a_bound() -> None:
    g = GraphBuilder()
    x = g.Placeholder(dtype="float", name="x")
    y = (g.Relu(x + x) * x).name
    with Session(g.graph()) as session:
        for rows in range(100, 110):
            value = np.full((rows, 100), 2, "f4")
            for _ in range(STEPS):
                np.testing.assert_array_equal(session.run([y], {"x": value})[0], value * 4)
        hot = session._hot
        assert hot is not None
        hot.wait()
        assert hot.compiled_loops == 4
        value = np.full((103, 100), 3, "f4")
        np.testing.assert_array_equal(session.run([y], {"x": value})[0], value * 6)


@pytest.mark.parametrize("seed", range(8))
def test_random_graphs(seed: int) -> None:
    random = np.random.default_rng(seed)
    g = GraphBuilder()
    x = g.Placeholder(dtype="float", name="x")
    values = [x, g.constant(random.standard_normal((100, 1)).astype("f4"))]
    for _ in range(40):
        a, b = (values[i] for i in random.integers(0, len(values), 2))
        kind = random.integers(0, 8)
        if kind == 0:
            values.append(g.MatMul(x, g.Tanh(a + x)))
        elif kind == 1:
            values.append(g.Sum(g.Sigmoid(a), g.constant(np.int32(1)), keep_dims=True))
        else:
            name = ("AddV2", "Sub", "Mul", "Maximum", "SquaredDifference", "Minimum")[kind - 2]
            values.append(getattr(g, name)(g.Tanh(a), b))
    fetches = [values[i].name for i in random.integers(20, len(values), 3)]
    feeds = {"x": np.random.default_rng(0).standard_normal((100, 100)).astype("f4")}
    wanted, _ = _runs(g.graph(), fetches, feeds, compile=False)
    found, count = _runs(g.graph(), fetches, feeds, compile=True)
    assert count
    for a, b in zip(found, wanted):
        np.testing.assert_array_equal(a, b)


def test_a_watched_step_shows_every_node() -> None:
    g = GraphBuilder()
    x = g.Placeholder(dtype="float", name="x")
    y = (g.Relu(x + x) * x).name
    value = {"x": np.ones((100, 100), "f4")}
    with Session(g.graph()) as session:
        for _ in range(STEPS):
            session.run([y], value)
        seen: list[str] = []
        session.run([y], value, watch=lambda node, *_: seen.append(node.op))
        assert {"AddV2", "Relu", "Mul"} <= set(seen)


def test_reads_stay_before_changes() -> None:
    g = GraphBuilder()
    handle = g.VarHandleOp(dtype="float", shape=(100, 100), shared_name="v", name="v")
    before = g.ReadVariableOp(handle, dtype="float")
    with g.control_dependencies([before]):
        change = g.AssignAddVariableOp(handle, g.constant(np.ones((100, 100), "f4")))
    with g.control_dependencies([change]):
        after = g.ReadVariableOp(handle, dtype="float")
    result = g.Square(after - before) * after
    init = g.AssignVariableOp(handle, g.constant(np.zeros((100, 100), "f4")))
    with Session(g.graph()) as session:
        session.run(targets=[init if isinstance(init, str) else init.name])
        for number in range(STEPS + 3):
            if number == STEPS and session._hot is not None:
                session._hot.wait()
            found = session.run([result.name])[0]
            np.testing.assert_array_equal(found, np.full((100, 100), number + 1, "f4"))
