"""Layers of a graph: parameters, floating-point operations and bytes of results per name scope."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt.shapes import Shape
from ...graphfmt.tensors import TensorValue
from ...kernels.core.op_sets import CONSTANTS, VARIABLES
from ..passes.conversion.function_inlining import inline_functions
from ..passes.placement.costs.cost_model import estimate_work
from .profile import ROOT_SCOPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphfmt.graph import Graph, Node
    from ..passes.placement.costs.cost_model import NodeWork


class LayerSummary(NamedTuple):
    """A name scope with all scopes inside of it.

    ``parameters`` are the elements of variables; in a graph without variables, of constants of floating-point numbers
    that are not scalars. ``flops`` are those of one call of each node, ``activation_bytes`` the bytes of their
    results.
    """

    name: str
    nodes: int
    parameters: int
    flops: float
    activation_bytes: int


def summarize_layers(graph: Graph, batch: int = 1) -> Sequence[LayerSummary]:
    """Returns the scopes in the order of the file, the whole graph last; open dimensions count as ``batch``.

    Calls of functions count as the nodes of their bodies. Raises the first fault of the graph.
    """
    flat = inline_functions(graph)
    work = estimate_work(flat, batch=batch)
    names = {node.name for node in flat.nodes}
    scoped = {name.rsplit("/", depth)[0] for name in names for depth in range(1, name.count("/") + 1)}
    counted = VARIABLES if any(node.op in VARIABLES for node in flat.nodes) else CONSTANTS
    totals: dict[str, list[float]] = {}
    for node in flat.nodes:
        amounts = _amounts(node, work[node.name], node.op in counted)
        for scope in (*_scopes(node.name, scoped), ""):
            total = totals.setdefault(scope, [0, 0, 0, 0])
            for place, amount in enumerate(amounts):
                total[place] += amount
    whole = totals.pop("", [0, 0, 0, 0])
    return [_layer(name, total) for name, total in (*totals.items(), ("total", whole))]


def _scopes(name: str, scoped: set[str]) -> list[str]:
    """Returns the scopes of a node, the outermost first. A node that has the name of a scope is its result."""
    parts = name.split("/")
    depth = len(parts) if name in scoped else len(parts) - 1
    return ["/".join(parts[: n + 1]) for n in range(depth)] or [ROOT_SCOPE]


def _amounts(node: Node, work: NodeWork, is_counted: bool) -> tuple[float, float, float, float]:
    results = 0 if work.is_free or work.is_view else sum(work.outputs)
    return 1, _parameters(node) if is_counted else 0, work.flops, results


def _parameters(node: Node) -> int:
    """Returns the number of elements of a variable, or of a constant of floating-point numbers."""
    shape, value = node.attrs.get("shape"), node.attrs.get("value")
    if isinstance(value, TensorValue):
        return (value.shape.size or 0) if value.dtype.is_floating and value.shape.rank else 0
    return (shape.size or 0) if isinstance(shape, Shape) else 0


def _layer(name: str, total: Sequence[float]) -> LayerSummary:
    nodes, parameters, flops, size = total
    return LayerSummary(name, int(nodes), int(parameters), flops, int(size))
