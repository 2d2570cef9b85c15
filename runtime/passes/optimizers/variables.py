"""Variables of a graph under construction, with one interface for reference and resource variables."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING

from ....graphfmt import dtypes
from ....graphfmt.dtypes import DType
from ....kernels.core.op_sets import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Generator

    from ....graphfmt.attributes import AttrValue
    from ....graphfmt.graph import Node
    from ....graphfmt.shapes import Shape
    from ....kernels.builder.graph_builder import GraphBuilder, Tensor


@dataclass(frozen=True)
class VariableNodes:
    """A variable of a graph: ``tensor`` is its reference or resource handle."""

    builder: GraphBuilder
    node: Node
    tensor: Tensor

    @property
    def by_handle(self) -> bool:
        return self.node.op == "VarHandleOp"

    @property
    def dtype(self) -> DType:
        dtype = self.node.attrs["dtype"]
        assert isinstance(dtype, DType)
        return dtype

    @property
    def shape(self) -> Shape:
        if not self.by_handle:
            return self.tensor.shape
        handle = self.tensor.fact.handle
        assert handle is not None
        return handle.shape

    @contextmanager
    def colocated(self) -> Generator[None]:
        """Colocates nodes that are added within the context with the variable."""
        place: dict[str, AttrValue] = {"_class": (f"loc:@{self.node.name}".encode(),)}
        with self.builder.device(self.node.device), self.builder.attributes(**place):
            yield

    def read(self) -> Tensor:
        """Adds a read of the value, after the current control dependencies."""
        if not self.by_handle:
            return self.builder.Identity(self.tensor)
        return self.builder.ReadVariableOp(self.tensor, dtype=self.dtype)

    def assign(self, value: Tensor, name: str | None = None) -> Tensor | str:
        """Adds an assignment; returns what others can wait for."""
        if self.by_handle:
            return self.builder.AssignVariableOp(self.tensor, value, name=name)
        known = self.shape.dims is not None
        return self.builder.Assign(self.tensor, value, validate_shape=known, name=name)

    def subtract(self, value: Tensor) -> Tensor | str:
        """Adds a subtraction of a value from the variable."""
        if self.by_handle:
            return self.builder.AssignSubVariableOp(self.tensor, value)
        return self.builder.AssignSub(self.tensor, value)

    def scatter(self, how: str, indices: Tensor, rows: Tensor) -> Tensor | str:
        """Adds an update of some rows; ``how`` is Add, Sub or Update."""
        if self.by_handle:
            return self.builder.add_op(f"ResourceScatter{how}", self.tensor, indices, rows)
        return self.builder.add_op(f"Scatter{how}", self.tensor, indices, rows)

    def gather(self, indices: Tensor) -> Tensor:
        """Adds a read of some rows."""
        if self.by_handle:
            return self.builder.ResourceGather(self.tensor, indices, dtype=self.dtype)
        return self.builder.GatherV2(self.tensor, indices, self.builder.constant(0))

    def read_after(self, *changes: Tensor | str) -> Tensor:
        """Adds a read of the value after these changes."""
        with self.builder.control_dependencies(list(changes)):
            return self.read()


def variable_nodes(g: GraphBuilder, name: str) -> VariableNodes:
    """Returns a variable of the graph by its node's name."""
    return VariableNodes(g, g.view(name).node, g.tensor(name))


def unused_name(g: GraphBuilder, name: str) -> str:
    """Returns the name, with a number appended if a node has it."""
    return next(n for n in chain([name], (f"{name}_{i}" for i in count(1))) if n not in g)


def add_variable(
    g: GraphBuilder, like: VariableNodes, name: str, initial: Tensor
) -> tuple[VariableNodes, Tensor | str]:
    """Adds a variable of the same kind and device as another, and returns it with its initial assignment."""
    dtype, shape = initial.dtype, initial.shape
    with like.colocated():
        if like.by_handle:
            tensor = g.VarHandleOp(dtype=dtype, shape=shape, shared_name=name, name=name)
        else:
            tensor = g.VariableV2(dtype=dtype, shape=shape, name=name)
        variable = VariableNodes(g, g.view(name).node, tensor)
        return variable, variable.assign(initial, name=f"{name}/Assign")


def is_variable(node: Node) -> bool:
    return node.op in VARIABLES


def is_floating(node: Node) -> bool:
    """Returns True if gradients flow to the dtype of a variable."""
    dtype = node.attrs.get("dtype", dtypes.INVALID)
    return isinstance(dtype, DType) and dtype.is_differentiable
