"""Training steps added to a graph."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.graph import Graph
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.runtime.passes.optimizers.methods import METHODS
from tfg.runtime.passes.optimizers.minimize import minimize
from tfg.runtime.passes.optimizers.optimizer import parse_optimizer

from tests import reference

from .training import FEEDS, GOLDEN, INITIAL, RECORDED, STEPS, network, trained

KINDS = pytest.mark.parametrize("by_handle", [False, True], ids=["ref", "resource"])


@cache
def golden() -> dict[str, Any]:
    with np.load(GOLDEN, allow_pickle=False) as stored:
        return dict(stored)


@KINDS
@pytest.mark.parametrize("optimizer", RECORDED)
def test_training_agrees_with_tensorflow(optimizer: str, by_handle: bool) -> None:
    prefix = f"{optimizer}|{by_handle}|"
    expected = {key.removeprefix(prefix): value for key, value in golden().items() if key.startswith(prefix)}
    actual = trained(optimizer, by_handle=by_handle)
    assert set(actual) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, rtol=2e-5, atol=2e-6, err_msg=name)


def dense_steps(optimizer: str) -> dict[str, Any]:
    """The network's dense variables, trained by formulas from the literature, one step at a time."""
    rate, beta1, beta2, epsilon = 0.1, 0.9, 0.999, 1e-8
    values = {name: value.astype(np.float64) for name, value in INITIAL.items()}
    m = {name: 0 * value for name, value in values.items()}
    v, vhat = dict(m), dict(m)
    for step in range(1, STEPS + 1):
        for name, gradient in gradients_of(values).items():
            m[name] = beta1 * m[name] + (1 - beta1) * gradient
            if optimizer == "adamax":
                used = gradient.any(axis=1, keepdims=True) if name == "table" else True
                # Rows that are not looked up keep their slots.
                m[name] = np.where(used, m[name], (m[name] - (1 - beta1) * gradient) / beta1)
                v[name] = np.where(used, np.maximum(beta2 * v[name], abs(gradient)), v[name])
                change = rate / (1 - beta1**step) * m[name] / (v[name] + epsilon)
                values[name] = values[name] - np.where(used, change, 0)
            else:
                v[name] = beta2 * v[name] + (1 - beta2) * gradient**2
                vhat[name] = np.maximum(vhat[name], v[name])
                scale = rate * np.sqrt(1 - beta2**step) / (1 - beta1**step)
                values[name] = values[name] - scale * m[name] / (np.sqrt(vhat[name]) + epsilon)
    return values


def gradients_of(values: dict[str, Any]) -> dict[str, Any]:
    x, y = FEEDS["x"], FEEDS["y"].astype(np.float64)
    rows = values["table"][x]
    hidden = np.tanh(rows @ values["w"] + values["b"])
    error = 2 * (hidden @ values["v"] - y) / y.size
    inner = error @ values["v"].T * (1 - hidden**2)
    table = np.zeros_like(values["table"])
    np.add.at(table, x, inner @ values["w"].T)
    return {"table": table, "w": rows.T @ inner, "b": inner.sum(0), "v": hidden.T @ error}


@KINDS
@pytest.mark.parametrize("optimizer", ["adam:amsgrad=true,learning_rate=0.1", "adamax:learning_rate=0.1"])
def test_training_agrees_with_the_formula(optimizer: str, by_handle: bool) -> None:
    expected = dense_steps(optimizer.split(":")[0])
    actual = trained(optimizer, by_handle=by_handle)
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


@KINDS
@pytest.mark.parametrize("optimizer", METHODS)
def test_defaults_train(optimizer: str, by_handle: bool) -> None:
    losses = trained(optimizer, by_handle=by_handle)["losses"]
    assert losses[-1] < losses[0]


@KINDS
def test_slots_are_named_and_placed_like_tensorflows(by_handle: bool) -> None:
    graph = minimize(network(by_handle=by_handle), "loss", "adam")
    for name in INITIAL:
        for slot in (f"{name}/Adam", f"{name}/Adam_1"):
            assert graph[slot].op == graph[name].op
            assert graph[slot].attrs["_class"] == (f"loc:@{name}".encode(),)
    assert graph["beta1_power"].op == graph["w"].op
    assert graph["train"].op == graph["init"].op == "NoOp"


def test_only_what_is_wanted_is_trained() -> None:
    graph = minimize(network(by_handle=False), "loss", "momentum", ["[wv]"])
    assert {"w/Momentum", "v/Momentum"} <= set(graph.index)
    assert "b/Momentum" not in graph


def small(*, assigned: bool = True) -> GraphBuilder:
    g = GraphBuilder()
    w = g.VariableV2(dtype="float", shape=[2], name="w")
    if assigned:
        g.Assign(w, np.array([1, 2], np.float32), name="w/Assign")
    g.Mul(w, w, name="loss")
    return g


