"""A session that goes on from a checkpoint does, bit for bit, what the one that wrote it goes on to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tfg.graphfmt.graph import Graph
from tfg.graphfmt.load import load
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.runtime.execution.session import Session
from tfg.runtime.passes.optimizers.minimize import minimize

SAMPLES = Path(__file__).parents[2] / "samples"
Feeds = Callable[[int], dict[str, Any]]


def random_net(seed: int) -> tuple[Graph, Feeds]:
    """Random initial weights, dropout and a random permutation in every step; without a seed (0) each session
    throws its own dice."""
    g = GraphBuilder()
    x = g.placeholder("float", [None, 8], name="x")
    first = g.TruncatedNormal([8, 8], dtype="float", seed=seed, seed2=seed)
    w = g.VariableV2(dtype="float", shape=[8, 8], name="w")
    g.Assign(w, first)
    handle = g.VarHandleOp(dtype="float", shape=[8, 2], shared_name="v", name="v")
    g.AssignVariableOp(handle, g.RandomStandardNormal([8, 2], dtype="float", seed=seed, seed2=seed + 1))
    rows = g.RandomShuffle(x, seed=seed, seed2=seed + 2)
    noise = g.RandomUniform(g.Shape(rows), dtype="float", seed=seed, seed2=seed + 3, name="noise")
    kept = rows * g.cast(g.Less(noise, 0.7), g.tensor("x").dtype)
    hidden = g.Tanh(g.MatMul(kept, w))
    out = g.MatMul(hidden, g.ReadVariableOp(handle, dtype="float"))
    g.Mean(g.Square(out), g.constant([0, 1]), name="loss")

    def feeds(step: int) -> dict[str, Any]:
        return {"x": np.random.default_rng(step).normal(size=(16, 8)).astype("f")}

    return g.graph(), feeds


def digits(name: str) -> tuple[Graph, Feeds]:
    with np.load(SAMPLES / "digits" / "digits.npz") as file:
        x, y = file["x_train"], file["y_train"]

    def feeds(step: int) -> dict[str, Any]:
        rows = slice(step * 8, step * 8 + 8)
        return {"x": x[rows], "y": y[rows]}

    return load(SAMPLES / "digits" / name), feeds


def language() -> tuple[Graph, Feeds]:
    graph = load(SAMPLES / "rnn" / "lm.pbtxt")

    def feeds(step: int) -> dict[str, Any]:
        rng = np.random.default_rng(step)
        return {n: rng.integers(0, 20, (2, 6)).astype(np.int32) for n in ("x", "y")}

    return graph, feeds


CASES: dict[str, Callable[[], tuple[Graph, Feeds]]] = {
    "mlp": lambda: digits("mlp.pbtxt"),
    "conv": lambda: digits("conv.pbtxt"),
    "language": language,
    "random, seeded": lambda: random_net(7),
    "random, unseeded": lambda: random_net(0),
}


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
@pytest.mark.parametrize("case", CASES)
def test_the_rest_of_a_run_is_the_same(case: str, optimizer: str, tmp_path: Path) -> None:
    graph, feeds = CASES[case]()
    train = minimize(graph, "loss", optimizer)

    def go_on(session: Session) -> list[bytes]:
        found: list[bytes] = []
        for step in range(3, 6):
            (loss,) = session.run(["loss"], feeds(step), ["train"])
            found.append(loss.tobytes())
        return found

    with Session(train) as first:
        first.run(targets=["init"])
        for step in range(3):
            first.run(targets=["train"], feeds=feeds(step))
        first.save(tmp_path / "c.h5")
        expected = go_on(first)
        first.save(tmp_path / "first.h5")
    with Session(train) as second:
        second.restore(tmp_path / "c.h5")
        assert go_on(second) == expected
        second.save(tmp_path / "second.h5")
    assert (tmp_path / "first.h5").read_bytes() == (tmp_path / "second.h5").read_bytes()
