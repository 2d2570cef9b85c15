from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tfg.graphfmt.errors import TfgError
from tfg.kernels.builder.graph_builder import GraphBuilder

from tests import reference

from ...harness import f32, rand

# TensorFlow runs these on a CPU for some combinations alone; what they mean is the sequence of unfused operations.

ACTIVATIONS = ("Relu", "Relu6", "Elu", "LeakyRelu", "Tanh", "Sigmoid")


def run(build: Any) -> tuple[Any, Any]:
    """The values of a fused operation and of the sequence that it stands for."""
    g = GraphBuilder()
    fused, unfused = build(g)
    found = reference.run(g.graph(), [fused.name, unfused.name], {})
    return found[0], found[1]


def activate(g: GraphBuilder, y: Any, name: str) -> Any:
    return g.LeakyRelu(y, alpha=0.3) if name == "LeakyRelu" else g.add_op(name, y)


@pytest.mark.parametrize("activation", [None, *ACTIVATIONS])
@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_a_convolution_with_bias_and_activation(activation: str | None, data_format: str) -> None:
    def build(g: GraphBuilder) -> Any:
        x = rand(2, 5, 6, 3) if data_format == "NHWC" else rand(2, 3, 5, 6)
        w, bias = g.constant(rand(3, 3, 3, 4)), g.constant(rand(4))
        attrs: dict[str, Any] = {"padding": "SAME", "data_format": data_format, "strides": [1, 1, 1, 1]}
        ops = ["BiasAdd", *([activation] if activation else [])]
        fused = g.add_op(
            "_FusedConv2D",
            g.constant(x),
            w,
            [bias],
            [],
            num_args=1,
            fused_ops=ops,
            name="fused",
            leakyrelu_alpha=0.3,
            **attrs,
        )
        y = g.BiasAdd(g.Conv2D(g.constant(x), w, **attrs), bias, data_format=data_format)
        return fused, activate(g, y, activation) if activation else y

    fused, unfused = run(build)
    np.testing.assert_allclose(fused, unfused, rtol=1e-6, atol=1e-6)


def test_a_convolution_with_batch_norm() -> None:
    def build(g: GraphBuilder) -> Any:
        x, w = g.constant(rand(2, 5, 6, 3)), g.constant(rand(3, 3, 3, 4))
        vectors = [g.constant(rand(4, seed=i, low=0.5)) for i in range(4)]
        attrs: dict[str, Any] = {"padding": "VALID", "strides": [1, 2, 2, 1]}
        ops = ["FusedBatchNorm", "Relu"]
        fused = g.add_op(
            "_FusedConv2D", x, w, vectors, [], num_args=4, fused_ops=ops, name="fused", epsilon=0.01, **attrs
        )
        y = g.FusedBatchNormV3(g.Conv2D(x, w, **attrs), *vectors, epsilon=0.01, is_training=False)[0]
        return fused, g.Relu(y)

    fused, unfused = run(build)
    np.testing.assert_allclose(fused, unfused, rtol=2e-6, atol=2e-6)


def test_a_product_with_bias_residual_and_activation() -> None:
    def build(g: GraphBuilder) -> Any:
        a, b, bias, other = (g.constant(rand(*s)) for s in ((4, 3), (5, 4), (5,), (3, 5)))
        ops = ["BiasAdd", "Add", "Relu"]
        fused = g.add_op(
            "_FusedMatMul",
            a,
            b,
            [bias, other],
            num_args=2,
            fused_ops=ops,
            name="fused",
            transpose_a=True,
            transpose_b=True,
        )
        product = g.MatMul(a, b, transpose_a=True, transpose_b=True)
        return fused, g.Relu(g.AddV2(g.BiasAdd(product, bias), other))

    fused, unfused = run(build)
    np.testing.assert_array_equal(fused, unfused)


@pytest.mark.parametrize("name", ["GeluExact", "GeluApproximate"])
def test_gelu(name: str) -> None:
    x = rand(3, 4, low=-4, high=4)
    g = GraphBuilder()
    fused = g.add_op(
        "_FusedMatMul", g.constant(x), g.constant(np.eye(4, dtype=np.float32)), [g.constant(f32([0] * 4))],
        num_args=1, fused_ops=["BiasAdd", name], name="fused",
    )  # fmt: skip
    (found,) = reference.run(g.graph(), [fused.name], {})
    from math import erf

    wide = x.astype(np.float64)
    exact = 0.5 * wide * (1 + np.vectorize(erf)(wide / np.sqrt(2)))
    np.testing.assert_allclose(found, exact, atol=1e-6 if name == "GeluExact" else 1e-3)


def test_a_depthwise_convolution_with_bias_and_activation() -> None:
    def build(g: GraphBuilder) -> Any:
        x, w, bias = g.constant(rand(2, 5, 6, 3)), g.constant(rand(3, 3, 3, 2)), g.constant(rand(6))
        attrs: dict[str, Any] = {"padding": "SAME", "strides": [1, 1, 1, 1]}
        ops = ["BiasAdd", "Relu6"]
        fused = g.add_op(
            "_FusedDepthwiseConv2dNative", x, w, [bias], num_args=1, fused_ops=ops, name="fused", **attrs
        )
        return fused, g.Relu6(g.BiasAdd(g.DepthwiseConv2dNative(x, w, **attrs), bias))

    fused, unfused = run(build)
    np.testing.assert_array_equal(fused, unfused)


@pytest.mark.parametrize("sides", [0, 1])
@pytest.mark.parametrize("training", [False, True])
def test_batch_norm_with_side_input_and_relu(sides: int, training: bool) -> None:
    def build(g: GraphBuilder) -> Any:
        x = g.constant(rand(2, 5, 6, 3))
        vectors = [g.constant(rand(3, seed=i, low=0.5)) for i in range(4)]
        side = [g.constant(rand(2, 5, 6, 3, seed=9))][:sides]
        fused = g.add_op(
            "_FusedBatchNormEx",
            x,
            *vectors,
            side,
            name="fused",
            activation_mode="Relu",
            is_training=training,
            U="float",
        )[0]
        y = g.FusedBatchNormV3(x, *vectors, is_training=training)[0]
        return fused, g.Relu(g.AddN([y, *side]))

    fused, unfused = run(build)
    np.testing.assert_array_equal(fused, unfused)


@pytest.mark.parametrize(
    ("fused_ops", "count", "status", "message"),
    [
        (["BiasAdd"], 0, "INVALID_ARGUMENT", "takes 1 tensors"),
        ([], 0, "INVALID_ARGUMENT", "empty"),
        (["BiasAdd", "Quux"], 1, "UNIMPLEMENTED", "Quux"),
    ],
)
def test_an_epilogue_that_cannot_be(fused_ops: list[str], count: int, status: str, message: str) -> None:
    g = GraphBuilder()
    with pytest.raises(TfgError, match=message) as caught:
        y = g.add_op(
            "_FusedMatMul",
            f32([[1]]),
            f32([[1]]),
            [f32([1])] * count,
            num_args=count,
            fused_ops=fused_ops,
            name="fused",
        )
        reference.run(g.graph(), [y.name], {})
    assert caught.value.status == status
