"""A summary of a graph: inputs, outputs, variables, and the number of nodes per operation."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..graphfmt.dtypes import DType
from ..graphfmt.errors import TfgError
from ..graphfmt.graph import Endpoint, Graph, Node, endpoint
from ..graphfmt.shapes import Shape
from ..kernels.core.op_sets import INPUTS, VARIABLES
from .passes import validation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..kernels.core.facts import Fact

# Nodes without readers that are no outputs: they write, initialise or group.
_EFFECTS = (
    "Assign",
    "Scatter",
    "Apply",
    "ResourceApply",
    "SparseApply",
    "ResourceScatter",
    "NoOp",
    "Save",
    "Restore",
)


@dataclass(frozen=True, slots=True)
class NodeSummary:
    """An input, an output, or a variable of a graph."""

    name: str
    op: str
    dtype: DType | None
    shape: Shape

    @property
    def elements(self) -> int | None:
        return self.shape.size

    @property
    def bytes(self) -> int | None:
        """The bytes of its elements; None if shape or dtype is not known."""
        if self.shape.size is None or self.dtype is None or self.dtype.is_opaque:
            return None
        return self.shape.size * self.dtype.size


@dataclass(frozen=True, slots=True)
class Summary:
    """``outputs`` are the values that no node reads, ``targets`` the groups (NoOp) that no node waits for."""

    nodes: int
    inputs: Sequence[NodeSummary]
    outputs: Sequence[NodeSummary]
    targets: Sequence[str]
    variables: Sequence[NodeSummary]
    ops: Mapping[str, int]
    functions: Sequence[str]

    @property
    def parameters(self) -> int:
        """Elements of all variables whose shape is known."""
        return sum(v.elements or 0 for v in self.variables)


def summarize(graph: Graph) -> Summary:
    """Summarizes a graph, faulty or not."""
    facts = validation.shapes(graph)
    read = {text for node in graph.nodes for text in _normal(node)}
    named = {e.node for e in map(endpoint, read)}
    outputs = [
        _entry(node, port, facts)
        for node in graph.nodes
        if node.name not in named and node.op not in VARIABLES and not node.op.startswith(_EFFECTS)
        for port in range(len(facts.get(node.name, ())))
    ]
    return Summary(
        nodes=len(graph.nodes),
        inputs=[_entry(node, 0, facts) for node in graph.nodes if node.op in INPUTS],
        outputs=outputs,
        targets=[n.name for n in graph.nodes if n.name not in named and n.op == "NoOp"],
        variables=[_variable(node) for node in graph.nodes if node.op in VARIABLES],
        ops=dict(Counter(node.op for node in graph.nodes).most_common()),
        functions=[function.name for function in graph.functions],
    )


def _normal(node: Node) -> Iterator[str]:
    for text in node.inputs:
        try:
            yield str(endpoint(text))
        except TfgError:
            continue


def _entry(node: Node, port: int, facts: Mapping[str, Sequence[Fact]]) -> NodeSummary:
    outputs = facts.get(node.name, ())
    name = str(Endpoint(node.name, port))
    if port >= len(outputs):
        return NodeSummary(name, node.op, None, Shape(None))
    return NodeSummary(name, node.op, outputs[port].dtype.base, outputs[port].shape)


def _variable(node: Node) -> NodeSummary:
    dtype, shape = node.attrs.get("dtype"), node.attrs.get("shape")
    return NodeSummary(
        node.name,
        node.op,
        dtype if isinstance(dtype, DType) else None,
        shape if isinstance(shape, Shape) else Shape(None),
    )
