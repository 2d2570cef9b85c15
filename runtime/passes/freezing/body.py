"""Bodies and functions during freezing: which of their tensors are values now, and which nodes cannot stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ....graphfmt.graph import Endpoint
from .node_rules import InputValues, VariableValue

if TYPE_CHECKING:
    from ....graphfmt.graph import Graph, Node


@dataclass
class FrozenBody:
    """A body while its variables become values.

    ``values`` are the tensors that were handles or references; ``blocked`` maps nodes that cannot stay to the
    reason; ``calls`` maps nodes to the functions that they call instead.
    """

    graph: Graph
    values: dict[Endpoint, VariableValue] = field(default_factory=dict[Endpoint, VariableValue])
    blocked: dict[str, str] = field(default_factory=dict[str, str])
    calls: dict[str, list[FunctionCopy]] = field(default_factory=dict[str, "list[FunctionCopy]"])

    def input_values(self, node: Node) -> InputValues:
        """Returns the inputs of a node that are values now, by position."""
        found = ((i, self.values.get(source)) for i, source in enumerate(node.data_inputs))
        return {i: value for i, value in found if value is not None}


@dataclass
class FunctionCopy:
    """The copy of a function: its name, the results that were handles, and the reason if it cannot be called.

    An unchanged copy has the name of the function itself.
    """

    name: str
    results: InputValues = field(default_factory=InputValues)
    blocked: str = ""
