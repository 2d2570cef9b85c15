"""Tests for nodes that passes may merge, fold or remove."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ....graphfmt import dtypes
from ....graphfmt.errors import TfgError
from ....kernels.core import registry
from ....kernels.core.op_sets import INPUTS

if TYPE_CHECKING:
    from ....graphfmt.graph import Graph, Node
    from ....kernels.core.registry import Op
    from ....kernels.functions.library import Library


class PassContext(NamedTuple):
    """The nodes whose names and outputs must survive every pass, and the graph's functions."""

    kept: frozenset[str]
    library: Library | None = None

    def op(self, node: Node) -> Op | None:
        """Returns a node's operation, None if this build does not have it."""
        try:
            return registry.find(node.op, self.library)
        except TfgError:
            return None

    def is_pure(self, node: Node) -> bool:
        """Returns True if the outputs of a node depend on its inputs and attributes alone, and it has no effects."""
        op = self.op(node)
        if op is None or op.stateful or op.asynchronous or op.is_control_flow or node.op in INPUTS:
            return False
        if op.effects.touches_files:
            return False
        return not any(arg.is_ref for arg in (*op.signature.inputs, *op.signature.outputs))

    def reads_state(self, node: Node, graph: Graph) -> bool:
        """Returns True if an input is a reference or a handle: its value may change between two reads."""
        return any(self._makes_references(graph.index.get(source.node)) for source in node.data_inputs)

    def _makes_references(self, node: Node | None) -> bool:
        op = self.op(node) if node is not None else None
        if op is None:
            return True
        return any(arg.is_ref or arg.dtype is dtypes.resource for arg in op.signature.outputs) or (
            node is not None and node.attrs.get("T") is dtypes.resource
        )
