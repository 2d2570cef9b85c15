"""The outputs of nodes that a GraphBuilder holds, and gradients that are rows of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...graphfmt.graph import Endpoint

if TYPE_CHECKING:
    from ...graphfmt.dtypes import DType
    from ...graphfmt.shapes import Shape
    from ..core.facts import Fact
    from .graph_builder import GraphBuilder


@dataclass(frozen=True, eq=False)
class Tensor:
    """An output of a node that a builder holds. Python's operators add nodes."""

    builder: GraphBuilder
    node: str
    port: int = 0

    @property
    def name(self) -> str:
        """As an input names it: ``node``, or ``node:1``."""
        return str(Endpoint(self.node, self.port))

    @property
    def fact(self) -> Fact:
        return self.builder.facts_of(self.node)[self.port]

    @property
    def dtype(self) -> DType:
        """The dtype of the value; a reference counts as what it refers to."""
        return self.fact.dtype.base

    @property
    def shape(self) -> Shape:
        return self.fact.shape

    def __add__(self, other: Any) -> Tensor:
        return self.builder.add_op("AddV2", self, other)

    def __radd__(self, other: Any) -> Tensor:
        return self.builder.add_op("AddV2", other, self)

    def __sub__(self, other: Any) -> Tensor:
        return self.builder.add_op("Sub", self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return self.builder.add_op("Sub", other, self)

    def __mul__(self, other: Any) -> Tensor:
        return self.builder.add_op("Mul", self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return self.builder.add_op("Mul", other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return self.builder.add_op("RealDiv", self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return self.builder.add_op("RealDiv", other, self)

    def __neg__(self) -> Tensor:
        return self.builder.add_op("Neg", self)

    def __matmul__(self, other: Any) -> Tensor:
        return self.builder.add_op("MatMul", self, other)

    def __repr__(self) -> str:
        return f"<{self.name}: {self.dtype}{self.shape}>"


@dataclass(frozen=True, slots=True)
class IndexedSlices:
    """The gradient of a gather: ``values[i]`` belongs to row ``indices[i]`` of a tensor whose shape is the
    vector ``dense_shape``. Rows that are not named are zero; rows named twice add up."""

    values: Tensor
    indices: Tensor
    dense_shape: Tensor
