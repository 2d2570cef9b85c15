"""Where values are while a GPU computes: copied once where they must be, and waited for only then."""

from __future__ import annotations

from threading import Thread
from typing import Any

import numpy as np
import tfg
from tfg.graphfmt.graph import Graph
from tfg.kernels.builder.graph_builder import GraphBuilder

from ..fake_gpu import cupy as fake
from ..runtime.plan.control_flow.test_control_flow import doubling_loop
from .test_sessions import GPU, on_gpu, session_on


def counted(g: GraphBuilder, fetches: list[str], feeds: dict[str, Any]) -> tuple[list[Any], int, int]:
    """A second step's values, how often the host waited in it, and how often something went to the device."""
    with session_on(on_gpu(g.graph()), fake) as session:
        session.run(fetches, feeds)
        waits, uploads = fake.synchronisations, fake.uploads
        found = session.run(fetches, feeds)
        return found, fake.synchronisations - waits, fake.uploads - uploads


def test_shapes_are_computed_with_on_the_host() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 4], name="x")
    rows = g.StridedSlice(g.Shape(x), [0], [1], [1], shrink_axis_mask=1)
    g.Reshape(x, g.Pack([g.Mul(rows, 2), g.constant(2)]), name="y")
    (y,), waits, uploads = counted(g, ["y"], {"x": np.ones((50, 4))})
    assert y.shape == (100, 2)
    assert (waits, uploads) == (1, 1)


def test_a_size_that_the_device_computes_is_waited_for() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("int32", [None], name="x")
    g.Fill(g.Reshape(g.Max(x, 0), [1]), 1.0, name="y")
    (y,), waits, _ = counted(g, ["y"], {"x": np.arange(100)})
    assert y.shape == (99,)
    assert waits == 2


def test_a_large_constant_is_copied_once_and_a_large_feed_once_a_step() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None], name="x")
    y = g.Mul(g.Sub(x, np.arange(1000, dtype=np.float32)), x)
    g.AddV2(y, x, name="z")
    (z,), waits, uploads = counted(g, ["z"], {"x": np.full(1000, 2.0)})
    np.testing.assert_array_equal(z, (2 - np.arange(1000, dtype=np.float32)) * 2 + 2)
    assert (waits, uploads) == (1, 1)


def test_loops_over_small_numbers_stay_on_the_host() -> None:
    graph = on_gpu(Graph(tuple(doubling_loop())))
    assert {node.device for node in graph.nodes} == {GPU}
    with session_on(graph, fake) as session:
        waits, uploads = fake.synchronisations, fake.uploads
        (found,) = session.run(["out"], {"x": 3, "limit": 100})
    assert found == 192
    assert (fake.synchronisations - waits, fake.uploads - uploads) == (0, 0)


def test_several_threads_train_one_variable(xp: Any) -> None:
    g = tfg.GraphBuilder()
    v = g.VarHandleOp(shape=[100], dtype="float", name="v")
    g.group(g.AssignVariableOp(v, g.Fill([100], 0.0)), name="init")
    g.AssignAddVariableOp(v, g.Fill([100], 1.0), name="more")
    g.Identity(g.ReadVariableOp(v, dtype="float"), name="value")
    with session_on(on_gpu(g.graph()), xp) as session:
        session.run(targets=["init"])
        threads = [
            Thread(target=lambda: [session.run(["value"], targets=["more"]) for _ in range(25)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (found,) = session.run(["value"])
    assert found.tolist() == [100.0] * 100
