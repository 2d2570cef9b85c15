"""Writes towers.pbtxt: a network of two towers that can be placed on two devices.

python samples/parallel/build.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tfg

HERE = Path(__file__).parent
UNITS = 256

HEADER = """\
# A network of two towers that reads handwritten digits: the logits of both are added.
#
#   tfg run samples/parallel/towers.pbtxt --init init --feed 'x=@samples/digits/digits.npz[x_test]' --feed 'y=@samples/digits/digits.npz[y_test]' --fetch accuracy
#
# prints its accuracy before training. No tensor passes from one tower to the other, so each can run on a device of its
# own; README.md in this folder explains how. Written by build.py.

"""  # noqa: E501


class Network:
    """The graph under construction, and the assignments that initialise its variables."""

    def __init__(self) -> None:
        self.g = tfg.GraphBuilder()
        self.inits: list[str] = []

    def variable(self, name: str, shape: list[int]) -> tfg.Tensor:
        """Adds a matrix with random initial values, or a vector of zeros; returns its value."""
        g = self.g
        handle = g.VarHandleOp(dtype="float", shape=shape, name=name)
        with g.name_scope(f"{name}/init"):
            if len(shape) == 2:
                seed = [2, len(self.inits)]
                value = g.StatelessTruncatedNormal(shape, seed, dtype="float") * float(np.sqrt(2 / shape[0]))
            else:
                value = g.Fill(shape, 0.0)
            self.inits.append(g.AssignVariableOp(handle, value, dtype="float", name="assign"))
        return g.ReadVariableOp(handle, dtype="float", name=f"{name}/read")

    def layer(self, x: tfg.Tensor, name: str, inputs: int, outputs: int) -> tfg.Tensor:
        """Adds ``x · w + b``, float[batch, outputs]."""
        with self.g.name_scope(name):
            weights, bias = self.variable("w", [inputs, outputs]), self.variable("b", [outputs])
            return self.g.BiasAdd(self.g.MatMul(x, weights, name="product"), bias, name="sum")

    def tower(self, pixels: tfg.Tensor, name: str) -> tfg.Tensor:
        """Adds two hidden layers and the logits, float[batch, 10]."""
        with self.g.name_scope(name):
            x = self.g.Relu(self.layer(pixels, "first", 64, UNITS), name="first/relu")
            x = self.g.Relu(self.layer(x, "second", UNITS, UNITS), name="second/relu")
            return self.layer(x, "logits", UNITS, 10)


def towers() -> tfg.Graph:
    """Returns the graph from images ``x`` and digits ``y`` to ``loss`` and ``accuracy``."""
    network = Network()
    g = network.g
    x = g.placeholder("float", [None, 64], name="x")
    y = g.placeholder("int32", [None], name="y")
    pixels = g.Mul(x, 1 / 16, name="pixels")
    logits = g.AddV2(network.tower(pixels, "left"), network.tower(pixels, "right"), name="logits")
    losses, _ = g.SparseSoftmaxCrossEntropyWithLogits(logits, y, name="losses")
    g.Mean(losses, [0], name="loss")
    right = g.Equal(g.ArgMax(logits, 1, output_type="int32", name="digit"), y, name="right")
    g.Mean(g.Cast(right, DstT="float"), [0], name="accuracy")
    g.group(*network.inits, name="init")
    return g.graph()


def build(folder: Path) -> None:
    """Writes the graph into a folder."""
    path = folder / "towers.pbtxt"
    tfg.save(towers(), path)
    path.write_text(HEADER + path.read_text(encoding="utf-8"), encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
