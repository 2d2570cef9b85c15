"""A graph held against its operations: every node in order, with attributes, dtypes and facts worked out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt.errors import TfgError
from ...kernels.core import registry
from ...kernels.core.inference import infer_node, input_facts, topological_order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...graphfmt.graph import Endpoint, Graph, Node
    from ...graphfmt.signatures import Bound
    from ...kernels.core.facts import Fact
    from ...kernels.core.registry import Op
    from ...kernels.functions.library import Library


class TypedNode(NamedTuple):
    """A node ready to be lowered."""

    node: Node
    op: Op
    bound: Bound
    inputs: Sequence[Endpoint]
    input_facts: Sequence[Fact]
    output_facts: Sequence[Fact]


def type_graph(
    graph: Graph, library: Library | None = None, given: Mapping[str, Sequence[Fact]] | None = None
) -> list[TypedNode]:
    """Every node, each after its inputs; ``given`` is what is known of nodes' outputs by other means. Raises
    the first error, placed at its node."""
    prepared: list[TypedNode] = []
    facts: dict[str, Sequence[Fact]] = {}
    for node in topological_order(graph):
        try:
            found = _prepare_one(node, facts, library)
        except TfgError as error:
            raise graph.error_at(error, node.name) from None
        if given is not None and node.name in given:
            found = found._replace(output_facts=given[node.name])
        facts[node.name] = found.output_facts
        prepared.append(found)
    return prepared


def _prepare_one(node: Node, facts: Mapping[str, Sequence[Fact]], library: Library | None) -> TypedNode:
    op = registry.get(node.op, library)
    bound = op.signature.bind(node)
    inputs = input_facts(node, bound, facts)
    return TypedNode(node, op, bound, node.data_inputs, inputs, infer_node(op, node, bound, inputs, library))
