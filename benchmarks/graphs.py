"""The graphs of the benchmarks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tfg.graphfmt import dtypes
from tfg.graphfmt.graph import Graph, Node, Versions
from tfg.graphfmt.shapes import Shape
from tfg.graphfmt.tensors import from_array
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.runtime.passes.optimizers.minimize import minimize


def nothing() -> Graph:
    g = GraphBuilder()
    g.NoOp(name="nothing")
    return g.graph()


def scalars(count: int, *, dependent: bool) -> Graph:
    """Builds ``count`` scalar additions, in a chain or independent of each other; the target is ``all``."""
    g = GraphBuilder()
    x = g.placeholder("float", [], name="x")
    last, made = x, []
    for _ in range(count):
        last = (last if dependent else x) + x
        made.append(last)
    g.group(*([last] if dependent else made), name="all")
    return g.graph()


def counting() -> Graph:
    """Builds a loop that adds 1 to a scalar while it is less than ``limit``; the fetch is ``count``."""
    g = GraphBuilder()
    start = g.Enter(g.constant(np.float32(0)), frame_name="count")
    limit = g.Enter(g.placeholder("float", [], name="limit"), frame_name="count", is_constant=True)
    one = g.Enter(g.constant(np.float32(1)), frame_name="count", is_constant=True)
    merge, _ = g.Merge([start, start], name="merge")
    left, going_on = g.Switch(merge, g.LoopCond(g.Less(merge, limit)))
    g.NextIteration(going_on + one, name="next")
    g.Exit(left, name="count")
    graph = g.graph()
    back = replace(graph["merge"], inputs=(graph["merge"].inputs[0], "next"))
    return graph.with_nodes(back if node.name == "merge" else node for node in graph.nodes)


def mlp() -> Graph:
    """Builds an MLP 784-512-512-10 with momentum; the target is ``train``, the fetch ``loss``, the
    initialiser ``init``."""
    g = GraphBuilder()
    x = g.placeholder("float", [None, 784], name="x")
    y = g.placeholder("int32", [None], name="y")
    layer, width, inits = x, 784, []
    for number, units in enumerate((512, 512, 10)):
        w = g.VarHandleOp(dtype="float", shape=[width, units], shared_name=f"w{number}", name=f"w{number}")
        b = g.VarHandleOp(dtype="float", shape=[units], shared_name=f"b{number}", name=f"b{number}")
        start = np.random.RandomState(number).normal(0, 0.05, (width, units)).astype(np.float32)
        inits += [g.AssignVariableOp(w, start), g.AssignVariableOp(b, np.zeros(units, np.float32))]
        layer = g.BiasAdd(
            g.MatMul(layer, g.ReadVariableOp(w, dtype="float")), g.ReadVariableOp(b, dtype="float")
        )
        layer, width = g.Relu(layer) if units != 10 else layer, units
    losses, _ = g.SparseSoftmaxCrossEntropyWithLogits(layer, y)
    g.Mean(losses, g.constant([0]), name="loss")
    g.group(*inits, name="init")
    return minimize(g.graph(), "loss", "momentum:learning_rate=0.01,momentum=0.9")


def wide_text(count: int) -> Graph:
    """Builds a graph like those of training programs: several attributes per node, small constants, output
    shapes."""
    nodes = []
    shapes = tuple(Shape((n, 128)) for n in range(3))
    value = from_array(np.arange(16, dtype=np.float32).reshape(4, 4))
    for i in range(count):
        attrs = {"T": dtypes.float32, "_output_shapes": shapes, "_class": (f"loc:@layer_{i // 7}".encode(),)}
        if i % 5 == 0:
            attrs = {"dtype": dtypes.float32, "value": value, "_output_shapes": shapes[:1]}
            nodes.append(Node(f"layer_{i}/weights/initial_value", "Const", (), attrs, "/device:CPU:0"))
        else:
            before = nodes[i - 1].name
            nodes.append(Node(f"layer_{i}/activation/Add", "AddV2", (before, before), attrs, "/device:CPU:0"))
    return Graph(tuple(nodes), versions=Versions(1087))


def chain(count: int) -> Graph:
    """Builds a chain of ``count`` nodes of four operations."""
    nodes = [Node("x", "Placeholder", attrs={"dtype": dtypes.float32, "shape": Shape((None, 16))})]
    kinds = ("AddV2", "Mul", "Relu", "Neg")
    for i in range(count):
        op, before = kinds[i % 4], nodes[-1].name
        inputs = (before, "x") if i % 4 < 2 else (before,)
        nodes.append(Node(f"n{i}", op, inputs, {"T": dtypes.float32}))
    return Graph(tuple(nodes))
