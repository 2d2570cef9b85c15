from __future__ import annotations

import numpy as np
import pytest
import tfg
from tfg.runtime.execution.trace import StepTrace
from tfg.runtime.profiling.profile import Profile, ProfileEntry, profile, scopes


def traced(graph: tfg.Graph, fetches: list[str], feeds: dict[str, object], init: str = "") -> StepTrace:
    trace = StepTrace()
    with tfg.Session(graph) as session:
        if init:
            session.run(targets=[init])
        for _ in range(2):
            session.run(fetches, feeds, observer=trace.observe)
    return trace


def entry(found: Profile, name: str) -> ProfileEntry:
    everything = (*found.operations, *found.nodes, *found.scopes)
    return next(entry for entry in everything if entry.name == name)


def test_a_product_of_a_variable_counts_its_operations_and_bytes() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 5], name="x")
    w = g.VariableV2(shape=[7, 5], dtype="float", name="layer/w")
    g.Assign(w, np.ones((7, 5), np.float32), name="init")
    product = g.MatMul(x, w, transpose_b=True, name="layer/inner/product")
    g.Relu(product, name="y")
    found = profile(traced(g.graph(), ["y"], {"x": np.ones((3, 5), np.float32)}, "init").events)
    product_entry = entry(found, "layer/inner/product")
    assert product_entry.calls == 2
    assert product_entry.flops == 2 * (2 * 3 * 5 * 7)
    assert product_entry.bytes == 2 * 4 * (3 * 5 + 7 * 5 + 3 * 7)
    assert product_entry.memory == 4 * 3 * 7
    assert found.node_ops["layer/inner/product"] == "MatMul"
    assert entry(found, "layer/inner").flops == product_entry.flops
    assert entry(found, "layer").calls >= entry(found, "layer/inner").calls == 2
    assert found.peak >= 4 * 3 * 7
    assert found.nanoseconds == sum(one.nanoseconds for one in found.operations)


def test_scopes_count_the_calls_of_every_step() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [4], name="x")
    y = g.Add(g.Mul(x, x, name="a/m"), x, name="a/s")
    g.Identity(y, name="out")
    found = profile(traced(g.graph(), ["out"], {"x": np.ones(4, np.float32)}).events)
    assert entry(found, "a").calls == 4
    assert entry(found, "Mul").flops == 2 * 4


@pytest.mark.parametrize(("name", "expected"), [("a", ["/"]), ("a/b", ["a"]), ("a/b/c", ["a", "a/b"])])
def test_scopes_of_a_node(name: str, expected: list[str]) -> None:
    assert scopes(name) == expected


def test_a_trace_without_events_has_an_empty_profile() -> None:
    assert profile([]) == Profile([], [], [], 0, 0, {})
