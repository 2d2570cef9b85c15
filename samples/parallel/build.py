"""Writes towers.pbtxt: a network of two towers, which may stand on two devices.

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
# A network of two towers that reads handwritten digits: what each makes of the picture is added up in the end.
#
#   tfg run samples/parallel/towers.pbtxt --init init --feed x=@samples/digits/digits.npz[x_test] --feed y=@samples/digits/digits.npz[y_test] --fetch accuracy
#
# says how good it is before it has learnt anything. Nothing goes from one tower to the other, so that each can have
# a device of its own: README.md beside this file goes on from there. Written by build.py.

"""  # noqa: E501


class Network:
    def __init__(self) -> None:
        self.g = tfg.GraphBuilder()
        self.inits: list[str] = []

    def variable(self, name: str, shape: list[int]) -> tfg.Tensor:
        """A matrix that starts at random, or a vector that starts at zero; what it holds."""
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
        with self.g.name_scope(name):
            weights, bias = self.variable("w", [inputs, outputs]), self.variable("b", [outputs])
            return self.g.BiasAdd(self.g.MatMul(x, weights, name="product"), bias, name="sum")

    def tower(self, pixels: tfg.Tensor, name: str) -> tfg.Tensor:
        """Two hidden layers, and how much speaks for each digit."""
        with self.g.name_scope(name):
            x = self.g.Relu(self.layer(pixels, "first", 64, UNITS), name="first/relu")
            x = self.g.Relu(self.layer(x, "second", UNITS, UNITS), name="second/relu")
            return self.layer(x, "logits", UNITS, 10)


def towers() -> tfg.Graph:
    """From images x and digits y to the loss and the accuracy."""
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
    path = folder / "towers.pbtxt"
    tfg.save(towers(), path)
    path.write_text(HEADER + path.read_text(encoding="utf-8"), encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
