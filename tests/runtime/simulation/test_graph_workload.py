"""What a worker's graph computes, fetches and sends."""

from __future__ import annotations

import numpy as np
import pytest
import tfg
from tfg.graphfmt.graph import Graph
from tfg.runtime.passes.optimizers.minimize import minimize
from tfg.runtime.passes.optimizers.optimizer import parse_optimizer
from tfg.runtime.passes.placement.machine.machine import parse_devices
from tfg.runtime.simulation.graph_workload import workload_of

ONE = parse_devices("cpu:1")


def regression(*, resource: bool) -> Graph:
    """A linear model of 1000 weights, and 10 that nothing reads."""
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 1000], name="x")
    if resource:
        handle = g.VarHandleOp(dtype="float", shape=[1000, 1], name="w")
        g.AssignVariableOp(handle, np.zeros((1000, 1), np.float32), name="zero")
        weights = g.ReadVariableOp(handle, dtype="float")
    else:
        weights = g.VariableV2(shape=[1000, 1], dtype="float", name="w")
        g.Assign(weights, np.zeros((1000, 1), np.float32), name="zero")
    g.VariableV2(shape=[10], dtype="float", name="other")
    g.Mean(g.Square(g.MatMul(x, weights)), [0, 1], name="loss")
    return g.graph()


@pytest.mark.parametrize("resource", [False, True])
def test_reading_fetches_and_training_sends(resource: bool) -> None:
    graph = regression(resource=resource)
    forward = workload_of(graph, ["loss"], ONE, batch=8)
    assert (forward.fetched, forward.pushed, forward.items) == (4000, 0, 8)
    trained = minimize(graph, "loss", parse_optimizer("adam"))
    training = workload_of(trained, ["train"], ONE, batch=8)
    # The moments of Adam stay on the servers; its two powers are read and updated by the step.
    assert (training.fetched, training.pushed) == (4008, 4008)
    assert training.compute > forward.compute > 0


def test_a_larger_batch_computes_longer() -> None:
    graph = regression(resource=True)
    small, large = (workload_of(graph, ["loss:0"], ONE, batch=n) for n in (1, 1000))
    assert large.compute > 10 * small.compute


def test_measured_costs_replace_estimates() -> None:
    graph = regression(resource=True)
    costs = {node.name: 0.5 if node.op == "MatMul" else 0.0 for node in graph.nodes}
    assert workload_of(graph, ["loss"], ONE, costs=costs).compute == pytest.approx(0.5, rel=0.01)
