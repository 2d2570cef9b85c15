"""Chains of nodes in which each has the next as its only reader: candidates for fusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....graphfmt.graph import endpoint
from ....graphfmt.tensors import TensorValue
from ....graphfmt.traversal import readers
from ....kernels.core.op_sets import CONSTANTS

if TYPE_CHECKING:
    from collections.abc import Collection

    from ....graphfmt.graph import Graph, Node
    from ....graphfmt.tensors import Array
    from .candidates import PassContext


class Chains:
    """Looks up what precedes and follows the nodes of a graph, for passes that fuse several into one."""

    def __init__(self, graph: Graph, context: PassContext) -> None:
        self.graph = graph
        self.kept = context.kept
        self._readers = readers(graph.nodes)

    def producer(self, node: Node, ops: Collection[str], position: int = 0) -> Node | None:
        """Returns the node behind an input that can be fused into ``node``: of one of these operations, with ``node``
        as the only reader, of its first output; not kept, on the same device and without control inputs."""
        source = endpoint(node.inputs[position])
        before = self.graph.index.get(source.node)
        if before is None or before.op not in ops or source.port != 0 or before.name in self.kept:
            return None
        if self._readers[before.name] != [node.name] or before.device != node.device or before.control_inputs:
            return None
        return before

    def only_reader(self, node: Node) -> Node | None:
        """Returns the node that alone reads a node or waits for it, None if there is none or more than one."""
        names = self._readers.get(node.name, [])
        return self.graph[names[0]] if len(names) == 1 else None

    def constant(self, node: Node, position: int) -> Array | None:
        """Returns the value of an input that is a Const without control inputs, else None."""
        source = endpoint(node.inputs[position])
        constant = self.graph.index.get(source.node)
        if constant is None or constant.op not in CONSTANTS or constant.inputs:
            return None
        value = constant.attrs.get("value")
        return value.array() if isinstance(value, TensorValue) else None

    def reads_only_first_output(self, node: Node) -> bool:
        """Returns True if no node reads an output of a node other than its first."""
        sources = (
            s for name in self._readers.get(node.name, ()) for s in map(endpoint, self.graph[name].inputs)
        )
        return all(source.port == 0 or source.is_control for source in sources if source.node == node.name)
