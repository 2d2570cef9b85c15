"""Constant folding: computes nodes that depend on constants alone, once instead of in every step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....graphfmt.graph import Endpoint, Graph, Node, endpoint
from ....graphfmt.tensors import from_array
from ....kernels.core.binding import bind
from ....kernels.core.facts import constant_fact
from ....kernels.core.inference import infer_node, topological_order
from ....kernels.core.op_sets import CONSTANTS, IDENTITIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....graphfmt.attributes import AttrValue
    from ....graphfmt.tensors import Array
    from ....kernels.core.facts import Fact
    from ....kernels.core.registry import Op
    from .candidates import PassContext

# A result may be this large, or as large as the inputs it is computed from: a graph of a few lines must not become one
# of megabytes.
_MAX_GROWTH_BYTES = 1 << 16


class _Folded(NamedTuple):
    """The values of a node's outputs, and the nodes that it waits for."""

    values: Sequence[Array]
    facts: Sequence[Fact]
    controls: tuple[str, ...]


def fold_constants(graph: Graph, context: PassContext) -> Graph:
    """Returns the graph with constants for nodes that depend on constants alone, and do nothing else.

    A node that fails stays as it is, and fails in the step. Random operations are not computed in advance, nor those
    whose result is much larger than their inputs.
    """
    folder = _Folder(graph, context)
    folded = {node.name: folder.values[node.name] for node in topological_order(graph) if folder.fold(node)}
    if not folded:
        return graph
    return _with_constants(graph, folded)


class _Folder:
    """Computes nodes in topological order. ``values`` are those known, constants included."""

    def __init__(self, graph: Graph, context: PassContext) -> None:
        self.graph = graph
        self.context = context
        self.values: dict[str, _Folded] = {}

    def fold(self, node: Node) -> bool:
        """Computes a node if possible; returns True if it was computed and is no constant already."""
        if node.op in CONSTANTS:
            self._take_constant(node)
            return False
        data = node.data_inputs
        if not data or not all(source.node in self.values for source in data):
            return False
        op = self.context.op(node)
        if (
            op is None
            or not self.context.is_pure(node)
            or op.calls is not None
            or op.family.startswith("random.")
        ):
            return False
        if node.op in IDENTITIES:
            # A second constant would take the memory of the first again.
            self._pass_on(node, data[0])
            return False
        folded = self._computed(node, op, data)
        if folded is None:
            return False
        self.values[node.name] = folded
        return True

    def _pass_on(self, node: Node, source: Endpoint) -> None:
        before = self.values[source.node]
        if source.port < len(before.values):
            controls = tuple(dict.fromkeys([*_controls(node), *before.controls]))
            port = slice(source.port, source.port + 1)
            self.values[node.name] = _Folded(before.values[port], before.facts[port], controls)

    def _take_constant(self, node: Node) -> None:
        op = self.context.op(node)
        if op is None:
            return
        try:
            bound = op.signature.bind(node)
            value = bound.attrs["value"].array()  # type: ignore[union-attr]
        except Exception:
            return
        fact = constant_fact(value, bound.output_types[0])
        self.values[node.name] = _Folded([value], [fact], _controls(node))

    def _computed(self, node: Node, op: Op, data: Sequence[Endpoint]) -> _Folded | None:
        sources = [self.values[source.node] for source in data]
        if any(source.port >= len(one.values) for source, one in zip(data, sources)):
            return None
        values = [one.values[source.port] for source, one in zip(data, sources)]
        facts = [one.facts[source.port] for source, one in zip(data, sources)]
        try:
            bound = op.signature.bind(node)
            outputs = infer_node(op, node, bound, facts, self.context.library, self.graph.versions.producer)
            if not bound.output_types or any(t.is_opaque and t.name != "string" for t in bound.output_types):
                return None
            if not _is_small(outputs, values):
                return None
            with np.errstate(all="ignore"):
                result = bind(op, node, bound, facts, np)(*values)
        except Exception:
            return None
        flat = list(result) if isinstance(result, list | tuple) else [result]
        arrays = [
            _as_array(value, dtype.numpy) for value, dtype in zip(flat, bound.output_types, strict=True)
        ]
        if _total_bytes(arrays) > _limit(values):
            return None
        controls = tuple(dict.fromkeys([*_controls(node), *(c for one in sources for c in one.controls)]))
        folded = [constant_fact(array, dtype) for array, dtype in zip(arrays, bound.output_types)]
        return _Folded(arrays, folded, controls)


def _as_array(value: Any, dtype: Any) -> Array:
    if isinstance(value, bytes):
        array = np.empty((), object)
        array[()] = value
        return array
    return np.asarray(value, dtype)


def _is_small(outputs: Sequence[Fact], inputs: Sequence[Array]) -> bool:
    """Returns False where the outputs are known to be too large, before they are computed."""
    sizes = [fact.shape.size for fact in outputs]
    known = sum(size * max(fact.dtype.size, 1) for size, fact in zip(sizes, outputs) if size is not None)
    return known <= _limit(inputs)


def _limit(inputs: Sequence[Array]) -> int:
    return max(_MAX_GROWTH_BYTES, _total_bytes(inputs))


def _total_bytes(arrays: Sequence[Array]) -> int:
    return sum(array.nbytes for array in arrays)


def _controls(node: Node) -> tuple[str, ...]:
    return tuple(text for text in node.inputs if text.startswith("^"))


def _with_constants(graph: Graph, folded: Mapping[str, _Folded]) -> Graph:
    """Replaces folded nodes. One with several outputs becomes a constant for each that is read, beside it."""
    nodes: list[Node] = []
    moved: dict[Endpoint, str] = {}
    names = set(graph.index)
    read = {endpoint(text) for node in graph.nodes for text in node.inputs}
    for node in graph.nodes:
        one = folded.get(node.name)
        if one is None:
            nodes.append(node)
        elif len(one.values) == 1:
            nodes.append(_constant(node, node.name, one, 0))
        else:
            nodes.append(node)
            for port in range(len(one.values)):
                if Endpoint(node.name, port) not in read:
                    continue
                name = _unique(f"{node.name}/folded_{port}", names)
                moved[Endpoint(node.name, port)] = name
                nodes.append(_constant(node, name, one, port))
    return graph.with_nodes([_rewired(node, moved) for node in nodes] if moved else nodes)


def _unique(name: str, names: set[str]) -> str:
    while name in names:
        name += "_"
    names.add(name)
    return name


def _constant(node: Node, name: str, folded: _Folded, port: int) -> Node:
    dtype = folded.facts[port].dtype
    attrs: dict[str, AttrValue] = {"dtype": dtype, "value": from_array(folded.values[port], dtype)}
    if "_class" in node.attrs:
        attrs["_class"] = node.attrs["_class"]
    return replace(node, name=name, op="Const", inputs=folded.controls, attrs=attrs, debug=b"")


def _rewired(node: Node, moved: Mapping[Endpoint, str]) -> Node:
    inputs = tuple(moved.get(endpoint(text), text) for text in node.inputs)
    return node if inputs == node.inputs else replace(node, inputs=inputs)
