"""Nodes of a GraphBuilder as gradient functions see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ...graphfmt.errors import invalid
from ...graphfmt.signatures import plain_value
from .tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from ...graphfmt.graph import Node
    from .graph_builder import GraphBuilder


class Backpropagate(Protocol):
    """Adds to the body of a function the gradients of ``ys`` with respect to ``xs``, given those of the ``ys`` (None
    for zeros); None for an x that no y depends on."""

    def __call__(
        self, g: GraphBuilder, ys: Sequence[Tensor], xs: Sequence[Tensor], dys: Sequence[Tensor | None], /
    ) -> list[Tensor | None]: ...


@dataclass(frozen=True)
class NodeView:
    """A node of a builder, with its inputs, outputs and attributes."""

    builder: GraphBuilder
    node: Node

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def inputs(self) -> list[Tensor]:
        return [Tensor(self.builder, e.node, e.port) for e in self.node.data_inputs]

    @property
    def outputs(self) -> list[Tensor]:
        return [Tensor(self.builder, self.name, i) for i in range(len(self.builder.facts_of(self.name)))]

    def has_attr(self, name: str) -> bool:
        """True if the operation has an attribute of that name."""
        return name in self.builder.op(self.node.op).signature.attr_index

    def attr(self, name: str) -> Any:
        """Returns an attribute, default included, as a builder takes it: strings are str, lists are tuples.

        Raises INVALID_ARGUMENT if the operation has no such attribute."""
        signature = self.builder.op(self.node.op).signature
        if name not in signature.attr_index and name not in self.node.attrs:
            raise invalid(f"operation {signature.name} has no attr {name!r}")
        value = self.node.attrs.get(name, signature.defaults.get(name))
        return plain_value(value)


@dataclass(frozen=True)
class GradientNode(NodeView):
    """A node while the gradients of its inputs are added: what the gradient engine gives to gradient functions.

    Attributes:
        path: the names of the nodes whose gradients contribute to one that was asked for.
        backpropagate: the engine itself, for operations that call functions.
    """

    path: Container[str]
    backpropagate: Backpropagate

    @property
    def wanted(self) -> list[bool]:
        """For each input, True if its gradient contributes to one that was asked for."""
        return [e.node in self.path for e in self.node.data_inputs]
