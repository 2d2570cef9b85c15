"""Compiled clusters: CPU seconds per step, as numpy kernels, compiled, and in TensorFlow on one thread.

``python -m benchmarks.clusters`` alternates the three, and prints medians, and the median ratios of the rounds.
"""

from __future__ import annotations

import os
import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.runtime.execution.session import Session

from .__main__ import restart_without_harmful_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ROUNDS = 7
_ELEMENTS = 10_000_000


def main() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    restart_without_harmful_settings("benchmarks.clusters")
    x = np.random.default_rng(0).standard_normal(_ELEMENTS).astype("f4")
    print(
        "what, numpy kernels (ms), compiled (ms), TensorFlow (ms), numpy / TensorFlow, compiled / TensorFlow"
    )
    images = np.random.default_rng(0).standard_normal((8, 112, 112, 64)).astype("f4")
    for name, steps in (
        ("15 operations", _chain(x)),
        ("sigmoid and tanh", _gates(x)),
        ("Adam", _adam(x)),
        ("max pooling 2x2 and its gradient", _pooling(images, 2)),
        ("max pooling 3x3, stride 2, and its gradient", _pooling(images, 3)),
        ("depthwise 3x3 of 8x14x14x576", _depthwise(14, 576)),
        ("depthwise 3x3 of 8x56x56x144", _depthwise(56, 144)),
    ):
        _print(name, steps)


def _chain(x: Any) -> list[Callable[[], object]]:
    def build(g: Any, x: Any, relu: Callable[[Any], Any], constant: Callable[[Any], Any]) -> Any:
        y = x
        for _ in range(5):
            y = relu(y * constant(np.float32(1.01)) - x)
        return y

    g = GraphBuilder()
    y = build(g, g.Placeholder(dtype="float", name="x"), g.Relu, g.constant)
    tf = _tensorflow()
    reference = tf.function(lambda x: build(tf, x, tf.nn.relu, tf.constant))
    return [*_ours(g, [], [y.name], [], x), _theirs(tf, reference, x)]


def _gates(x: Any) -> list[Callable[[], object]]:
    g = GraphBuilder()
    a = g.Placeholder(dtype="float", name="x")
    y = g.Sigmoid(a) * g.Tanh(a) + g.Sigmoid(a + a)
    tf = _tensorflow()
    reference = tf.function(lambda x: tf.sigmoid(x) * tf.tanh(x) + tf.sigmoid(x + x))
    return [*_ours(g, [], [y.name], [], x), _theirs(tf, reference, x)]


def _adam(x: Any) -> list[Callable[[], object]]:
    g = GraphBuilder()
    handles = [g.VarHandleOp(dtype="float", shape=x.shape, shared_name=n, name=n) for n in ("var", "m", "v")]
    zeros = g.constant(np.zeros_like(x))
    inits = [_name(g.AssignVariableOp(handle, zeros)) for handle in handles]
    values = [0.9, 0.99, 0.001, 0.9, 0.999, 1e-8]
    scalars = [g.constant(np.float32(value)) for value in values]
    train = _name(g.ResourceApplyAdam(*handles, *scalars, g.Placeholder(dtype="float", name="x")))
    tf = _tensorflow()
    variables = [tf.Variable(tf.zeros(x.shape)) for _ in range(3)]

    @tf.function
    def reference(x: Any) -> None:
        tf.raw_ops.ResourceApplyAdam(
            var=variables[0].handle, m=variables[1].handle, v=variables[2].handle,
            beta1_power=values[0], beta2_power=values[1], lr=values[2], beta1=values[3], beta2=values[4],
            epsilon=values[5], grad=x,
        )  # fmt: skip

    return [*_ours(g, inits, [], [train], x), _theirs(tf, reference, x)]


def _pooling(x: Any, size: int) -> list[Callable[[], object]]:
    attrs = {"ksize": [1, size, size, 1], "strides": [1, 2, 2, 1], "padding": "SAME"}
    g = GraphBuilder()
    a = g.Placeholder(dtype="float", name="x")
    y = g.MaxPool(a, **attrs)
    gradient = g.MaxPoolGrad(a, y, y, **attrs)
    tf = _tensorflow()

    def reference(x: Any) -> Any:
        y = tf.raw_ops.MaxPool(input=x, **attrs)
        return tf.raw_ops.MaxPoolGrad(orig_input=x, orig_output=y, grad=y, **attrs)

    return [*_ours(g, [], [gradient.name], [], x), _theirs(tf, tf.function(reference), x)]


def _depthwise(side: int, channels: int) -> list[Callable[[], object]]:
    random = np.random.default_rng(0)
    x = random.standard_normal((8, side, side, channels)).astype("f4")
    w = random.standard_normal((3, 3, channels, 1)).astype("f4")
    g = GraphBuilder()
    a = g.Placeholder(dtype="float", name="x")
    y = g.DepthwiseConv2dNative(a, g.constant(w), strides=[1, 1, 1, 1], padding="SAME")
    tf = _tensorflow()
    factor = tf.constant(w)
    reference = tf.function(lambda x: tf.nn.depthwise_conv2d(x, factor, [1, 1, 1, 1], "SAME"))
    return [*_ours(g, [], [y.name], [], x), _theirs(tf, reference, x)]


def _tensorflow() -> Any:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return tf


def _name(operation: Any) -> str:
    return operation if isinstance(operation, str) else operation.name


def _ours(
    g: GraphBuilder, inits: Sequence[str], fetches: Sequence[str], targets: Sequence[str], x: Any
) -> list[Callable[[], object]]:
    """The step with numpy kernels, and the compiled one, both warm."""
    steps: list[Callable[[], object]] = []
    for compiled in (False, True):
        session = Session(g.graph(), compile=compiled)
        if inits:
            session.run(targets=inits)

        def step(session: Session = session) -> object:
            return session.run(fetches, {"x": x}, targets)

        began = time.perf_counter()
        while time.perf_counter() - began < 2:
            step()
        steps.append(step)
    return steps


def _theirs(tf: Any, reference: Callable[[Any], Any], x: Any) -> Callable[[], object]:
    value = tf.constant(x)
    return lambda: reference(value)


def _print(name: str, steps: Sequence[Callable[[], object]]) -> None:
    for step in steps:
        step()
    rounds = [[_cpu_seconds(step) for step in steps] for _ in range(_ROUNDS)]
    medians = [statistics.median(column) * 1e3 for column in zip(*rounds)]
    ratios = [statistics.median(one[i] / one[-1] for one in rounds) for i in range(len(steps) - 1)]
    print(
        name,
        *(f"{value:.1f}" for value in medians),
        *(f"{value:.2f}" for value in ratios),
        sep=", ",
        flush=True,
    )


def _cpu_seconds(step: Callable[[], object]) -> float:
    began = time.process_time()
    step()
    return time.process_time() - began


if __name__ == "__main__":
    main()
