"""A small network to train, for tests of optimizers: a table of embeddings, and two layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tfg.graphfmt.graph import Graph
from tfg.kernels.builder.graph_builder import GraphBuilder, Tensor
from tfg.runtime.passes.optimizers.minimize import minimize

from tests import reference

GOLDEN = Path(__file__).parent / "golden" / "optimizers.npz"
STEPS = 4


def _values(seed: int, *shape: int) -> Any:
    return np.random.RandomState(seed).uniform(-1, 1, shape).astype(np.float32)


INITIAL = {"table": _values(0, 6, 4), "w": _values(1, 4, 5), "b": _values(2, 5), "v": _values(3, 5, 3)}
# Row 1 is used twice in a step, rows 2, 3 and 5 never.
FEEDS = {"x": np.array([1, 4, 1, 0], np.int32), "y": _values(7, 4, 3)}

# Optimizers and hyperparameters of which TensorFlow's results are recorded, by the name of its class.
RECORDED = {
    "sgd:learning_rate=0.1": ("GradientDescentOptimizer", {"learning_rate": 0.1}),
    "momentum:learning_rate=0.1,momentum=0.8": ("MomentumOptimizer", {"learning_rate": 0.1, "momentum": 0.8}),
    "nesterov:learning_rate=0.1,momentum=0.8": (
        "MomentumOptimizer",
        {"learning_rate": 0.1, "momentum": 0.8, "use_nesterov": True},
    ),
    "adagrad:learning_rate=0.1": ("AdagradOptimizer", {"learning_rate": 0.1}),
    "adadelta:learning_rate=0.5": ("AdadeltaOptimizer", {"learning_rate": 0.5}),
    "adadelta": ("AdadeltaOptimizer", {}),
    "rmsprop:learning_rate=0.1": ("RMSPropOptimizer", {"learning_rate": 0.1}),
    "rmsprop:learning_rate=0.1,momentum=0.5,decay=0.8,centered=true,epsilon=1e-3": (
        "RMSPropOptimizer",
        {"learning_rate": 0.1, "momentum": 0.5, "decay": 0.8, "centered": True, "epsilon": 1e-3},
    ),
    "adam": ("AdamOptimizer", {}),
    "adam:learning_rate=0.1,beta1=0.8,beta2=0.9,epsilon=1e-3": (
        "AdamOptimizer",
        {"learning_rate": 0.1, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3},
    ),
    "ftrl:learning_rate=0.1": ("FtrlOptimizer", {"learning_rate": 0.1}),
    "ftrl:learning_rate=0.1,l1_regularization_strength=0.01,l2_regularization_strength=0.1": (
        "FtrlOptimizer",
        {"learning_rate": 0.1, "l1_regularization_strength": 0.01, "l2_regularization_strength": 0.1},
    ),
    "ftrl:learning_rate=0.1,l2_shrinkage_regularization_strength=0.1": (
        "FtrlOptimizer",
        {"learning_rate": 0.1, "l2_shrinkage_regularization_strength": 0.1},
    ),
}


def network(*, by_handle: bool) -> Graph:
    """The network with its loss, in variables of one kind."""
    g = GraphBuilder()
    x = g.placeholder("int32", [None], name="x")
    y = g.placeholder("float", [None, 3], name="y")
    tensors: dict[str, Tensor] = {}
    values: dict[str, Tensor] = {}
    for name, initial in INITIAL.items():
        if by_handle:
            tensor = g.VarHandleOp(dtype="float", shape=initial.shape, shared_name=name, name=name)
            g.AssignVariableOp(tensor, initial, name=f"{name}/Assign")
            value = g.ReadVariableOp(tensor, dtype="float", name=f"{name}/read")
        else:
            tensor = g.VariableV2(dtype="float", shape=initial.shape, name=name)
            g.Assign(tensor, initial, name=f"{name}/Assign")
            value = g.Identity(tensor, name=f"{name}/read")
        tensors[name], values[name] = tensor, value
    if by_handle:
        rows = g.ResourceGather(tensors["table"], x, dtype="float", name="rows")
    else:
        rows = g.GatherV2(values["table"], x, g.constant(0), name="rows")
    hidden = g.Tanh(g.BiasAdd(g.MatMul(rows, values["w"]), values["b"]))
    error = g.MatMul(hidden, values["v"]) - y
    g.Mean(g.Mul(error, error), [0, 1], name="loss")
    return g.graph()


def trained(optimizer: str, *, by_handle: bool, steps: int = STEPS) -> dict[str, Any]:
    """Every variable's value after some steps, and ``losses``."""
    graph = minimize(network(by_handle=by_handle), "loss", optimizer)
    context = reference.Context()
    reference.run(graph, ["init"], {}, context)
    losses: list[Any] = []
    for _ in range(steps):
        losses.append(reference.run(graph, ["loss", "train"], FEEDS, context)[0])
        context.step_id += 1
    values = {name: resource.read() for (_, name, _), resource in context.resources.items()}
    return {**values, "losses": np.array(losses)}
