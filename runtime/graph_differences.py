"""Differences between two graphs: nodes, attributes, inputs, devices, functions and weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..graphfmt.dtypes import DType
from ..graphfmt.graph import Endpoint
from ..graphfmt.shapes import Shape
from ..graphfmt.tensors import TensorValue
from ..kernels.core import registry
from ..kernels.core.op_sets import CONSTANTS
from .checkpointing.differences import Tolerance, compare
from .node_matching import match_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..graphfmt.attributes import AttrValue
    from ..graphfmt.graph import Graph, Node
    from .checkpointing.differences import ValueDifference

EXACT = Tolerance()
_UNIMPORTANT = frozenset({"_class", "_output_shapes"})


class Change(NamedTuple):
    """A difference at a node. ``field`` is an attribute's name, ``input 0``, ``control inputs``, ``device`` or ``op``;
    ``a`` and ``b`` are its texts, None where it is absent."""

    field: str
    a: str | None
    b: str | None


class ChangedNode(NamedTuple):
    """A node of both graphs that differs, by its name in A."""

    name: str
    op: str
    changes: tuple[Change, ...]


class ChangedWeight(NamedTuple):
    """A constant of both graphs whose elements differ."""

    name: str
    value: TensorValue
    difference: ValueDifference


@dataclass(frozen=True, slots=True)
class GraphDifference:
    """``added`` nodes are in B alone, ``removed`` ones in A alone; ``renamed`` gives names in A and in B."""

    added: Sequence[Node]
    removed: Sequence[Node]
    renamed: Sequence[tuple[Node, str]]
    changed: Sequence[ChangedNode]
    weights: Sequence[ChangedWeight]
    functions: Sequence[Change]

    @property
    def is_empty(self) -> bool:
        return not any((self.added, self.removed, self.renamed, self.changed, self.weights, self.functions))


def graph_differences(a: Graph, b: Graph, tolerance: Tolerance = EXACT) -> GraphDifference:
    """Compares two graphs. The order of nodes does not count, nor do colocation and output shapes that were noted.

    Args:
        tolerance: for the elements of constants.
    """
    matched = match_nodes(a, b)
    found = set(matched.values())
    changed: list[ChangedNode] = []
    weights: list[ChangedWeight] = []
    for name, other in matched.items():
        changes = tuple(_changes(a[name], b[other], matched))
        if changes:
            changed.append(ChangedNode(name, a[name].op, changes))
        weight = _weight(a[name], b[other], tolerance)
        if weight is not None:
            weights.append(weight)
    return GraphDifference(
        [node for node in b.nodes if node.name not in found],
        [node for node in a.nodes if node.name not in matched],
        [(a[name], other) for name, other in matched.items() if name != other],
        changed,
        weights,
        list(_functions(a, b)),
    )


def _changes(a: Node, b: Node, matched: Mapping[str, str]) -> Iterator[Change]:
    if a.op != b.op:
        yield Change("op", a.op, b.op)
        return
    yield from _input_changes(a, b, matched)
    if a.device != b.device:
        yield Change("device", a.device or None, b.device or None)
    op = registry.find(a.op)
    # An attribute that is absent has its default; exporters strip those.
    defaults = op.signature.defaults if op is not None else {}
    for name in sorted((a.attrs.keys() | b.attrs.keys()) - _UNIMPORTANT):
        default = defaults.get(name)
        one, other = a.attrs.get(name, default), b.attrs.get(name, default)
        if one == other or (a.op in CONSTANTS and name == "value" and _is_comparable(one, other)):
            continue
        yield Change(name, _text(one, name in a.attrs), _text(other, name in b.attrs))


def _input_changes(a: Node, b: Node, matched: Mapping[str, str]) -> Iterator[Change]:
    of_a, of_b = list(a.data_inputs), list(b.data_inputs)
    for position in range(max(len(of_a), len(of_b))):
        one = of_a[position] if position < len(of_a) else None
        other = of_b[position] if position < len(of_b) else None
        there = Endpoint(matched.get(one.node, ""), one.port) if one is not None else None
        if there != other:
            yield Change(f"input {position}", str(one) if one else None, str(other) if other else None)
    controls = {matched.get(name, f"\0{name}"): name for name in a.control_inputs}
    if controls.keys() != set(b.control_inputs):
        yield Change("control inputs", _listed(controls.values()), _listed(b.control_inputs))


def _listed(names: object) -> str | None:
    return ", ".join(sorted(f"^{name}" for name in names)) or None  # type: ignore[attr-defined]


def _is_comparable(a: AttrValue, b: AttrValue) -> bool:
    return (
        isinstance(a, TensorValue)
        and isinstance(b, TensorValue)
        and a.dtype is b.dtype
        and a.shape == b.shape
    )


def _weight(a: Node, b: Node, tolerance: Tolerance) -> ChangedWeight | None:
    one, other = a.attrs.get("value"), b.attrs.get("value")
    if (
        a.op not in CONSTANTS
        or b.op not in CONSTANTS
        or not isinstance(one, TensorValue)
        or not isinstance(other, TensorValue)
    ):
        return None
    if not _is_comparable(one, other) or one == other:
        return None
    difference = compare(one.array(), other.array(), tolerance)
    return ChangedWeight(a.name, one, difference) if difference is not None else None


def _functions(a: Graph, b: Graph) -> Iterator[Change]:
    of_a, of_b = ({function.name: function for function in graph.functions} for graph in (a, b))
    for name in sorted(of_a.keys() | of_b.keys()):
        one, other = of_a.get(name), of_b.get(name)
        if one != other:
            yield Change(name, "defined" if one else None, "defined" if other else None)


def _text(value: AttrValue, is_present: bool) -> str | None:
    return attr_text(value) if is_present else None


def attr_text(value: AttrValue) -> str:
    """Returns an attribute's value for people; of a tensor, dtype and shape."""
    if isinstance(value, tuple):
        return "[" + ", ".join(map(attr_text, value)) + "]"
    if isinstance(value, bytes):
        return repr(value.decode("utf-8", "backslashreplace"))
    if isinstance(value, TensorValue):
        return f"{value.dtype}{value.shape}"
    if isinstance(value, DType | Shape):
        return str(value)
    return str(value).lower() if isinstance(value, bool) else repr(value)
