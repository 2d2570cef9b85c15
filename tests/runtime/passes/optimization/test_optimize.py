"""Optimized graphs: the same results from fewer nodes."""

from __future__ import annotations

import numpy as np
import pytest
import tfg
from tfg.graphfmt.errors import TfgError
from tfg.runtime.execution.session import Session
from tfg.runtime.passes.optimization.optimize import optimize
from tfg.runtime.passes.optimization.step_passes import optimize_step
from tfg.runtime.passes.prune import StepSignature, prune

from ...programs import Program

X = np.array([[1.5, -0.0, np.nan], [np.inf, -2.0, 1e-40]], np.float32)


def optimized(g: tfg.GraphBuilder, *keep: str, purpose: str = "inference") -> tfg.Graph:
    """The optimized graph, whose kept values are those of the original."""
    before = g.graph()
    after = optimize(before, keep, purpose=purpose).graph
    feeds = {"x": X}
    expected = Session(before, optimize=False).run(keep, feeds)
    for name, want, got in zip(keep, expected, Session(after, optimize=False).run(keep, feeds)):
        assert want.dtype == got.dtype, name
        assert want.tobytes() == got.tobytes(), name
    return after


def ops(graph: tfg.Graph) -> list[str]:
    return sorted(node.op for node in graph.nodes if node.op not in ("Const", "Placeholder"))


def start() -> tuple[tfg.GraphBuilder, tfg.Tensor]:
    g = tfg.GraphBuilder()
    return g, g.placeholder("float", [2, 3], name="x")


def test_equal_nodes_are_merged_in_either_order_of_a_commutative_operation() -> None:
    g, x = start()
    a, b = g.Exp(x), g.Exp(x)
    g.Sub(g.AddV2(a, x), g.AddV2(x, b), name="y")
    assert ops(optimized(g, "y")) == ["AddV2", "Exp", "Sub"]


def test_nodes_with_other_attributes_devices_or_kept_names_are_not_merged() -> None:
    g, x = start()
    g.MatMul(x, x, transpose_b=True, name="a")
    g.MatMul(x, x, transpose_b=True, name="b")
    g.AddN([g.Cumsum(x, 0), g.Cumsum(x, 0, exclusive=True)], name="c")
    with g.device("/device:CPU:0"):
        d = g.Exp(x)
    g.Add(d, g.Exp(x), name="d")
    assert ops(optimized(g, "a", "b", "c", "d")).count("Cumsum") == 2
    assert ops(optimized(g, "a", "b")) == ["MatMul", "MatMul"]
    assert ops(optimized(g, "d")) == ["Add", "Exp", "Exp"]


def test_zeros_of_either_sign_and_nan_are_different_constants() -> None:
    g, x = start()
    g.Add(g.Div(x, g.constant(np.float32(0.0))), g.Div(x, g.constant(np.float32(-0.0))), name="y")
    assert ops(optimized(g, "y")).count("Div") == 2


def test_random_nodes_and_reads_of_variables_are_not_merged() -> None:
    g, _ = start()
    v = g.VariableV2(shape=[], dtype="float", name="v")
    g.Add(g.Identity(v), g.Identity(v), name="reads")
    g.Sub(g.RandomUniform([2], dtype="float"), g.RandomUniform([2], dtype="float"), name="numbers")
    graph = optimize(g.graph(), ["reads", "numbers"]).graph
    assert ops(graph) == [
        "Add",
        "Identity",
        "Identity",
        "RandomUniform",
        "RandomUniform",
        "Sub",
        "VariableV2",
    ]


def test_constants_are_folded_but_not_into_much_larger_ones() -> None:
    g, x = start()
    g.Mul(x, g.Sqrt(g.constant(np.float32(2.0))), name="small")
    g.Sum(g.Fill([1000, 1000], np.float32(1.0)), [0, 1], name="large")
    graph = optimized(g, "small", "large")
    assert ops(graph) == ["Fill", "Mul", "Sum"]


def test_a_constant_that_cannot_be_computed_fails_in_the_step() -> None:
    g, _ = start()
    g.FloorDiv(g.constant(1), g.constant(0), name="y")
    graph = optimize(g.graph(), ["y"]).graph
    assert ops(graph) == ["FloorDiv"]
    with pytest.raises(TfgError, match="INVALID_ARGUMENT"):
        Session(graph).run(["y"])


def test_nodes_that_give_their_input_are_removed() -> None:
    g, x = start()
    y = g.Reshape(g.Identity(x), [2, 3])
    y = g.Mul(g.Transpose(y, [0, 1]), g.constant(np.float32(1)))
    y = g.Sub(g.Tile(y, [1, 1]), g.constant(np.float32(0)))
    g.Neg(g.Pad(y, [[0, 0], [0, 0]]), name="y")
    assert ops(optimized(g, "y")) == ["Neg"]


@pytest.mark.parametrize("number", [-0.0, 0.0])
def test_additions_of_zero_stay(number: float) -> None:
    g, x = start()
    g.Add(x, g.constant(np.float32(number)), name="y")
    assert ops(optimized(g, "y")) == ["Add"]


def test_a_multiplication_that_broadcasts_stays() -> None:
    g, x = start()
    g.Mul(x, g.constant(np.ones((4, 2, 3), np.float32)), name="y")
    assert "Mul" in ops(optimized(g, "y"))


