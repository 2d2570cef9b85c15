"""Inlines function calls: the body of a function takes the place of the node that calls it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ....graphfmt.attributes import Function
from ....graphfmt.errors import TfgError
from ....graphfmt.graph import Endpoint, Node, endpoint
from ....kernels.functions.library import graph_library
from ..optimization.rewiring import without_repeated_controls
from .extraction import with_called_functions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....graphfmt.graph import Graph
    from ....kernels.functions.instantiation import Instance
    from ....kernels.functions.library import Library

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
# Calls within calls; a recursive function is left as it is.
_MAX_DEPTH = 64


def inline_functions(graph: Graph) -> Graph:
    """Returns the graph with the bodies of called functions in place of the calls.

    What conditionals and loops call stays, and so do recursive functions.

    Nodes of a body are named ``CALL/NODE``. The call's name stays as an IdentityN of the results, which waits for what
    runs with every call.
    """
    library = graph_library(graph)
    if library is None:
        return graph
    for _ in range(_MAX_DEPTH):
        inlined = _inline_once(graph, library)
        if inlined is graph:
            break
        graph = inlined
    return with_called_functions(graph)


def _inline_once(graph: Graph, library: Library) -> Graph:
    nodes: list[Node] = []
    changed = False
    for node in graph.nodes:
        function = _called(node, library)
        if function is None:
            nodes.append(node)
            continue
        nodes += _Body(node, library.instance(function), graph).nodes()
        changed = True
    return graph.with_nodes(nodes) if changed else graph


def _called(node: Node, library: Library) -> Function | None:
    """Returns the function that a node calls, if its body can take the place of the node."""
    if node.op in library.definitions:
        function = Function(node.op, {k: v for k, v in node.attrs.items() if not k.startswith("_")})
    elif node.op in _CALLS and isinstance(node.attrs.get("f"), Function):
        function = node.attrs["f"]
        assert isinstance(function, Function)
    else:
        return None
    if function.name not in library.definitions or library.is_recursive(function.name):
        return None
    try:
        library.instance(function)
    except TfgError:
        return None
    return function


class _Body:
    """The nodes of a function, named and wired for one call."""

    def __init__(self, call: Node, instance: Instance, graph: Graph) -> None:
        self._call = call
        self._instance = instance
        self._scope = self._free_scope(graph)
        data = [text for text in call.inputs if not text.startswith("^")]
        self._controls = tuple(text for text in call.inputs if text.startswith("^"))
        self._arguments: Mapping[str, str] = dict(zip(instance.args, data, strict=True))

    def _free_scope(self, graph: Graph) -> str:
        scope = self._call.name
        while any(f"{scope}/{node.name}" in graph for node in self._instance.graph.nodes):
            scope += "_"
        return scope

    def nodes(self) -> list[Node]:
        body = [
            self._inlined(node) for node in self._instance.graph.nodes if node.name not in self._arguments
        ]
        return [*body, self._results()]

    def _inlined(self, node: Node) -> Node:
        inputs = without_repeated_controls(tuple(map(self._input, node.inputs)))
        # A node without inputs must not run before the call could.
        inputs = inputs or self._controls
        device = node.device or self._call.device
        return replace(node, name=f"{self._scope}/{node.name}", inputs=inputs, device=device, offset=-1)

    def _input(self, text: str) -> str:
        source = endpoint(text)
        argument = self._arguments.get(source.node)
        if argument is None:
            return str(Endpoint(f"{self._scope}/{source.node}", source.port))
        return f"^{endpoint(argument).node}" if source.is_control else argument

    def _results(self) -> Node:
        instance = self._instance
        always = tuple(f"^{self._scope}/{name}" for name in instance.always(self._call))
        controls = tuple(dict.fromkeys([*always, *self._controls]))
        if not instance.results:
            return Node(self._call.name, "NoOp", controls, device=self._call.device)
        inputs = tuple(map(self._input, instance.results))
        attrs = {"T": instance.result_types}
        return Node(self._call.name, "IdentityN", (*inputs, *controls), attrs, self._call.device)
