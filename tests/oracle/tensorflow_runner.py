"""Runs a tfg Graph in TensorFlow, node for node, without tfg's own writers in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import tensorflow as tf
from tfg.graphfmt.attributes import AttrValue, Function
from tfg.graphfmt.dtypes import DType
from tfg.graphfmt.graph import Graph
from tfg.graphfmt.shapes import Shape
from tfg.graphfmt.tensors import TensorValue

from tests.kernels.harness import Case, Record, gradient_graph_of, graph_of, weights_for
from tests.kernels.state_harness import StateCase, state_graph_of

# Registers the gradients of maps, which TensorFlow leaves out at first.
import_module("tensorflow.python.ops.map_ops")

v1: Any = tf.compat.v1
v1.disable_v2_behavior()


def to_graph_def(graph: Graph) -> Any:
    """The graph as TensorFlow's own message."""
    message = v1.GraphDef()
    message.versions.producer = graph.versions.producer
    for node in graph.nodes:
        made = message.node.add(name=node.name, op=node.op, input=node.inputs, device=node.device)
        for name, value in node.attrs.items():
            _set(made.attr[name], value)
    return message


def _set(attr: Any, value: AttrValue) -> None:
    if isinstance(value, tuple):
        attr.list.SetInParent()
        for item in value:
            _append(attr.list, item)
    elif isinstance(value, bool):
        attr.b = value
    elif isinstance(value, int):
        attr.i = value
    elif isinstance(value, float):
        attr.f = value
    elif isinstance(value, bytes):
        attr.s = value
    elif isinstance(value, DType):
        attr.type = value.number
    elif isinstance(value, Shape):
        _shape(attr.shape, value)
    elif isinstance(value, TensorValue):
        attr.tensor.CopyFrom(_tensor(value))
    elif isinstance(value, Function):
        attr.func.name = value.name
        for name, inner in value.attrs.items():
            _set(attr.func.attr[name], inner)


def _append(target: Any, item: Any) -> None:
    if isinstance(item, bool):
        target.b.append(item)
    elif isinstance(item, int):
        target.i.append(item)
    elif isinstance(item, float):
        target.f.append(item)
    elif isinstance(item, bytes):
        target.s.append(item)
    elif isinstance(item, DType):
        target.type.append(item.number)
    elif isinstance(item, Shape):
        _shape(target.shape.add(), item)
    elif isinstance(item, TensorValue):
        target.tensor.add().CopyFrom(_tensor(item))
    elif isinstance(item, Function):
        target.func.add(name=item.name)


def _shape(message: Any, shape: Shape) -> None:
    message.SetInParent()
    if shape.dims is None:
        message.unknown_rank = True
        return
    for dim in shape.dims:
        message.dim.add(size=-1 if dim is None else dim)


def _tensor(value: TensorValue) -> Any:
    array = np.array(value.array())
    return tf.make_tensor_proto(array, dtype=tf.as_dtype(value.dtype.number), shape=array.shape)


def run(
    graph: Graph, fetches: Sequence[str], feeds: Mapping[str, Any], init: Sequence[str] = ()
) -> list[Any]:
    """The values of the fetches, after a step that runs the nodes ``init``."""
    with v1.Graph().as_default() as imported:
        tf.graph_util.import_graph_def(to_graph_def(graph), name="")
        with v1.Session(graph=imported, config=plain_config()) as session:
            for name in init:
                session.run(imported.get_operation_by_name(name))
            return session.run([_fetchable(imported, f) for f in fetches], _feeds(feeds))


def _feeds(feeds: Mapping[str, Any]) -> dict[str, Any]:
    # Copies, because TensorFlow may take a fed array as it is, and some operations write into their input.
    return {_full(name): np.array(value) for name, value in feeds.items()}


def _full(name: str) -> str:
    return name if ":" in name else name + ":0"


def _fetchable(imported: Any, name: str) -> Any:
    operation = imported.get_operation_by_name(name.split(":")[0])
    return imported.get_tensor_by_name(_full(name)) if operation.outputs else operation


def plain_config() -> Any:
    """No graph rewriting: what is compared is the kernels."""
    config = v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = -1
    return config


def observe(row: Case) -> Record:
    """What TensorFlow does with a row."""
    try:
        if isinstance(row, StateCase):
            return Record(None, _run_state(row), [], [])
        graph, outputs, feeds = graph_of(row)
        values = run(graph, outputs, feeds)
        shapes = _static_shapes(row)
        gradients = _gradients(row, values) if row.grad else []
        return Record(None, values, shapes, gradients)
    except tf.errors.OpError as error:
        return Record(_status(error.error_code), [], [], [])
    except ValueError:
        return Record("INVALID_ARGUMENT", [], [], [])


def _run_state(row: StateCase) -> list[Any]:
    made = state_graph_of(row)
    with v1.Graph().as_default() as imported:
        tf.graph_util.import_graph_def(to_graph_def(made.graph), name="")
        with v1.Session(graph=imported, config=plain_config()) as session:
            values: list[Any] = []
            for names in (made.init, made.outputs, made.reads):
                found = session.run([_fetchable(imported, n) for n in names], _feeds(made.feeds))
                values += [x for x in found if x is not None] if names is not made.init else []
            return values


def _status(code: int) -> str:
    names = {
        1: "CANCELLED", 2: "UNKNOWN", 3: "INVALID_ARGUMENT", 4: "DEADLINE_EXCEEDED", 5: "NOT_FOUND",
        6: "ALREADY_EXISTS", 7: "PERMISSION_DENIED", 8: "RESOURCE_EXHAUSTED", 9: "FAILED_PRECONDITION",
        10: "ABORTED", 11: "OUT_OF_RANGE", 12: "UNIMPLEMENTED", 13: "INTERNAL", 15: "DATA_LOSS",
    }  # fmt: skip
    return names[code]


def _static_shapes(row: Case) -> list[str]:
    graph, outputs, _ = graph_of(row, constants=True)
    with v1.Graph().as_default() as imported:
        tf.graph_util.import_graph_def(to_graph_def(graph), name="")
        tensors = [_fetchable(imported, name) for name in outputs]
        return [_shown(t.shape) for t in tensors if hasattr(t, "shape")]


def _shown(shape: Any) -> str:
    if shape.rank is None:
        return "<unknown>"
    return "[" + ",".join("?" if d is None else str(d) for d in shape.as_list()) + "]"


def _gradients(row: Case, values: Sequence[Any]) -> list[Any]:
    graph, inputs, _, feeds = gradient_graph_of(row)
    with v1.Graph().as_default() as imported:
        tf.graph_util.import_graph_def(to_graph_def(graph), name="")
        weighed = [_fetchable(imported, n.name) for n in graph.nodes if n.name.startswith("weighed")]
        xs = [_fetchable(imported, name) for name in inputs]
        found = v1.gradients(weighed, xs, [tf.ones_like(y) for y in weighed])
        wanted = [tf.convert_to_tensor(x) for x in found if x is not None]
        with v1.Session(graph=imported, config=plain_config()) as session:
            got = iter(session.run(wanted, _feeds({**feeds, **weights_for(values)})))
        return [None if x is None else next(got) for x in found]
