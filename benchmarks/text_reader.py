"""How fast GraphDef text is read, here and by protobuf: ``python benchmarks/text_reader.py [NODES]``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from random import Random

from google.protobuf import text_format
from tfg.graphfmt.schema import graph_pb2
from tfg.graphfmt.textreader import read_graph

OPS = ("MatMul", "Add", "Relu", "Conv2D", "Reshape", "Mul", "Sub", "Tanh", "Softmax", "BiasAdd")


def realistic(nodes: int, seed: int = 1) -> graph_pb2.GraphDef:
    """A graph like those TensorFlow exports: every fifth node a constant of its own, shapes on all."""
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
    """The processor time of one call."""
    start = time.process_time()
    action()
    return time.process_time() - start


def main() -> None:
    graph = realistic(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
    for layout, one_line in (("protobuf's layout", False), ("all on one line", True)):
        text = text_format.MessageToString(graph, as_one_line=one_line)
        # Alternately, so that both meet the same noise.
        ours, theirs = zip(
            *(
                (
                    min(seconds(lambda: read_graph(text, "x")) for _ in range(3)),
                    seconds(lambda: text_format.Parse(text, graph_pb2.GraphDef())),
                )
                for _ in range(3)
            )
        )
        size = len(text) / 1e6
        print(
            f"{layout}: {size:.1f} MB, tfg {size / min(ours):.1f} MB/s, "
            f"protobuf {size / min(theirs):.2f} MB/s, {min(theirs) / min(ours):.1f} times as fast"
        )


if __name__ == "__main__":
    main()
