"""Adds the nodes that save and restore a graph's variables: TensorFlow's Saver, in the V2 format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.metagraph import Saver
from ...kernels.builder.graph_builder import GraphBuilder
from ...kernels.builder.tensor import Tensor
from ...kernels.core.op_sets import REFERENCE_VARIABLES, VARIABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphfmt.graph import Graph, Node

_V2 = 2


def add_saver(graph: Graph, tensor_names: Sequence[tuple[Node, str]]) -> tuple[Graph, Saver]:
    """Returns the graph with a Saver for some variables, each with the name of its tensor in checkpoints."""
    g = GraphBuilder(graph)
    scope = _free_scope(graph)
    path = g.PlaceholderWithDefault(
        g.constant(np.array(b"model", object), name=f"{scope}/filename"), shape=[], name=f"{scope}/Const"
    )
    variables = [(node, Tensor(g, node.name)) for node, _ in tensor_names]
    names = g.constant(_strings([name for _, name in tensor_names]), name=f"{scope}/tensor_names")
    slices = g.constant(_strings([""] * len(tensor_names)), name=f"{scope}/shape_and_slices")
    values = [_value(g, node, variable, scope) for node, variable in variables]
    save = g.SaveV2(path, names, slices, values, name=f"{scope}/SaveV2")
    with g.control_dependencies([save]):
        saved = g.Identity(path, name=f"{scope}/control_dependency")
    types = [node.attrs["dtype"] for node, _ in variables]
    restored: Any = g.RestoreV2(path, names, slices, dtypes=types, name=f"{scope}/RestoreV2")
    assigned = [
        _assign(g, node, variable, value, f"{scope}/Assign_{number}")
        for number, ((node, variable), value) in enumerate(zip(variables, restored))
    ]
    g.group(*assigned, name=f"{scope}/restore_all")
    saver = Saver(f"{path.node}:0", f"{saved.node}:0", f"{scope}/restore_all", max_to_keep=5, version=_V2)
    return g.graph(), saver


def saved_variables(graph: Graph) -> list[tuple[Node, str]]:
    """Returns the variables of a graph, each once, with their names: those they share, or else those of their nodes."""
    variables: dict[str, Node] = {}
    for node in graph.nodes:
        if node.op in VARIABLES:
            shared = node.attrs.get("shared_name")
            name = shared.decode() if isinstance(shared, bytes) and shared else node.name
            variables.setdefault(name, node)
    return [(node, name) for name, node in variables.items()]


def _free_scope(graph: Graph) -> str:
    scope, number = "save", 0
    while any(name.startswith(f"{scope}/") for name in graph.index):
        number += 1
        scope = f"save_{number}"
    return scope


def _strings(values: Sequence[str]) -> Any:
    array = np.empty(len(values), object)
    array[:] = [value.encode() for value in values]
    return array


def _value(g: GraphBuilder, node: Node, variable: Tensor, scope: str) -> Tensor:
    if node.op in REFERENCE_VARIABLES:
        return variable
    return g.ReadVariableOp(variable, dtype=node.attrs["dtype"], name=f"{scope}/Read/{node.name}")


def _assign(g: GraphBuilder, node: Node, variable: Tensor, value: Any, name: str) -> Any:
    if node.op in REFERENCE_VARIABLES:
        return g.Assign(variable, value, validate_shape=True, name=name)
    return g.AssignVariableOp(variable, value, name=name)
