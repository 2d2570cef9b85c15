"""Restore nodes of a graph: the checkpoint tensor, and slice of it, that each variable is restored from.

Only these nodes name the tensor if a graph's variables are slices of a larger one, or if the graph comes from
TensorFlow 2, whose checkpoints are keyed by objects instead of variable names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt.attributes import Function
from ...graphfmt.errors import TfgError
from ...graphfmt.tensors import TensorValue
from ...kernels.core import registry
from ...kernels.core.op_sets import ASSIGNMENTS, IDENTITIES, RESTORERS, VARIABLES
from ...kernels.families.io import shape_and_slice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ...graphfmt.graph import Graph, Node
    from ...kernels.families.io.shape_and_slice import SavedSlice


class StoredLocation(NamedTuple):
    """A tensor of a checkpoint, or a slice of one."""

    tensor: str
    part: SavedSlice | None = None


def stored_tensors(graph: Graph) -> dict[str, StoredLocation]:
    """Returns the location of each variable, by the names of variable nodes.

    Only constants that lead through Restore to Assign are followed, in the graph or in a function that it
    calls.
    """
    if not graph.functions and not any(node.op.startswith("Restore") for node in graph.nodes):
        return {}
    locations = _assigned(graph.index)
    bodies = {f.name: f for f in graph.functions if any(node.op == "RestoreV2" for node in f.body)}
    for node in graph.nodes:
        function = bodies.get(_callee(node))
        if function is None:
            continue
        restored = _assigned({n.name: n for n in function.body})
        for argument, text in zip(function.inputs, node.inputs):
            if argument.name in restored:
                locations[_origin(graph.index, text)[0]] = restored[argument.name]
    return {name: stored for name, stored in locations.items() if _is_variable(graph, name)}


def _is_variable(graph: Graph, name: str) -> bool:
    return name in graph and graph[name].op in VARIABLES


def _callee(node: Node) -> str:
    function = node.attrs.get("f")
    return function.name if isinstance(function, Function) else node.op


def _assigned(index: Mapping[str, Node]) -> dict[str, StoredLocation]:
    """Returns the location that each variable, or function argument for one, is assigned from."""
    locations: dict[str, StoredLocation] = {}
    for node in index.values():
        if node.op not in ASSIGNMENTS or len(node.inputs) < 2:
            continue
        source, port = _origin(index, node.inputs[1])
        stored = _restored(index, index[source], port) if source in index else None
        if stored is not None:
            locations[_origin(index, node.inputs[0])[0]] = stored
    return locations


def _origin(index: Mapping[str, Node], text: str) -> tuple[str, int]:
    """Returns the node and port that a value comes from, through Identity nodes.

    Inputs in a function have the form ``node:output:index``; the operations followed here have one output each.
    """
    seen: set[str] = set()
    while True:
        name, _, rest = text.partition(":")
        node = index.get(name)
        if node is None or node.op not in IDENTITIES or not node.inputs or name in seen:
            port = rest.rpartition(":")[2]
            return name, int(port) if port.isdecimal() else 0
        seen.add(name)
        text = node.inputs[0]


def _restored(index: Mapping[str, Node], node: Node, port: int) -> StoredLocation | None:
    if node.op not in RESTORERS or len(node.inputs) < len(registry.get(node.op).signature.inputs):
        return None
    names = _texts(index, node.inputs[1])
    specs = [""] * len(names) if node.op == "Restore" else _texts(index, node.inputs[2])
    if port >= min(len(names), len(specs)):
        return None
    try:
        return StoredLocation(names[port], shape_and_slice.parse_saved_slice(specs[port]))
    except TfgError:
        return None


def _texts(index: Mapping[str, Node], text: str) -> Sequence[str]:
    """Returns the strings of a constant, or none if the input is not a constant."""
    node = index.get(_origin(index, text)[0])
    value = node.attrs.get("value") if node is not None and node.op == "Const" else None
    if not isinstance(value, TensorValue):
        return ()
    try:
        elements: Iterable[object] = value.array().reshape(-1).tolist()
    except TfgError:
        return ()
    return [e.decode("utf-8", "surrogateescape") if isinstance(e, bytes) else "" for e in elements]
