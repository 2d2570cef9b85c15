"""The speed of tfg's and protobuf's readers of GraphDef text: ``python benchmarks/text_reader.py [NODES]``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from random import Random

from google.protobuf import text_format
from tfg.graphfmt.proto import graph_pb2
from tfg.graphfmt.text.reader import read_graph

OPS = ("MatMul", "Add", "Relu", "Conv2D", "Reshape", "Mul", "Sub", "Tanh", "Softmax", "BiasAdd")


def realistic(nodes: int, seed: int = 1) -> graph_pb2.GraphDef:
    """Builds a graph like those that TensorFlow exports: every fifth node is a constant, all have shapes."""
    random = Random(seed)
    graph = graph_pb2.GraphDef()
    for i in range(nodes):
        node = graph.node.add(name=f"model/block_{i // 40}/layer_{i % 40}/{OPS[i % 10]}_{i}")
        if i % 5 == 0:
            _constant(node, random)
            continue
        node.op = OPS[i % 10]
        node.input.extend(graph.node[max(0, i - 1 - random.randrange(30))].name for _ in range(2))
        node.attr["T"].type = 1
        node.attr["transpose_a"].b = i % 3 == 0
        if i % 4 == 0:
            node.attr["strides"].list.i.extend((1, 2, 2, 1))
            node.attr["padding"].s = b"SAME"
        shape = node.attr["_output_shapes"].list.shape.add()
        for sizes in ((-1, 32), (14, 28, 56), (14, 28, 56), (64, 128, 256)):
            shape.dim.add(size=random.choice(sizes))
    return graph


def _constant(node: graph_pb2.NodeDef, random: Random) -> None:
    node.op = "Const"
    node.attr["dtype"].type = 1
    tensor = node.attr["value"].tensor
    tensor.dtype = 1
    size = random.randint(1, 12)
    tensor.tensor_shape.dim.add(size=size)
    if size % 2:
        tensor.tensor_content = random.randbytes(4 * size)
    else:
        tensor.float_val.extend(random.random() for _ in range(size))
    node.attr["_output_shapes"].list.shape.add().dim.add(size=size)


def seconds(action: Callable[[], object]) -> float:
    """The CPU time of one call, in seconds."""
    start = time.process_time()
    action()
    return time.process_time() - start


def compare(text: str) -> str:
    """Returns the speed of both readers as text, measured alternately, so that noise affects both alike."""
    ours, theirs = [], []
    for _ in range(3):
        ours += [seconds(lambda: read_graph(text, "x")) for _ in range(3)]
        theirs.append(seconds(lambda: text_format.Parse(text, graph_pb2.GraphDef())))
    size = len(text) / 1e6
    return (
        f"{size:.1f} MB, tfg {size / min(ours):.1f} MB/s, protobuf {size / min(theirs):.2f} MB/s, "
        f"{min(theirs) / min(ours):.1f} times as fast"
    )


def main() -> None:
    graph = realistic(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
    print("protobuf's layout:", compare(text_format.MessageToString(graph)))
    print("all on one line:", compare(text_format.MessageToString(graph, as_one_line=True)))


if __name__ == "__main__":
    main()
