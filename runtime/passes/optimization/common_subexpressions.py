"""Merges nodes that compute the same: white paper section 5.1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt import dtypes
from ....graphfmt.graph import Endpoint, endpoint
from ....graphfmt.tensors import TensorValue
from ....kernels.core.inference import topological_order
from .rewiring import redirect, without_repeated_controls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....graphfmt.attributes import AttrValue
    from ....graphfmt.graph import Graph, Node
    from .candidates import PassContext

# Larger constants are not compared: a step gains nothing from it.
_MAX_CONSTANT_BYTES = 1 << 12

# Attributes without influence on the outputs.
_ANNOTATIONS = frozenset({"_class", "_output_shapes", "_grappler_do_not_remove"})


def merge_common_subexpressions(graph: Graph, context: PassContext) -> Graph:
    """Returns the graph with one node for all that have the same operation, attributes, inputs, device and control
    inputs. Nodes with effects, random nodes and nodes that read variables are left alone; of two kept nodes
    both stay."""
    first: dict[Any, Node] = {}
    merged: dict[str, str] = {}
    commutative: dict[str, bool] = {}
    for node in topological_order(graph):
        if node.op not in commutative:
            op = context.op(node)
            commutative[node.op] = op is not None and op.commutative
        key = _key(node, merged, commutative=commutative[node.op])
        if key is None or not context.is_pure(node) or context.reads_state(node, graph):
            continue
        same = first.setdefault(key, node)
        if same is node:
            continue
        if node.name in context.kept:
            if same.name in context.kept:
                continue
            first[key], same, node = node, node, same
        merged[node.name] = same.name
    return _merge(graph, merged, context)


def _merge(graph: Graph, merged: Mapping[str, str], context: PassContext) -> Graph:
    outputs: dict[Endpoint, Endpoint] = {}
    for name, same in merged.items():
        op = context.op(graph[name])
        assert op is not None
        count = len(op.signature.bind(graph[name]).output_types)
        outputs.update({Endpoint(name, port): Endpoint(same, port) for port in range(count)})
    return redirect(graph, outputs)


def _key(node: Node, merged: Mapping[str, str], *, commutative: bool) -> Any:
    """Returns equal keys for nodes that compute the same; None for a constant that is too large to look at."""
    sources = [endpoint(text) for text in node.inputs]
    inputs = tuple(str(Endpoint(merged.get(s.node, s.node), s.port)) for s in sources)
    inputs = without_repeated_controls(inputs)
    data = [text for text in inputs if not text.startswith("^")]
    controls = tuple(sorted(text for text in inputs if text.startswith("^")))
    if commutative:
        data.sort()
    attrs: list[Any] = []
    for name in sorted(node.attrs.keys() - _ANNOTATIONS):
        value = _comparable(node.attrs[name])
        if value is None:
            return None
        attrs.append((name, value))
    return (node.op, node.device, tuple(data), controls, tuple(attrs))


def _comparable(value: AttrValue) -> Any:
    """Returns a hashable value that tells attributes apart, NaN and the sign of zero included."""
    if isinstance(value, TensorValue):
        return _tensor_key(value)
    # Of a number, its kind and its digits: True is 1, and 0.0 is -0.0, for Python.
    return (type(value).__name__, repr(value))


def _tensor_key(value: TensorValue) -> Any:
    size = value.shape.size
    if (
        size is None
        or (value.dtype.is_opaque and value.dtype is not dtypes.string)
        or size * value.dtype.size > _MAX_CONSTANT_BYTES
    ):
        return None
    if value.dtype is dtypes.string:
        return (value.dtype.name, str(value.shape), repr(value))
    array = value.array()
    return (value.dtype.name, array.shape, array.tobytes())
