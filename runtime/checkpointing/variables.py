"""Variables that a graph declares, and their locations in checkpoints."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...graphfmt import dtypes
from ...graphfmt.checkpoints.hdf5.paths import VARIABLE
from ...graphfmt.dtypes import DType
from ...graphfmt.graph import endpoint
from ...graphfmt.names import nothing_called
from ...graphfmt.shapes import UNKNOWN, Shape
from ...graphfmt.traversal import ancestors
from ...kernels.core.op_sets import VARIABLES
from . import restore_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ...graphfmt.checkpoints.hdf5.state_file import Key
    from ...graphfmt.errors import Location
    from ...graphfmt.graph import Graph, Node
    from .restore_nodes import StoredLocation


@dataclass(frozen=True, slots=True)
class GraphVariable:
    """A variable as the graph declares it.

    ``node`` is the first node of the variable, prefixed with the function's name if it is in one; ``stored`` is
    the location that the graph's own Restore nodes name.
    """

    name: str
    container: str
    node: str
    dtype: DType | None
    shape: Shape
    location: Location | None = None
    stored: StoredLocation | None = None

    @property
    def key(self) -> Key:
        """Returns the key of the variable in a session's state."""
        return self.container, VARIABLE, self.name

    @property
    def full_name(self) -> str:
        """Returns the name in a state file: with the container as a prefix, unless it is the default one."""
        return f"{self.container}:{self.name}" if self.container else self.name

    def __str__(self) -> str:
        place = f" ({self.location})" if self.location and self.location.line else ""
        return self.name + place


def graph_variables(graph: Graph) -> list[GraphVariable]:
    """Returns the variables of a graph and its functions, each once, in file order."""
    stored = restore_nodes.stored_tensors(graph)
    variables: dict[Key, GraphVariable] = {}
    for scope, node in _declarations(graph):
        variable = replace(_variable(graph, scope, node), stored=None if scope else stored.get(node.name))
        variables.setdefault(variable.key, variable)
    return list(variables.values())


def variables_of_nodes(graph: Graph, names: Sequence[str]) -> list[GraphVariable]:
    """Returns the variables that some nodes or outputs need, in file order; all of the graph for no names."""
    variables = graph_variables(graph)
    if not names:
        return variables
    from ...kernels.functions.library import graph_library

    needed = ancestors(graph, (endpoint(name).node for name in names))
    nodes = [node for node in graph.nodes if node.name in needed]
    library = graph_library(graph)
    functions = library.reachable_functions(nodes) if library is not None else set[str]()
    keys = {
        _variable(graph, scope, node).key
        for scope, node in _declarations(graph)
        if (scope in functions if scope else node.name in needed)
    }
    return [variable for variable in variables if variable.key in keys]


def _declarations(graph: Graph) -> Iterator[tuple[str, Node]]:
    """Yields variable nodes, each with the name of its function."""
    yield from (("", node) for node in graph.nodes if node.op in VARIABLES)
    for function in graph.functions:
        yield from ((function.name, node) for node in function.body if node.op in VARIABLES)


def _variable(graph: Graph, scope: str, node: Node) -> GraphVariable:
    dtype = node.attrs.get("dtype")
    return GraphVariable(
        _text(node, "shared_name") or node.name,
        _text(node, "container"),
        f"{scope}/{node.name}" if scope else node.name,
        dtype if isinstance(dtype, DType) and dtype is not dtypes.INVALID else None,
        _shape(node),
        graph.locate(node),
    )


def _shape(node: Node) -> Shape:
    shape = node.attrs.get("shape")
    # The first Variable operation has no unknown shape; rank 0 stands for it.
    if not isinstance(shape, Shape) or (node.op == "Variable" and not shape.rank):
        return UNKNOWN
    return shape


def _text(node: Node, attr: str) -> str:
    value = node.attrs.get(attr)
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else ""


def matching_variables(variables: Sequence[GraphVariable], only: Iterable[str]) -> list[GraphVariable]:
    """Returns the variables that match one of the globs, or all of them without globs.

    Raises NOT_FOUND for a glob without a match.
    """
    patterns = list(only)
    if not patterns:
        return list(variables)
    names = [v.name for v in variables]
    matched: set[str] = set()
    for pattern in patterns:
        matching = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        if not matching:
            raise nothing_called("variable", pattern, names)
        matched.update(matching)
    return [v for v in variables if v.name in matched]
