"""A summary of a graph: inputs, outputs, variables, and the number of nodes per operation."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..graphfmt.dtypes import DType
from ..graphfmt.errors import TfgError
from ..graphfmt.graph import Endpoint, Graph, Node, endpoint
from ..graphfmt.shapes import Shape
from ..graphfmt.traversal import descendants
from ..kernels.core.op_sets import (
    CONSTANTS,
    IDENTITIES,
    INITIALIZATION_QUERIES,
    INPUTS,
    REFERENCE_VARIABLES,
    RESTORERS,
    VARIABLE_READS,
    VARIABLES,
)
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
_UPDATES = tuple(name for name in _EFFECTS if name not in ("NoOp", "Save", "Restore"))


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
    """``outputs`` are the computed values that no node reads, ``targets`` the groups (NoOp) and updates that no node
    waits for."""

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

    def records(self) -> list[dict[str, Any]]:
        """Returns a dictionary per input, output and variable. ``pandas.DataFrame`` takes them."""
        groups = (("input", self.inputs), ("output", self.outputs), ("variable", self.variables))
        return [
            {
                "role": role,
                "name": entry.name,
                "op": entry.op,
                "dtype": entry.dtype.name if entry.dtype else None,
                "shape": entry.shape.dims,
                "bytes": entry.bytes,
            }
            for role, entries in groups
            for entry in entries
        ]

    def _repr_html_(self) -> str:
        from .profiling.html_table import html_table

        header = ("", "name", "operation", "dtype", "shape", "bytes")
        shapes = [str(entry.shape) for entry in (*self.inputs, *self.outputs, *self.variables)]
        rows = [
            (one["role"], one["name"], one["op"], one["dtype"] or "?", shape, one["bytes"] or "")
            for one, shape in zip(self.records(), shapes)
        ]
        caption = f"{self.nodes:,} nodes, {self.parameters:,} parameters"
        operations = html_table(("operation", "nodes"), list(self.ops.items()))
        return html_table(header, rows, caption) + operations


def summarize(graph: Graph) -> Summary:
    """Summarizes a graph, faulty or not."""
    facts = validation.shapes(graph)
    read = {text for node in graph.nodes for text in _normal(node)}
    named = {e.node for e in map(endpoint, read)}
    ends = [node for node in graph.nodes if node.name not in named and node.op not in VARIABLES]
    values = [node for node in ends if not node.op.startswith(_EFFECTS)]
    outputs = [
        output_summary(node, port, facts)
        for node in _computed(graph, values)
        for port in range(len(facts.get(node.name, ())))
    ]
    return Summary(
        nodes=len(graph.nodes),
        inputs=[output_summary(node, 0, facts) for node in graph.nodes if node.op in INPUTS],
        outputs=outputs,
        targets=[n.name for n in ends if n.op == "NoOp"] + _updates(graph, ends),
        variables=[_variable(node) for node in graph.nodes if node.op in VARIABLES],
        ops=dict(Counter(node.op for node in graph.nodes).most_common()),
        functions=[function.name for function in graph.functions],
    )


def _computed(graph: Graph, values: Sequence[Node]) -> Sequence[Node]:
    """Returns the nodes that compute something; else those that read variables; else constants."""
    computed = [n for n in values if n.op not in INPUTS and n.op not in CONSTANTS and not _reads(graph, n)]
    read = [node for node in values if node.op in VARIABLE_READS or node.op in IDENTITIES]
    return computed or read or [node for node in values if node.op in CONSTANTS]


def _reads(graph: Graph, node: Node) -> bool:
    """Returns True for a node that only reads a variable, or asks whether it is initialized."""
    if node.op in VARIABLE_READS or node.op in INITIALIZATION_QUERIES:
        return True
    if node.op not in IDENTITIES or len(node.inputs) != 1:  # one with control inputs reads after an update
        return False
    source = graph.index.get(node.data_inputs[0].node)
    return source is not None and source.op in REFERENCE_VARIABLES


def _updates(graph: Graph, ends: Sequence[Node]) -> list[str]:
    """Returns the nodes that change variables, except for initial and restored values."""
    updates = [node for node in ends if node.op != "NoOp" and node.op.startswith(_UPDATES)]
    if not updates:
        return []
    from .passes.optimizers.initializers import initial_assignments

    first = {node.name for node in initial_assignments(graph).values()}
    restored = descendants(graph.nodes, [node.name for node in graph.nodes if node.op in RESTORERS])
    return [node.name for node in updates if node.name not in first and node.name not in restored]


def _normal(node: Node) -> Iterator[str]:
    for text in node.inputs:
        try:
            yield str(endpoint(text))
        except TfgError:
            continue


def output_summary(node: Node, port: int, facts: Mapping[str, Sequence[Fact]]) -> NodeSummary:
    """Summarizes an output of a node."""
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
