"""Writes lm.pbtxt, generate.pbtxt and text.npz: a language model over the characters of genesis.txt.

    python samples/rnn/build.py

The network is an LSTM that runs over a text character by character, in a while loop: the file is as long for a
text of ten characters as for one of ten thousand. README.md in this folder explains its use.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tfg

HERE = Path(__file__).parent

# The alphabet is part of both graphs: a character is encoded as its index in it.
ALPHABET = "\n !'(),-.:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
UNITS = 128
WINDOW = 64

LM = """\
# A language model over characters: an LSTM that reads a text and predicts each next character.
#
#   tfg run samples/rnn/lm.pbtxt --init init --feed 'x=@samples/rnn/text.npz[x_test]' --feed 'y=@samples/rnn/text.npz[y_test]' --fetch loss
#
# prints the loss before training, in nats per character: ln 64 = 4.16. README.md in this folder explains the training.
# Written by build.py; the loop's functions, lstm_cond and lstm_body, are at the end.

"""  # noqa: E501

GENERATE = """\
# Generates text with the language model of lm.pbtxt, whose variables it shares, one character per iteration of a loop.
#
#   tfg run samples/rnn/generate.pbtxt --init init --fetch text
#
# generates random characters; with --state out/rnn.h5 instead of --init init, it uses the trained variables. Feed start
# (a string), length, temperature and seed to change the text. Written by build.py; the functions of the two loops,
# read and write, are at the end.

