"""A language model of the size of OSDI'16, section 6.4: a two-layer LSTM as a while loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.runtime.passes.optimizers.minimize import minimize

if TYPE_CHECKING:
    from tfg.graphfmt.graph import Graph
    from tfg.kernels.builder.graph_builder import Tensor

UNITS, STEPS, BATCH, WORDS = 512, 35, 20, 10_000


def lstm() -> Graph:
    """Builds the model: two layers of 512 units, 35 steps, batch 20, a vocabulary of 10,000 words; the
    target is ``train``, the fetch ``loss``, the initialiser ``init``; x and y are [batch, time]."""
    g = GraphBuilder()
    x = g.placeholder("int32", [BATCH, STEPS], name="x")
    y = g.placeholder("int32", [BATCH, STEPS], name="y")
    inits: list[str] = []

    def variable(name: str, *shape: int) -> Tensor:
        handle = g.VarHandleOp(dtype="float", shape=list(shape), shared_name=name, name=name)
        value = g.StatelessRandomUniform(list(shape), [1, len(inits)], dtype="float") * 0.1 - 0.05
        inits.append(g.AssignVariableOp(handle, value, dtype="float"))
        return g.ReadVariableOp(handle, dtype="float")

    embedding = variable("embedding", WORDS, UNITS)
    layers = [(variable(f"w{n}", 2 * UNITS, 4 * UNITS), variable(f"b{n}", 4 * UNITS)) for n in range(2)]
    softmax, softmax_bias = variable("softmax", UNITS, WORDS), variable("softmax_bias", WORDS)
    g.group(*inits, name="init")
    rows = g.GatherV2(embedding, g.Transpose(x, [1, 0]), 0)
    inputs = g.TensorListFromTensor(rows, [BATCH, UNITS], element_dtype="float")
    outputs = g.EmptyTensorList([BATCH, UNITS], STEPS, element_dtype="float")
    zeros = g.constant(np.zeros((BATCH, UNITS), np.float32))

    def body(g: GraphBuilder, t: Tensor, outputs: Tensor, *states: Tensor) -> list[Tensor]:
        value = g.TensorListGetItem(inputs, t, [BATCH, UNITS], element_dtype="float")
        new: list[Tensor] = []
        for (w, b), h, c in zip(layers, states[::2], states[1::2]):
            gates = g.BiasAdd(g.MatMul(g.ConcatV2([value, h], 1), w), b)
            i, j, f, o = g.Split(1, gates, num_split=4)
            cell = g.Sigmoid(f + 1.0) * c + g.Sigmoid(i) * g.Tanh(j)
            value = g.Sigmoid(o) * g.Tanh(cell)
            new += [value, cell]
        return [t + 1, g.TensorListPushBack(outputs, value), *new]

    start = [0, outputs, zeros, zeros, zeros, zeros]
    done = g.while_loop(lambda g, t, *_: g.Less(t, STEPS), body, start, name="lstm")
    seen = g.Reshape(g.TensorListStack(done[1], [BATCH, UNITS], element_dtype="float"), [-1, UNITS])
    logits = g.BiasAdd(g.MatMul(seen, softmax), softmax_bias)
    losses, _ = g.SparseSoftmaxCrossEntropyWithLogits(logits, g.Reshape(g.Transpose(y, [1, 0]), [-1]))
    g.Mean(losses, g.constant([0]), name="loss")
    return minimize(g.graph(), "loss", "sgd:learning_rate=0.5")
