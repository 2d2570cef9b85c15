"""Graphs that ``tfg optimize`` wrote, run by TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf: Any = pytest.importorskip("tensorflow")

import tfg  # noqa: E402
from tfg.runtime.passes.optimization.optimize import optimize  # noqa: E402

from .tensorflow_runner import to_graph_def, v1  # noqa: E402


def convolutional_network() -> None:
    random = np.random.default_rng(0)

    def weights(*shape: int) -> Any:
        return tf.identity(tf.constant(random.normal(size=shape).astype(np.float32) * 0.2))

    def batch_norm(y: Any) -> Any:
        channels = int(y.shape[-1])
        statistics = [tf.constant(random.uniform(0.2, 1, channels).astype(np.float32)) for _ in range(4)]
        return v1.nn.fused_batch_norm(y, *statistics, is_training=False)[0]

    y = v1.placeholder(tf.float32, [None, 16, 16, 3], name="x")
    y = tf.nn.relu6(batch_norm(tf.nn.conv2d(y, weights(3, 3, 3, 8), 1, "SAME")))
    y = tf.nn.relu6(batch_norm(tf.nn.depthwise_conv2d(y, weights(3, 3, 8, 2), [1, 1, 1, 1], "SAME")))
    y = tf.nn.leaky_relu(batch_norm(tf.nn.conv2d(y, weights(1, 1, 16, 16), 1, "VALID")) + y)
    y = tf.transpose(tf.transpose(y, [0, 3, 1, 2]), [0, 2, 3, 1])
    y = tf.nn.elu(
        tf.nn.bias_add(tf.nn.conv2d(y, weights(3, 3, 16, 8), 2, [[0, 0], [1, 2], [0, 1], [0, 0]]), weights(8))
    )
    y = tf.nn.bias_add(tf.matmul(tf.reshape(y, [4, -1]), weights(576, 10)), weights(10))
    tf.nn.softmax(tf.nn.leaky_relu(y, 0.3), name="y")


def test_tensorflow_computes_the_same_with_the_optimized_graph(tmp_path: Path) -> None:
    with tf.Graph().as_default() as original:
        convolutional_network()
        v1.train.write_graph(original, str(tmp_path), "g.pbtxt")
    graph = tfg.load(tmp_path / "g.pbtxt")
    optimized = optimize(graph, ["y"]).graph
    assert len(optimized.nodes) < len(graph.nodes) / 2
    assert {"_FusedConv2D", "_FusedMatMul"} <= {node.op for node in optimized.nodes}
    feeds = {"x:0": np.random.default_rng(1).normal(size=(4, 16, 16, 3)).astype(np.float32)}
    with v1.Session(graph=original) as session:
        expected = session.run("y:0", feeds)
    with tf.Graph().as_default():
        v1.import_graph_def(to_graph_def(optimized), name="")
        with v1.Session() as session:
            np.testing.assert_allclose(session.run("y:0", feeds), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(tfg.Session(optimized).run(["y"], feeds)[0], expected, rtol=1e-4, atol=1e-5)
