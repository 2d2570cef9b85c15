"""The names of files that a node would read or write, as far as the graph states them."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...graphfmt.errors import TfgError
from ...graphfmt.tensors import TensorValue
from ...kernels.core.op_sets import CONSTANTS, IDENTITIES, INPUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphfmt.graph import Endpoint, Graph, Node
    from ...kernels.core.registry import Op

_FILE = "file://"
# Names of one tensor that are listed.
_MOST = 20
# Nodes between a file's name and what it is made of.
_DEEPEST = 32


class NamedFiles(NamedTuple):
    """Names of files, empty if they are only known in a step; ``detail`` tells where they come from."""

    names: Sequence[str]
    detail: str


def named_files(graph: Graph, node: Node, op: Op, argument: str) -> NamedFiles | None:
    """Returns the files that an argument, or an attribute written ``file://PATH``, names; None if it names none."""
    if argument in op.signature.attr_index:
        value = node.attrs.get(argument)
        path = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else ""
        return NamedFiles([path.removeprefix(_FILE)], path) if path.startswith(_FILE) else None
    places = [arg.name for arg in op.signature.inputs]
    data = node.data_inputs
    # File names come before lists of arguments in all signatures.
    position = places.index(argument)
    if position >= len(data):
        return NamedFiles((), "a name that is not known")
    return _Names(graph).of_source(data[position])


class _Names:
    """Follows the sources of a string through the nodes of a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def of_source(self, source: Endpoint, depth: int = 0) -> NamedFiles:
        node = self.graph.index.get(source.node)
        if node is None:
            return NamedFiles((), f"the argument {source.node!r} of the function")
        if node.op in CONSTANTS:
            return _constant(node)
        if depth >= _DEEPEST:
            return NamedFiles((), f"computed by {node.name!r}")
        if node.op in INPUTS:
            default = self.of_source(node.data_inputs[0], depth + 1).names if node.data_inputs else ()
            return NamedFiles(default, f"fed to {node.name!r}")
        if node.op in IDENTITIES and node.data_inputs:
            return self.of_source(node.data_inputs[0], depth + 1)
        return NamedFiles(self._parts(node, depth), f"computed by {node.name!r} ({node.op})")

    def _parts(self, node: Node, depth: int) -> Sequence[str]:
        """The constants with a slash that a name is made of: enough to tell the folder."""
        parts = [name for source in node.data_inputs for name in self.of_source(source, depth + 1).names]
        return [f"{part}…" for part in parts if posixpath.sep in part and not part.endswith("…")] or [
            part for part in parts if part.endswith("…")
        ]


def _constant(node: Node) -> NamedFiles:
    value = node.attrs.get("value")
    try:
        array = value.array() if isinstance(value, TensorValue) else np.empty(0, object)
    except TfgError:
        return NamedFiles((), f"the damaged constant {node.name!r}")
    names = [name.decode("utf-8", "surrogateescape") for name in array.reshape(-1) if isinstance(name, bytes)]
    more = f", {len(names)} names" if len(names) > _MOST else ""
    return NamedFiles(names[:_MOST], f"the constant {node.name!r}{more}")