def test_transposes_that_cancel_are_removed_and_others_combined() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [2, 3], name="x")
    g.Neg(g.Transpose(g.Transpose(x, [1, 0]), [1, 0]), name="y")
    assert ops(optimized(g, "y")) == ["Neg"]
    g = tfg.GraphBuilder()
    x = g.ExpandDims(g.placeholder("float", [2, 3], name="x"), 0)
    g.Transpose(g.Transpose(x, [1, 2, 0]), [1, 0, 2], name="y")
    assert ops(optimized(g, "y")) == ["ExpandDims", "Transpose"]


def test_casts_to_a_wider_type_and_back_are_removed() -> None:
    g, x = start()
    g.Neg(g.Cast(g.Cast(x, DstT="double"), DstT="float"), name="wide")
    g.Neg(g.Cast(g.Cast(x, DstT="half"), DstT="float"), name="narrow")
    assert ops(optimized(g, "wide", "narrow")) == ["Cast", "Cast", "Neg", "Neg"]


def test_what_nothing_needs_is_removed_and_placeholders_stay() -> None:
    g, x = start()
    g.placeholder("float", [], name="other")
    g.Exp(x, name="unused")
    g.Neg(x, name="y")
    graph = optimized(g, "y")
    assert sorted(graph.index) == ["other", "x", "y"]


def test_a_graph_to_be_trained_keeps_its_gradients() -> None:
    g, x = start()
    w = g.constant(np.ones((3, 3), np.float32))
    g.Relu(g.BiasAdd(g.MatMul(x, w), g.constant(np.ones(3, np.float32))), name="y")
    g.StopGradient(x, name="z")
    assert "_FusedMatMul" in ops(optimized(g, "y"))
    assert ops(optimized(g, "y", "z", purpose="training")) == ["BiasAdd", "MatMul", "Relu", "StopGradient"]


def test_a_node_that_is_read_twice_is_not_fused() -> None:
    g, x = start()
    product = g.MatMul(x, g.constant(np.ones((3, 3), np.float32)))
    y = g.BiasAdd(product, g.constant(np.ones(3, np.float32)))
    g.Sub(g.Relu(y), y, name="y")
    assert ops(optimized(g, "y")) == ["Relu", "Sub", "_FusedMatMul"]


@pytest.mark.parametrize("layer", ["Conv2D", "DepthwiseConv2dNative"])
@pytest.mark.parametrize("with_bias", [False, True])
def test_batch_norm_and_multiplications_become_part_of_the_filter(layer: str, with_bias: bool) -> None:
    random = np.random.default_rng(0)

    def vector(low: float = -1.0) -> np.ndarray:
        return random.uniform(low, 1, 6).astype(np.float32)

    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 5, 5, 3], name="x")
    w = g.constant(random.normal(size=(2, 2, 3, 6 if layer == "Conv2D" else 2)).astype(np.float32))
    y = getattr(g, layer)(x, w, strides=[1, 1, 1, 1], padding="SAME")
    if with_bias:
        y = g.BiasAdd(y, g.constant(vector()))
    y = g.FusedBatchNormV3(y, vector(), vector(), vector(), vector(0.1), is_training=False)[0]
    g.Relu(g.Mul(y, g.constant(vector())), name="y")
    graph = optimize(g.graph(), ["y"]).graph
    assert "FusedBatchNormV3" not in ops(graph)
    assert "Mul" not in ops(graph)
    value = random.normal(size=(2, 5, 5, 3)).astype(np.float32)
    want, got = (Session(one).run(["y"], {"x": value})[0] for one in (g.graph(), graph))
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(60))
def test_random_programs_give_the_same_bits(seed: int) -> None:
    program = Program(seed)
    fetches, feeds = list(map(str, program.fetches)), program.feeds()
    graph = optimize(program.graph, [*fetches, *feeds], purpose="training").graph
    assert len(graph.nodes) <= len(program.graph.nodes)
    assert _outcome(graph, fetches, feeds) == _outcome(program.graph, fetches, feeds)


@pytest.mark.parametrize("seed", range(60, 90))
def test_steps_of_random_programs_give_the_same_bits(seed: int) -> None:
    program = Program(seed)
    fetches, feeds = list(map(str, program.fetches)), program.feeds()
    pruned = prune(program.graph, StepSignature(tuple(fetches), tuple(feeds), ()))
    step = optimize_step(pruned, None)
    assert step.fetches == pruned.fetches
    expected = _outcome(program.graph, fetches, feeds)
    assert _outcome(program.graph, fetches, feeds, optimize_steps=True) == expected


def _outcome(
    graph: tfg.Graph, fetches: list[str], feeds: dict[str, np.ndarray], *, optimize_steps: bool = False
) -> list[bytes] | str:
    try:
        values = Session(graph, optimize=optimize_steps).run(fetches, feeds)
    except TfgError as error:
        return error.status
    return [value.tobytes() for value in values]


def test_unknown_passes_and_names_are_refused() -> None:
    g, x = start()
    g.Neg(x, name="y")
    with pytest.raises(TfgError, match="there is no pass 'constant'"):
        optimize(g.graph(), ["y"], without=["constant"])
    with pytest.raises(TfgError, match="NOT_FOUND"):
        optimize(g.graph(), ["z"])
