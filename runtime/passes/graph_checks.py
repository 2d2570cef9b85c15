"""Structural checks: a session refuses a graph with such a fault, whichever part of it a step would run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt.errors import Status, TfgError, invalid
from ...graphfmt.graph import Graph, Node, endpoint
from ...graphfmt.names import ATTR_NAME, INTERNAL_NODE_NAME, NODE_NAME, Hints

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...kernels.functions.library import Library

# The newest consumer version that this build supports; TensorFlow refuses newer graphs likewise.
CONSUMER_VERSION = 2500
# The limit of outputs in lists, beside those that are read: numbers in a file must not take memory and time.
MAX_LISTED = 1 << 17
# Lists of outputs up to this length are not counted.
_SHORT = 64


def check_structure(graph: Graph) -> None:
    """Raises the first structural fault of a graph, INVALID_ARGUMENT at its node."""
    for fault in structure_faults(graph):
        raise fault


def check_graph(graph: Graph) -> None:
    """Raises the first fault that can be found without inferring shapes: of the structure, of an attribute or of the
    number of inputs, or a cycle. Operations need not be known. Warns of attributes that an operation does not have."""
    from ...kernels.core.inference import topological_order
    from ...kernels.functions.library import graph_library

    check_structure(graph)
    library = graph_library(graph)
    _check_attrs(graph, library)
    if library is not None:
        _check_functions(library)
    for _ in topological_order(graph):
        pass


def _check_attrs(graph: Graph, library: Library | None) -> None:
    """Raises the first fault of an attribute or of the number of inputs; warns of unknown attributes."""
    from ...kernels.core import registry
    from ...kernels.core.inference import warn_of_attrs

    ops = {name: registry.find(name, library) for name in {node.op for node in graph.nodes}}
    for node in graph.nodes:
        op = ops[node.op]
        if op is None:
            continue
        try:
            bound = op.signature.bind(node)
        except TfgError as error:
            raise graph.error_at(error, node.name) from None
        if bound.unknown_attrs:
            warn_of_attrs(graph, node, op, bound)


def _check_functions(library: Library) -> None:
    """Raises the first fault in a function's body; node names get the function's name as a prefix."""
    for name in library.definitions:
        errors, _, body = library.faults(name)
        try:
            for error in errors:
                raise error
            if body is not None:
                check_structure(body.graph)
                _check_attrs(body.graph, library)
        except TfgError as error:
            error.node = f"{name}/{error.node}" if error.node else name
            raise


def structure_faults(graph: Graph) -> Iterator[TfgError]:
    """Yields structural faults: versions, names, duplicates, and inputs that are malformed, out of order or
    unknown."""
    yield from _version_faults(graph)
    if graph.functions:
        yield from _function_faults(graph)
    for node in nodes_beyond_outputs(graph):
        message = (
            f"node {node.name!r} asks for more outputs than all nodes of this graph may have: {MAX_LISTED}"
        )
        yield fault_at_node(graph, TfgError(Status.RESOURCE_EXHAUSTED, message), node)
    seen: set[str] = set()
    hints = Hints()
    for node in graph.nodes:
        yield from _name_faults(graph, node, seen)
        seen.add(node.name)
        yield from _input_faults(graph, node, hints)


def nodes_beyond_outputs(graph: Graph) -> Iterator[Node]:
    """Yields the nodes whose lists of outputs are more than the graph may have in all: more than MAX_LISTED and than
    its nodes read. Short lists do not count."""
    from ...kernels.core import registry

    total, most = 0, MAX_LISTED
    for node in graph.nodes:
        if not any(type(value) is int and value > _SHORT for value in node.attrs.values()):
            continue
        op = registry.find(node.op)
        counts = [node.attrs.get(arg.number_attr) for arg in (op.signature.outputs if op is not None else ())]
        count = sum(count for count in counts if isinstance(count, int))
        if count <= _SHORT:
            continue
        if total == 0:
            most += sum(len(other.inputs) for other in graph.nodes)
        total += count
        if total > most:
            yield node


def _version_faults(graph: Graph) -> Iterator[TfgError]:
    versions = graph.versions
    if versions.min_consumer > CONSUMER_VERSION:
        yield _at_file(
            graph,
            f"GraphDef min consumer version {versions.min_consumer} is above this build's {CONSUMER_VERSION}",
        )
    if CONSUMER_VERSION in versions.bad_consumers:
        yield _at_file(
            graph, f"GraphDef disallows consumer version {CONSUMER_VERSION}, which is this build's"
        )
    if versions.producer < 0 or versions.min_consumer < 0:
        yield _at_file(graph, "GraphDef versions must not be negative")


def _function_faults(graph: Graph) -> Iterator[TfgError]:
    """Yields faults of library functions: no name, a name used twice, or the name of an operation."""
    from ...kernels.core.index import FAMILY_OF

    seen: set[str] = set()
    for function in graph.functions:
        if not function.name:
            yield _at_file(graph, "a function of the library has no name")
        if function.name in seen:
            yield _at_file(graph, f"function {function.name!r} is defined twice")
        if function.name in FAMILY_OF:
            yield _at_file(graph, f"function {function.name!r} has the name of an operation")
        seen.add(function.name)


def _at_file(graph: Graph, message: str) -> TfgError:
    error = invalid(message)
    error.location = graph.locate("")
    return error


def _name_faults(graph: Graph, node: Node, seen: set[str]) -> Iterator[TfgError]:
    pattern = INTERNAL_NODE_NAME if node.op.startswith("_") else NODE_NAME
    if not pattern.fullmatch(node.name):
        yield fault_at_node(graph, invalid(f"Node name contains invalid characters: {node.name!r}"), node)
    if node.name in seen:
        yield fault_at_node(graph, invalid(f"Node {node.name!r} is not unique"), node)
    if not node.op:
        yield fault_at_node(graph, invalid(f"Node {node.name!r} does not specify an operation"), node)
    for name in node.attrs:
        if not ATTR_NAME.fullmatch(name):
            yield fault_at_node(graph, invalid(f"attr name {name!r} contains invalid characters"), node)


def _input_faults(graph: Graph, node: Node, hints: Hints) -> Iterator[TfgError]:
    control_seen = False
    for position, text in enumerate(node.inputs):
        try:
            source = endpoint(text)
        except TfgError as error:
            yield fault_at_node(graph, invalid(f"input {error.message}"), node, position)
            continue
        if control_seen and not source.is_control:
            message = (
                f"input {text!r} follows a control input; all control inputs must come after data inputs"
            )
            yield fault_at_node(graph, invalid(message), node, position)
        control_seen = control_seen or source.is_control
        if source.node not in graph:
            message = f"Node {node.name!r}: Unknown input node {text!r}"
            hint = hints.did_you_mean(source.node, graph.index)
            yield fault_at_node(graph, invalid(message, hint=hint), node, position)


def fault_at_node(
    graph: Graph, error: TfgError, node: Node, input: int | None = None, attr: str | None = None
) -> TfgError:
    """Returns the error with the name and source location of a node, or of one of its inputs or attributes."""
    return error.at(node.name, graph.locate(node, input=input, attr=attr or error.attr))
