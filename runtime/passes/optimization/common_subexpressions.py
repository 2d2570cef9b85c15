"""Merges nodes that compute the same: white paper section 5.1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt import dtypes
from ....graphfmt.graph import Endpoint, endpoint
from ....graphfmt.tensors import TensorValue
from ....kernels.core.inference import topological_order
from ....kernels.core.op_sets import CONSTANTS
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
    merger = _Merger(graph, context)
    for node in topological_order(graph):
        merger.add(node)
    return _merge(graph, merger.merged, context)


class _Merger:
    """Compares each node with those before it. ``merged`` gives the node that takes the place of another.

    Few nodes have the operation and inputs of another, so attributes are looked at for those alone.
    """

    def __init__(self, graph: Graph, context: PassContext) -> None:
        self.merged: dict[str, str] = {}
        self._graph = graph
        self._context = context
        self._is_commutative: dict[str, bool] = {}
        # The first node of each operation and inputs, until another one is compared with it.
        self._alone: dict[Any, Node] = {}
        self._compared: dict[Any, Node] = {}

    def add(self, node: Node) -> None:
        """Merges a node with one before it that computes the same, if there is one."""
        if not node.inputs and node.op not in CONSTANTS:
            return
        key = (node.op, self._inputs(node))
        if node.inputs and key not in self._alone and (*key, None) not in self._compared:
            self._alone[key] = node
            return
        if not self._may_be_merged(node):
            return
        first = self._alone.pop(key, None)
        if first is not None:
            self._compared[(*key, None)] = first
            self._compared[(*key, _attrs_key(first))] = first
        self._compare(node, (*key, _attrs_key(node)))

    def _compare(self, node: Node, key: Any) -> None:
        if key[-1] is None:
            return
        same = self._compared.setdefault(key, node)
        if same is node:
            return
        kept = self._context.kept
        if node.name not in kept:
            self.merged[node.name] = same.name
        elif same.name not in kept:
            self.merged[same.name] = node.name
            self._compared[key] = node

    def _inputs(self, node: Node) -> tuple[str, ...]:
        inputs = node.inputs
        if self.merged:
            sources = map(endpoint, inputs)
            renamed = tuple(str(Endpoint(self.merged.get(s.node, s.node), s.port)) for s in sources)
            inputs = without_repeated_controls(renamed)
        if len(inputs) == 2 and inputs[0] > inputs[1] and self._commutes(node):
            return (inputs[1], inputs[0])
        return inputs

    def _commutes(self, node: Node) -> bool:
        if node.op not in self._is_commutative:
            op = self._context.op(node)
            self._is_commutative[node.op] = op is not None and op.commutative
        return self._is_commutative[node.op]

    def _may_be_merged(self, node: Node) -> bool:
        return self._context.is_pure(node) and not self._context.reads_state(node, self._graph)


def _merge(graph: Graph, merged: Mapping[str, str], context: PassContext) -> Graph:
    outputs: dict[Endpoint, Endpoint] = {}
    for name, same in merged.items():
        op = context.op(graph[name])
        assert op is not None
        count = len(op.signature.bind(graph[name]).output_types)
        outputs.update({Endpoint(name, port): Endpoint(same, port) for port in range(count)})
    return redirect(graph, outputs)


def _attrs_key(node: Node) -> Any:
    """Returns equal keys for equal attributes and devices; None for a constant that is too large to look at."""
    attrs: list[Any] = [node.device]
    for name in sorted(node.attrs.keys() - _ANNOTATIONS):
        value = _comparable(node.attrs[name])
        if value is None:
            return None
        attrs.append((name, value))
    return tuple(attrs)


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