"""


def data(text: str) -> dict[str, np.ndarray]:
    """Returns the text as indices into the alphabet, int32[rows, 64]: ``y`` is ``x`` shifted by one character.

    The last tenth of the rows is held out, as ``x_test`` and ``y_test``.
    """
    indices = np.array([ALPHABET.index(c) for c in text], np.int32)
    rows = (len(indices) - 1) // WINDOW
    x = indices[: rows * WINDOW].reshape(rows, WINDOW)
    y = indices[1 : rows * WINDOW + 1].reshape(rows, WINDOW)
    trained = rows - rows // 10
    return {"x": x[:trained], "y": y[:trained], "x_test": x[trained:], "y_test": y[trained:]}


class Network:
    """The variables, of the same names in both graphs, and the layers that use them."""

    def __init__(self, g: tfg.GraphBuilder) -> None:
        self.inits: list[str] = []
        # The character and the previous output, each multiplied by a matrix, give the four gates of every unit.
        self.from_character = self.variable(g, "from_character", [len(ALPHABET), 4 * UNITS], 0.5)
        self.from_output = self.variable(g, "from_output", [UNITS, 4 * UNITS], 0.08)
        self.bias = self.variable(g, "bias", [4 * UNITS])
        self.to_logits = self.variable(g, "to_logits", [UNITS, len(ALPHABET)], 0.08)
        self.logits_bias = self.variable(g, "logits_bias", [len(ALPHABET)])
        g.group(*self.inits, name="init")

    def variable(
        self, g: tfg.GraphBuilder, name: str, shape: list[int], spread: float | None = None
    ) -> tfg.Tensor:
        """Adds a variable of zeros, or of random values of this standard deviation; returns its value."""
        handle = g.VarHandleOp(dtype="float", shape=shape, shared_name=name, name=name)
        with g.name_scope(f"{name}/init"):
            if spread is None:
                value = g.Fill(shape, 0.0)
            else:
                value = g.StatelessTruncatedNormal(shape, [1, len(self.inits)], dtype="float") * spread
            self.inits.append(g.AssignVariableOp(handle, value, dtype="float", name="assign"))
        return g.ReadVariableOp(handle, dtype="float", name=f"{name}/read")

    def step(
        self, g: tfg.GraphBuilder, character: tfg.Tensor, h: tfg.Tensor, c: tfg.Tensor
    ) -> tuple[tfg.Tensor, tfg.Tensor]:
        """Adds one step of the LSTM, from a batch of characters and the state to the new state."""
        rows = g.GatherV2(self.from_character, character, 0, name="rows")
        gates = g.BiasAdd(rows + g.MatMul(h, self.from_output), self.bias, name="gates")
        i, f, o, new = g.Split(1, gates, num_split=4, name="split")
        # A forget gate is open to begin with: 1 is added.
        kept = g.Sigmoid(f + 1.0, name="forget") * c
        c = g.AddV2(kept, g.Sigmoid(i, name="input") * g.Tanh(new, name="new"), name="c")
        return g.Mul(g.Sigmoid(o, name="output"), g.Tanh(c), name="h"), c

    def logits(self, g: tfg.GraphBuilder, h: tfg.Tensor) -> tfg.Tensor:
        """Adds the logits of the next character, float[batch, 64]."""
        return g.BiasAdd(g.MatMul(h, self.to_logits), self.logits_bias, name="logits")

    def lstm(self, g: tfg.GraphBuilder, x: tfg.Tensor, name: str) -> list[tfg.Tensor]:
        """Adds a loop over x, a batch of texts, int32[batch, time].

        Returns the list of the outputs of each step, and the state after the last.
        """
        by_time = g.Transpose(x, [1, 0], name="by_time")
        time, batch = g.Unpack(g.Shape(by_time), num=2, name="sizes")
        characters = g.TensorListFromTensor(by_time, [-1], element_dtype="int32", name="characters")
        outputs = g.EmptyTensorList([-1, UNITS], time, element_dtype="float", name="outputs")
        zeros = g.Fill(g.Pack([batch, UNITS]), 0.0, name="zeros")

        def more(g: tfg.GraphBuilder, t: tfg.Tensor, *_: tfg.Tensor) -> tfg.Tensor:
            return g.Less(t, time)

        def body(g: tfg.GraphBuilder, t: tfg.Tensor, outputs: tfg.Tensor, h: tfg.Tensor, c: tfg.Tensor):
            character = g.TensorListGetItem(characters, t, [-1], element_dtype="int32", name="character")
            h, c = self.step(g, character, h, c)
            return t + 1, g.TensorListPushBack(outputs, h), h, c

        _, *results = g.while_loop(more, body, [0, outputs, zeros, zeros], name=name)
        return results


def lm() -> tfg.Graph:
    """Returns the graph from texts ``x`` and next characters ``y`` to ``loss``, in nats per character."""
    g = tfg.GraphBuilder()
    x = g.placeholder("int32", [None, None], name="x")
    y = g.placeholder("int32", [None, None], name="y")
    network = Network(g)
    outputs, _, _ = network.lstm(g, x, "lstm")
    outputs = g.TensorListStack(outputs, [-1, UNITS], element_dtype="float", name="stacked")
    logits = network.logits(g, g.Reshape(outputs, [-1, UNITS]))
    labels = g.Reshape(g.Transpose(y, [1, 0]), [-1], name="labels")
    losses, _ = g.SparseSoftmaxCrossEntropyWithLogits(logits, labels, name="losses")
    g.Mean(losses, [0], name="loss")
    return g.graph()


def generate() -> tfg.Graph:
    """Returns the graph from ``start`` to ``text``, the start continued by the network."""
    g = tfg.GraphBuilder()
    start = g.PlaceholderWithDefault(g.constant("And God said, "), shape=[], name="start")
    length = g.PlaceholderWithDefault(g.constant(300), shape=[], name="length")
    temperature = g.PlaceholderWithDefault(g.constant(0.7), shape=[], name="temperature")
    seed = g.PlaceholderWithDefault(g.constant(1), shape=[], name="seed")
    alphabet = g.constant(list(ALPHABET), name="alphabet")
    network = Network(g)

    # The start as indices into the alphabet: each character is compared with all of the alphabet.
    _, letters, _ = g.StringSplit(g.Reshape(start, [1]), "", skip_empty=False, name="letters")
    equal = g.Equal(g.ExpandDims(letters, 1), g.ExpandDims(alphabet, 0))
    places = g.ArgMax(g.Cast(equal, DstT="int32"), 1, output_type="int32", name="places")
    _, h, c = network.lstm(g, g.ExpandDims(places, 0), "read")

    def more(g: tfg.GraphBuilder, t: tfg.Tensor, *_: tfg.Tensor) -> tfg.Tensor:
        return g.Less(t, length)

    def body(g: tfg.GraphBuilder, t: tfg.Tensor, written: tfg.Tensor, h: tfg.Tensor, c: tfg.Tensor):
        logits = network.logits(g, h) / temperature
        drawn = g.StatelessMultinomial(logits, 1, g.Pack([seed, t]), output_dtype="int32", name="drawn")
        character = g.Reshape(drawn, [1], name="character")
        h, c = network.step(g, character, h, c)
        return t + 1, g.TensorListPushBack(written, character), h, c

    written = g.EmptyTensorList([1], length, element_dtype="int32", name="nothing")
    _, written, _, _ = g.while_loop(more, body, [0, written, h, c], name="write")
    ids = g.Reshape(g.TensorListStack(written, [1], element_dtype="int32"), [-1], name="ids")
    joined = g.ReduceJoin(g.GatherV2(alphabet, ids, 0), [0], name="joined")
    g.StringJoin([start, joined], name="text")
    return g.graph()


def build(folder: Path) -> None:
    """Writes both graphs and the data into a folder."""
    for name, header, graph in (("lm", LM, lm()), ("generate", GENERATE, generate())):
        path = folder / f"{name}.pbtxt"
        tfg.save(graph, path)
        path.write_text(header + path.read_text(encoding="utf-8"), encoding="utf-8")
    text = (HERE / "genesis.txt").read_text(encoding="utf-8")
    np.savez_compressed(folder / "text.npz", **data(text))


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
