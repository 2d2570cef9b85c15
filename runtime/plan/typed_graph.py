"""A graph checked against its operations: every node in order, with attributes, dtypes and facts worked out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt.errors import TfgError
from ...graphfmt.graph import endpoint
from ...kernels.core import registry
from ...kernels.core.inference import infer_node, input_facts, topological_order, warn_of_attrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...graphfmt.graph import Endpoint, Graph, Node
    from ...graphfmt.signatures import Bound
    from ...kernels.core.facts import Fact
    from ...kernels.core.registry import Op
    from ...kernels.functions.library import Library


class TypedNode(NamedTuple):
    """A node with its operation, and what is known of its inputs and outputs. ``inputs`` are the data inputs,
    ``dependencies`` all inputs, control inputs included."""

    node: Node
    op: Op
    bound: Bound
    inputs: Sequence[Endpoint]
    dependencies: Sequence[Endpoint]
    input_facts: Sequence[Fact]
    output_facts: Sequence[Fact]

    @property
    def name(self) -> str:
        return self.node.name

    def reads_reference(self, position: int) -> bool:
        """True if an input is a reference of which the operation wants the value."""
        return self.input_facts[position].dtype.is_ref and not self.bound.input_types[position].is_ref


def type_graph(
    graph: Graph, library: Library | None = None, known_facts: Mapping[str, Sequence[Fact]] | None = None
) -> list[TypedNode]:
    """Every node, each after its inputs.

    Args:
        known_facts: what is known of the outputs of some nodes by other means than inference, by node name.

    Raises:
        TfgError: the first error, placed at its node.
    """
    typed: list[TypedNode] = []
    facts: dict[str, Sequence[Fact]] = {}
    for node in topological_order(graph):
        try:
            one = _type_node(node, facts, library, graph.versions.producer)
        except TfgError as error:
            raise graph.error_at(error, node.name) from error.__cause__
        if known_facts is not None and node.name in known_facts:
            one = one._replace(output_facts=known_facts[node.name])
        if one.bound.unknown_attrs:
            warn_of_attrs(graph, one.node, one.op, one.bound)
        facts[node.name] = one.output_facts
        typed.append(one)
    return typed


def _type_node(
    node: Node, facts: Mapping[str, Sequence[Fact]], library: Library | None, producer: int
) -> TypedNode:
    op = registry.get(node.op, library)
    bound = op.signature.bind(node)
    inputs = input_facts(node, bound, facts)
    dependencies = list(map(endpoint, node.inputs))
    data = [source for source in dependencies if source.port >= 0]
    outputs = infer_node(op, node, bound, inputs, library, producer)
    return TypedNode(node, op, bound, data, dependencies, inputs, outputs)
