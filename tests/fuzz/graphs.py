"""Graphs to start from: the rows of the tables of operations, and nodes made up from signatures.

All inputs are constants in the graph, so that a graph is a whole test; some pass through a PlaceholderWithDefault of
unknown shape, so that nothing is known of them before the graph runs.
"""

from __future__ import annotations

from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.graph import Graph, Node, Versions
from tfg.graphfmt.shapes import UNKNOWN
from tfg.graphfmt.signatures import Missing
from tfg.graphfmt.tensors import from_array
from tfg.kernels.core import registry

from tests.kernels.harness import Case, families, graph_of, table_module

from . import edge_values

if TYPE_CHECKING:
    from tfg.graphfmt.dtypes import DType
    from tfg.graphfmt.signatures import Arg
    from tfg.kernels.core.registry import Op

VERSIONS = Versions(producer=1087)
_MAX_ELEMENTS = 4096
_ARGUMENT_SHAPES = ((), (), (1,), (2,), (3,), (4,), (0,), (2, 2))


@cache
def _rows(family: str) -> list[Case]:
    """The rows of a table that must succeed, with small inputs."""
    rows = [row for row in table_module(family).CASES if row.error is None]
    return [row for row in rows if sum(a.size for a in _arrays(row)) <= _MAX_ELEMENTS]


def _arrays(row: Case) -> list[Any]:
    return [a for value in row.inputs for a in (value if isinstance(value, list) else [value])]


_families = cache(families)


def of_row(rng: Random) -> Graph | None:
    """Returns the graph of a random row of a random table."""
    rows = _rows(rng.choice(_families()))
    if not rows:
        return None
    row = rng.choice(rows)
    graph, _, _ = graph_of(row, constants=row.build is None)
    if row.build is not None:
        graph = _with_constants(graph, iter(_arrays(row)))
    return graph.with_nodes(hide_some(rng, graph.nodes))


def _with_constants(graph: Graph, arrays: Any) -> Graph:
    return graph.with_nodes(
        constant(node.name, next(arrays)) if node.op == "Placeholder" else node for node in graph.nodes
    )


def constant(name: str, array: Any, dtype: DType | None = None) -> Node:
    """Returns a Const node."""
    value = from_array(array, dtype)
    return Node(name, "Const", attrs={"dtype": value.dtype, "value": value})


def hide_some(rng: Random, nodes: Any) -> list[Node]:
    """Hides the values of some constants, or of all, from shape inference."""
    share = rng.choice((0.0, 0.5, 1.0))
    return [
        new
        for node in nodes
        for new in (_hidden(node) if node.op == "Const" and rng.random() < share else [node])
    ]


def _hidden(node: Node) -> list[Node]:
    dtype = node.attrs["dtype"]
    inner = f"{node.name}/value"
    attrs = {"dtype": dtype, "shape": UNKNOWN}
    return [
        Node(inner, "Const", attrs=node.attrs),
        Node(node.name, "PlaceholderWithDefault", (inner,), attrs),
    ]


@cache
def _ops() -> list[Op]:
    return list(registry.all_ops())


@cache
def _makers(dtype: str, is_ref: bool) -> list[Op]:
    """The operations that make a handle or a reference of ordinary inputs."""
    return [op for op in _ops() if op.signature.outputs and _makes(op, dtype, is_ref)]


def _makes(op: Op, dtype: str, is_ref: bool) -> bool:
    first = op.signature.outputs[0]
    if (
        first.is_list
        or first.is_ref != is_ref
        or any(arg.is_ref or arg.is_list for arg in op.signature.inputs)
    ):
        return False
    if is_ref:
        return True
    opaque = ("resource", "variant")
    inputs = [arg.dtype.name if arg.dtype else "" for arg in op.signature.inputs]
    return first.dtype is not None and first.dtype.name == dtype and not set(inputs) & set(opaque)


class NodeMaker:
    """Makes nodes of an operation with random inputs. ``nodes`` are those made so far."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.nodes: list[Node] = []

    def add(self, op: Op, depth: int = 0) -> Node:
        """Adds a node of an operation and all its inputs."""
        attrs = {
            spec.name: edge_values.attribute(self.rng, spec)
            for spec in op.signature.attrs
            if isinstance(spec.default, Missing)
            or self.rng.random() < 0.3
            or spec.name in op.signature.inferred_attrs
        }
        for arg in (*op.signature.inputs, *op.signature.outputs):
            if arg.number_attr:
                least = op.signature.attr_index[arg.number_attr].minimum or 0
                attrs[arg.number_attr] = max(least, self.rng.choice((0, 1, 2, 3)))
        inputs = [
            self._input(dtype, arg, depth)
            for arg in op.signature.inputs
            for dtype in arg.types({**op.signature.defaults, **attrs})
        ]
        node = Node(f"y{len(self.nodes)}", op.name, tuple(inputs), attrs)
        self.nodes.append(node)
        return node

    def _input(self, dtype: DType, arg: Arg, depth: int) -> str:
        if dtype.is_ref or dtype.name in ("resource", "variant"):
            return self._handle(dtype, depth)
        # Integers of a fixed dtype are sizes, axes or seeds, which are scalars or vectors.
        is_argument = arg.dtype is not None and dtype.is_integer
        dims = self.rng.choice(_ARGUMENT_SHAPES) if is_argument else edge_values.shape(self.rng)
        node = constant(f"x{len(self.nodes)}", edge_values.array(self.rng, dtype, dims), dtype)
        self.nodes.append(node)
        return node.name

    def _handle(self, dtype: DType, depth: int) -> str:
        known = [
            n.name for n in self.nodes if n.op in {op.name for op in _makers(dtype.base.name, dtype.is_ref)}
        ]
        if known and self.rng.random() < 0.5:
            return self.rng.choice(known)
        makers = _makers(dtype.base.name, dtype.is_ref)
        if depth > 2 or not makers:
            raise LookupError(dtype)
        return self.add(self.rng.choice(makers), depth + 1).name


def of_signature(rng: Random) -> Graph | None:
    """Returns a random node of a random operation, or a few that share handles; None if its inputs cannot be made."""
    maker = NodeMaker(rng)
    try:
        for _ in range(rng.choice((1, 1, 2, 3))):
            maker.add(rng.choice(_ops()))
    except (LookupError, TfgError, ValueError, TypeError, OverflowError):
        return None
    nodes = hide_some(rng, maker.nodes)
    return Graph(nodes=tuple(nodes), versions=VERSIONS)