def test_own_initialiser_is_kept_and_does_more() -> None:
    g = small()
    other = g.VariableV2(dtype="int32", shape=[], name="other")
    with g.control_dependencies(["w/Assign"]):
        g.NoOp(name="init")
    g.Assign(other, np.int32(7), name="other/Assign")
    graph = minimize(g.graph(), "loss", "momentum")
    assert graph["init"].control_inputs[0] == "w/Assign"
    context = reference.Context()
    reference.run(graph, ["init"], {}, context)
    assert reference.run(graph, ["other", "w/Momentum"], {}, context)[0] == 7


def test_initial_value_is_the_first_that_follows_from_the_graph() -> None:
    g = small(assigned=False)
    w = g.tensor("w")
    g.Assign(w, g.Identity(w), name="from_itself")
    g.Assign(w, g.placeholder("float", [2], name="given"), name="from_feed")
    g.Assign(w, np.array([5, 6], np.float32), name="right")
    g.Assign(w, np.array([0, 0], np.float32), name="later")
    graph = minimize(g.graph(), "loss", "sgd")
    assert graph["init"].control_inputs == ["right"]


def fails(graph: Graph, *arguments: Any, **keywords: Any) -> TfgError:
    with pytest.raises(TfgError) as caught:
        minimize(graph, *arguments, **keywords)
    return caught.value


def test_errors_say_what_is_wrong() -> None:
    graph = small().graph()
    assert fails(graph, "los", "sgd").status is Status.NOT_FOUND
    assert fails(graph, "loss", "sgd", ["q*"]).status is Status.NOT_FOUND
    missing = fails(small(assigned=False).graph(), "loss", "sgd")
    assert "initial value" in missing.message and "'w'" in missing.message
    twice = fails(minimize(graph, "loss", "sgd"), "loss", "sgd")
    assert "train" in twice.message
    g = GraphBuilder()
    g.constant(np.float32(1), name="loss")
    assert "no floating variable" in fails(g.graph(), "loss", "sgd").message
    taken = small()
    taken.constant(np.float32(1), name="init")
    assert "'init'" in fails(taken.graph(), "loss", "sgd").message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("adm", "adam"),
        ("adam:learning_rat=1", "learning_rate"),
        ("adam:beta1", "NAME=VALUE"),
        ("adam:beta1=x", "not a number"),
        ("adam:amsgrad=maybe", "true or false"),
        ("sgd:momentum=0.9", "learning_rate"),
    ],
)
def test_wrong_optimizers(text: str, hint: str) -> None:
    with pytest.raises(TfgError) as caught:
        parse_optimizer(text)
    assert caught.value.status is Status.INVALID_ARGUMENT
    assert hint in f"{caught.value.message} {caught.value.hint}" or hint == "NAME=VALUE"


def test_parse() -> None:
    parsed = parse_optimizer("adam:lr=1e-3, beta1=0.5", epsilon=0.1)
    assert parsed.values == {
        "learning_rate": 1e-3,
        "beta1": 0.5,
        "beta2": 0.999,
        "epsilon": 0.1,
        "use_nesterov": False,
        "amsgrad": False,
    }


def test_unknown_shape() -> None:
    g = GraphBuilder()
    w = g.VarHandleOp(dtype="float", shape=None, shared_name="w", name="w")
    g.AssignVariableOp(w, np.array([1, 2], np.float32), name="w/Assign")
    value = g.ReadVariableOp(w, dtype="float")
    g.Mul(value, value, name="loss")
    graph = minimize(g.graph(), "loss", "momentum:learning_rate=0.5,momentum=0")
    context = reference.Context()
    reference.run(graph, ["init"], {}, context)
    reference.run(graph, ["train"], {}, context)
    np.testing.assert_array_equal(reference.run(graph, ["ReadVariableOp"], {}, context)[0], [0, 0])


def test_gradient_of_a_resource_gather_in_batches() -> None:
    """Row i of batch b is read from the table's row [b, i]."""
    g = GraphBuilder()
    w = g.VarHandleOp(dtype="float", shape=[2, 3, 2], shared_name="w", name="w")
    g.AssignVariableOp(w, np.arange(12, dtype=np.float32).reshape(2, 3, 2), name="w/Assign")
    rows = g.ResourceGather(w, np.array([[2, 2], [0, 1]], np.int32), dtype="float", batch_dims=1)
    g.Sum(rows, [0, 1, 2], name="loss")
    g.ReadVariableOp(w, dtype="float", name="read")
    graph = minimize(g.graph(), "loss", "sgd:learning_rate=1")
    context = reference.Context()
    reference.run(graph, ["init"], {}, context)
    before = reference.run(graph, ["read"], {}, context)[0].copy()
    reference.run(graph, ["train"], {}, context)
    change = before - reference.run(graph, ["read"], {}, context)[0]
    np.testing.assert_array_equal(change[..., 0], [[0, 0, 2], [1, 1, 0]])
