from __future__ import annotations

import numpy as np
import pytest
import tfg
from tfg.runtime.profiling.layer_summary import LayerSummary, summarize_layers


def layers(*, has_variable: bool) -> tfg.Graph:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 3], name="x")
    if has_variable:
        w = g.VariableV2(shape=[3, 5], dtype="float", name="dense/w")
        g.Assign(w, np.ones((3, 5), np.float32), name="dense/init")
    else:
        w = g.constant(np.ones((3, 5), np.float32), name="dense/w")
    product = g.MatMul(x, w, name="dense/inner/product")
    g.Relu(product, name="dense")
    return g.graph()


def by_name(graph: tfg.Graph, batch: int) -> dict[str, LayerSummary]:
    return {layer.name: layer for layer in summarize_layers(graph, batch)}


@pytest.mark.parametrize("has_variable", [True, False])
def test_scopes_add_up_their_nodes(has_variable: bool) -> None:
    found = by_name(layers(has_variable=has_variable), 2)
    assert found["dense/inner"].flops == 2 * 2 * 3 * 5
    assert found["dense/inner"].activation_bytes == 2 * 5 * 4
    assert found["dense"].parameters == found["total"].parameters == 15
    # The result of the scope, which has its name, is a part of it.
    assert found["dense"].activation_bytes == 2 * (2 * 5 * 4)
    assert found["/"].nodes + found["dense"].nodes == found["total"].nodes


def test_open_dimensions_are_the_batch() -> None:
    one, many = (by_name(layers(has_variable=False), batch)["total"] for batch in (1, 10))
    assert many.flops == 10 * one.flops
    assert many.parameters == one.parameters


def test_a_graph_without_nodes_has_a_total() -> None:
    assert summarize_layers(tfg.Graph()) == [LayerSummary("total", 0, 0, 0, 0)]
