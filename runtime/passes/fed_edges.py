"""Facts of fed outputs. Nothing upstream of a feed is looked at: it need not be valid, or of known operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt.dtypes import INVALID, DType
from ...graphfmt.errors import TfgError, invalid
from ...graphfmt.graph import endpoint
from ...kernels.core import registry
from ...kernels.core.facts import Fact
from ...kernels.core.inference import infer_node

if TYPE_CHECKING:
    from ...graphfmt.graph import Endpoint, Graph, Node
    from ...kernels.functions.library import Library


def fed_fact(graph: Graph, source: Endpoint) -> Fact:
    """Returns the dtype and shape of an output that is fed: by the node alone, else by what its readers take, else
    by a dtype among its attributes.

    Raises INVALID_ARGUMENT for an output that the node does not have, and where its dtype is not known.
    """
    library = _library(graph)
    node = graph[source.node]
    outputs = _own_facts(graph, node, library)
    if outputs is not None:
        if source.port >= len(outputs):
            message = f"node {node.name!r} has no output {source.port} to feed"
            raise graph.error_at(invalid(message), node.name)
        return outputs[source.port]._replace(constant=None, elements=None)
    dtype = _read_dtype(graph, source, library) or _stated_dtype(node, source.port)
    if dtype is None:
        error = invalid(
            f"the dtype of the fed {str(source)!r} is not known: {node.op!r} is no known operation"
        )
        raise graph.error_at(error, node.name)
    return Fact(dtype)


def _library(graph: Graph) -> Library | None:
    if not graph.functions:
        return None
    from ...kernels.functions.library import graph_library

    return graph_library(graph)


def _own_facts(graph: Graph, node: Node, library: Library | None) -> tuple[Fact, ...] | None:
    """Returns the facts of a node's outputs as far as its attributes determine them; None for a node that does not
    fit a known operation."""
    try:
        op = registry.get(node.op, library)
        bound = op.signature.bind(node)
    except TfgError:
        return None
    unknown = [Fact(dtype) for dtype in bound.input_types]
    try:
        return infer_node(op, node, bound, unknown, library, graph.versions.producer)
    except TfgError:
        return tuple(Fact(dtype) for dtype in bound.output_types)


def _read_dtype(graph: Graph, source: Endpoint, library: Library | None) -> DType | None:
    """Returns the dtype that the first valid reader of an output takes."""
    for node in graph.nodes:
        if not any(text.startswith(source.node) for text in node.inputs):
            continue
        inputs = [endpoint(text) for text in node.inputs]
        if source not in inputs:
            continue
        try:
            return registry.get(node.op, library).signature.bind(node).input_types[inputs.index(source)].base
        except TfgError:
            continue
    return None


def _stated_dtype(node: Node, port: int) -> DType | None:
    """Returns the dtype that attributes state for an output: that of the output's position in the only list of dtypes,
    or the only dtype."""
    lists = [v for v in node.attrs.values() if isinstance(v, tuple) and v and isinstance(v[0], DType)]
    if len(lists) == 1 and port < len(lists[0]):
        found = lists[0][port]
        return found if isinstance(found, DType) else None
    single = {value for value in node.attrs.values() if isinstance(value, DType) and value is not INVALID}
    return single.pop() if len(single) == 1 else None
