"""Replicas of a loss: together they compute what the one did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.graph import Graph
from tfg.graphfmt.load import load
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.runtime.execution.session import Session
from tfg.runtime.passes.optimizers.minimize import minimize, minimize_each
from tfg.runtime.passes.optimizers.replicas import replicate

DEVICES = ["/device:CPU:0", "/device:CPU:1", "/device:CPU:2"]


def regression(*, by_handle: bool = False, keep: float = 1.0) -> Graph:
    """A mean squared error, with dropout where less than all is kept."""
    g = GraphBuilder()
    x = g.placeholder("float", [None, 3], name="x")
    y = g.placeholder("float", [None, 1], name="y")
    start = g.constant([[0.5], [-0.25], [1.0]], "float")
    if by_handle:
        w = g.VarHandleOp(dtype="float", shape=[3, 1], shared_name="w", name="w")
        g.AssignVariableOp(w, start, name="w/Assign")
        value = g.ReadVariableOp(w, dtype="float", name="w/read")
    else:
        value = g.VariableV2(dtype="float", shape=[3, 1], name="w")
        g.Assign(value, start, name="w/Assign")
    if keep < 1:
        noise = g.RandomUniform(g.Shape(x), dtype="float", seed=3, seed2=5, name="noise")
        x = x * g.cast(g.Less(noise, keep), g.tensor("x").dtype)
    error = g.MatMul(x, value, name="product") - y
    squared = g.Square(error, name="squared")
    g.Mean(squared, g.constant([0, 1]), name="loss")
    return g.graph()


def data(rows: int) -> dict[str, Any]:
    rng = np.random.default_rng(rows)
    return {"x": rng.normal(size=(rows, 3)).astype("f"), "y": rng.normal(size=(rows, 1)).astype("f")}


def trained(graph: Graph, feeds: dict[str, Any], loss: str, target: str = "train") -> tuple[Any, Any]:
    """The loss before, and the variable after three steps."""
    read = "w/read" if "w/read" in graph else "w"
    with Session(graph) as session:
        session.run(targets=["init"])
        (first,) = session.run([loss], feeds)
        for _ in range(3):
            session.run(targets=[target], feeds=feeds)
        return first, session.run([read])[0]


@pytest.mark.parametrize("by_handle", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 7, 30])
def test_the_loss_and_the_step_are_those_of_the_whole_batch(rows: int, by_handle: bool) -> None:
    graph = regression(by_handle=by_handle)
    made = replicate(graph, "loss", DEVICES)
    assert made.loss is not None
    feeds = data(rows)
    one = trained(minimize(graph, "loss", "momentum", learning_rate=0.1), feeds, "loss")
    many = trained(minimize(made.graph, made.loss, "momentum", learning_rate=0.1), feeds, made.loss)
    for a, b in zip(one, many):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)


def test_each_replica_and_its_gradients_are_on_its_device() -> None:
    made = replicate(regression(), "loss", DEVICES[:2])
    assert made.loss is not None
    graph = minimize(made.graph, made.loss, "sgd")
    assert graph["w"].device == graph["replicas/loss"].device == DEVICES[0]
    for number in range(2):
        assert graph[f"replica_{number}/product"].device == DEVICES[number]
        assert any(
            node.op == "MatMul" and node.device == DEVICES[number] and node.name.startswith("gradients")
            for node in graph.nodes
        )


def test_replicas_throw_dice_of_their_own() -> None:
    made = replicate(regression(keep=0.5), "loss", DEVICES[:2])
    with Session(made.graph) as session:
        a, b = session.run(["replica_0/noise", "replica_1/noise"], data(40))
    assert a.shape == b.shape == (20, 3)
    assert not np.array_equal(a, b)


def test_asynchronous_replicas_make_whole_steps_on_shared_slots() -> None:
    made = replicate(regression(), "loss", DEVICES[:2], split=False)
    graph = minimize_each(made.graph, {"a": made.losses[0], "b": made.losses[1]}, "adam")
    assert sum(node.op == "VariableV2" for node in graph.nodes) == 5
    feeds = data(6)
    single = trained(minimize(regression(), "loss", "adam"), feeds, "loss")
    for target in ("a", "b"):
        np.testing.assert_array_equal(trained(graph, feeds, "loss", target)[1], single[1])


def test_a_sample_learns_as_well_with_two_replicas() -> None:
    digits = Path(__file__).parents[4] / "samples" / "digits"
    graph = load(digits / "mlp.pbtxt")
    made = replicate(graph, "loss", DEVICES[:2])
    assert made.loss is not None
    with np.load(digits / "digits.npz") as file:
        feeds = {"x": file["x_train"][:200], "y": file["y_train"][:200]}
    losses: list[Any] = []
    for train, loss in ((graph, "loss"), (made.graph, made.loss)):
        with Session(minimize(train, loss, "momentum", learning_rate=0.1)) as session:
            session.run(targets=["init"])
            for _ in range(20):
                session.run(targets=["train"], feeds=feeds)
            losses.append(session.run([loss], feeds)[0])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)


def refused(build: Any, message: str) -> None:
    g = GraphBuilder()
    x = g.placeholder("float", [None], name="x")
    build(g, x)
    with pytest.raises(TfgError, match=message):
        replicate(g.graph(), "loss", DEVICES)


def test_what_cannot_be_replicated() -> None:
    refused(lambda g, x: g.Square(x, name="loss"), "must be a scalar")
    refused(lambda g, x: g.Sum(g.constant([1.0]), [0], name="loss"), "no rows to share out")

    def counted(g: GraphBuilder, x: Any) -> None:
        v = g.VariableV2(dtype="float", shape=[], name="v")
        g.Identity(g.AssignAdd(v, g.Sum(x, [0])), name="loss")

    refused(counted, "each replica would change 'v'")

    def chosen(g: GraphBuilder, x: Any) -> None:
        total = g.Sum(x, [0])
        _, taken = g.Switch(total, g.Less(total, 1.0))
        g.Identity(taken, name="loss")

    refused(chosen, "through control flow")


def test_the_same_graph_is_not_replicated_twice() -> None:
    made = replicate(regression(), "loss", DEVICES[:2])
    with pytest.raises(TfgError, match="already"):
        replicate(made.graph, "loss", DEVICES[:2])
