"""Training graphs of well-known networks in their original sizes, for placement benchmarks; they are not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.runtime.passes.optimizers.minimize import minimize

if TYPE_CHECKING:
    from tfg.graphfmt.graph import Graph
    from tfg.kernels.builder.graph_builder import Tensor

UNITS, HEADS, INNER, WORDS = 768, 12, 3072, 30_522
# Masked words per sentence that BERT predicts.
GUESSED = 20


class _Model:
    """A network under construction; its variables are named by number. The target is ``train``."""

    def __init__(self) -> None:
        self.g = GraphBuilder()
        self._starts: list[str] = []

    def variable(self, *shape: int) -> Tensor:
        name = f"w{len(self._starts)}"
        handle = self.g.VarHandleOp(dtype="float", shape=list(shape), shared_name=name, name=name)
        start = self.g.StatelessTruncatedNormal(list(shape), [0, len(self._starts)], dtype="float")
        self._starts.append(self.g.AssignVariableOp(handle, start, dtype="float"))
        return self.g.ReadVariableOp(handle, dtype="float")

    def dense(self, x: Tensor, width: int, units: int) -> Tensor:
        return self.g.BiasAdd(self.g.MatMul(x, self.variable(width, units)), self.variable(units))

    def training(self, logits: Tensor, labels: Tensor, optimizer: str) -> Graph:
        losses, _ = self.g.SparseSoftmaxCrossEntropyWithLogits(logits, labels)
        self.g.Mean(losses, self.g.constant([0]), name="loss")
        self.g.group(*self._starts, name="init")
        return minimize(self.g.graph(), "loss", optimizer)


def bert(layers: int, batch: int = 32, length: int = 128) -> Graph:
    """Builds BERT's encoder with this number of layers of its base size and a softmax over all words for
    the masked ones, trained with RMSProp, which has two slots per variable like Adam."""
    m = _Model()
    g, rows = m.g, batch * length
    words = g.placeholder("int32", [batch, length], name="words")
    labels = g.placeholder("int32", [batch * GUESSED], name="labels")
    places = g.placeholder("int32", [batch * GUESSED], name="places")
    mask = g.placeholder("float", [batch, 1, 1, length], name="mask")
    x = g.Reshape(g.GatherV2(m.variable(WORDS, UNITS), words, 0), [rows, UNITS])

    def normalised(x: Tensor) -> Tensor:
        mean = g.Mean(x, g.constant([1]), keep_dims=True)
        apart = g.Sub(x, mean)
        variance = g.Mean(g.Square(apart), g.constant([1]), keep_dims=True)
        return apart * g.Rsqrt(variance + 1e-6) * m.variable(UNITS) + m.variable(UNITS)

    def heads(x: Tensor) -> Tensor:
        split = g.Reshape(m.dense(x, UNITS, UNITS), [batch, length, HEADS, UNITS // HEADS])
        return g.Transpose(split, [0, 2, 1, 3])

    x = normalised(x)
    for _ in range(layers):
        query, key, value = heads(x), heads(x), heads(x)
        scores = g.BatchMatMulV2(query, key, adj_y=True) * 0.125 + mask
        weights = g.Reshape(g.Softmax(scores), [batch, HEADS, length, length])
        seen = g.Transpose(g.BatchMatMulV2(weights, value), [0, 2, 1, 3])
        x = normalised(x + m.dense(g.Reshape(seen, [rows, UNITS]), UNITS, UNITS))
        inner = m.dense(x, UNITS, INNER)
        inner = inner * 0.5 * (g.Erf(inner * 0.7071068) + 1.0)
        x = normalised(x + m.dense(inner, INNER, UNITS))
    return m.training(
        m.dense(g.GatherV2(x, places, 0), UNITS, WORDS), labels, "rmsprop:learning_rate=1e-4,momentum=0.9"
    )


def resnet50(batch: int = 32) -> Graph:
    """Builds ResNet-50 for 224 x 224 images and 1000 classes, trained with momentum."""
    m = _Model()
    g = m.g
    images = g.placeholder("float", [batch, 224, 224, 3], name="images")
    labels = g.placeholder("int32", [batch], name="labels")

    def convolution(x: Tensor, size: int, channels: int, filters: int, stride: int) -> Tensor:
        y = g.Conv2D(
            x, m.variable(size, size, channels, filters), strides=[1, stride, stride, 1], padding="SAME"
        )
        empty = g.constant([], "float")
        return g.FusedBatchNormV3(y, m.variable(filters), m.variable(filters), empty, empty)[0]

    def block(x: Tensor, channels: int, inner: int, stride: int) -> Tensor:
        shortcut = x
        if stride > 1 or channels != 4 * inner:
            shortcut = convolution(x, 1, channels, 4 * inner, stride)
        y = g.Relu(convolution(x, 1, channels, inner, 1))
        y = g.Relu(convolution(y, 3, inner, inner, stride))
        return g.Relu(convolution(y, 1, inner, 4 * inner, 1) + shortcut)

    x = g.Relu(convolution(images, 7, 3, 64, 2))
    x = g.MaxPool(x, ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="SAME")
    channels = 64
    for stage, count in enumerate((3, 4, 6, 3)):
        inner = 64 << stage
        for number in range(count):
            x = block(x, channels, inner, 2 if stage and not number else 1)
            channels = 4 * inner
    x = g.Mean(x, g.constant([1, 2]))
    return m.training(m.dense(x, channels, 1000), labels, "momentum:learning_rate=0.1,momentum=0.9")
