"""Scopes that ask for devices."""

from __future__ import annotations

import pytest
from tfg.graphfmt.errors import Status, TfgError
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.runtime.passes.optimizers.minimize import minimize
from tfg.runtime.passes.placement.constraints.pins import parse_pin, pin

ONE, TWO = "/device:CPU:0", "/device:CPU:1"


def towers() -> GraphBuilder:
    g = GraphBuilder()
    x = g.placeholder("float", [None, 2], name="x")
    sides = []
    for side in ("left", "right"):
        with g.name_scope(side):
            w = g.VariableV2(shape=[2, 1], dtype="float", name="w")
            g.Assign(w, g.constant([[1.0], [2.0]]), name="w/Assign")
            sides.append(g.MatMul(x, w, name="product"))
    g.Mean(g.Square(sides[0] * sides[1]), [0, 1], name="loss")
    return g


def test_scopes_their_gradients_and_their_slots_go_where_they_are_told() -> None:
    graph = pin(towers().graph(), [("left/*", ONE), ("right/*", TWO)])
    train = minimize(graph, "loss", "momentum")
    assert train["x"].device == train["loss"].device == ""
    for side, device in (("left", ONE), ("right", TWO)):
        assert train[f"{side}/product"].device == train[f"{side}/w/Momentum"].device == device
        updates = [n for n in train.nodes if n.op == "ApplyMomentum" and f"{side}/w" in n.inputs]
        assert [node.device for node in updates] == [device]
    assert {n.device for n in train.nodes if n.op == "MatMul"} == {ONE, TWO}


def test_the_last_of_several_globs_counts() -> None:
    graph = pin(towers().graph(), [("*", ONE), ("right/product", TWO)])
    assert {node.name for node in graph.nodes if node.device == TWO} == {"right/product"}


def test_a_glob_that_matches_nothing() -> None:
    with pytest.raises(TfgError) as caught:
        pin(towers().graph(), [("middle/*", ONE)])
    assert caught.value.status == Status.NOT_FOUND


@pytest.mark.parametrize("text", ["", "left/*", "=/cpu:0", "left/*=", "left/*=/nowhere:0:1:2"])
def test_what_is_no_pin(text: str) -> None:
    with pytest.raises(TfgError) as caught:
        parse_pin(text)
    assert caught.value.status == Status.INVALID_ARGUMENT
