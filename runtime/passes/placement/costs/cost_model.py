"""What operations should take, estimated from shapes: floating-point operations, and bytes moved.

The estimates need not be right, only right relative to each other; ``measured`` costs are better.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from .....graphfmt.dtypes import DType
from .....graphfmt.errors import TfgError
from .....graphfmt.shapes import Shape
from .....kernels.core import registry
from .....kernels.core.facts import Fact
from .....kernels.core.inference import infer_graph
from .....kernels.core.op_sets import INPUTS, VARIABLES
from .....kernels.functions.library import of_graph
from .flops import Dims, flops

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .....graphfmt.graph import Graph, Node
    from .....kernels.core.registry import Op
    from ..machine.machine import Device

# What a call costs besides its work, in seconds.
OVERHEAD = 0.5e-6
# For how long a call, and what goes from one device to another, keep the interpreter that the threads of several
# devices ask for.
CALL = 2e-6
HAND_OVER = 40e-6
# A string, a handle or a variant: the pointer, and a little behind it.
OPAQUE_BYTES = 64


class NodeWork(NamedTuple):
    """What a node does in one call.

    ``outputs`` are bytes per output; ``persistent`` those of its variable or constant; ``is_view`` whether its
    outputs are that memory rather than their own. ``is_free`` is what only names, routes or holds a value.
    """

    flops: float
    bytes: int
    outputs: tuple[int, ...]
    persistent: int
    is_view: bool
    is_free: bool

    def seconds(self, device: Device) -> float:
        """The time on a device that is busy computing or busy fetching, whichever takes longer."""
        if self.is_free:
            return 0.0
        return max(self.flops / device.speed, self.bytes / device.bandwidth) + OVERHEAD


def estimate_work(graph: Graph, *, batch: int = 1) -> dict[str, NodeWork]:
    """The work of every node.

    ``batch`` stands for dimensions that placeholders leave open, and for the elements of tensors of unknown
    rank; other unknown dimensions count as 1. A node in a loop counts as one call. Raises the first fault of
    the graph, placed at its node.
    """
    facts = _facts(graph, batch)
    library = of_graph(graph)
    return {node.name: _work(node, registry.get(node.op, library), facts, batch) for node in graph.nodes}


def _facts(graph: Graph, batch: int) -> Mapping[str, Sequence[Fact]]:
    """What is known with the placeholders' open dimensions filled in, or, if the graph does not stand that
    (because some other dimension is meant), with them left open."""
    filled: dict[str, tuple[Fact, ...]] = {}
    for node in graph.nodes:
        shape, dtype = node.attrs.get("shape"), node.attrs.get("dtype")
        if node.op in INPUTS and isinstance(shape, Shape) and isinstance(dtype, DType) and shape.dims:
            filled[node.name] = (Fact(dtype, Shape(tuple(batch if d is None else d for d in shape.dims))),)
    try:
        return infer_graph(graph, filled)
    except TfgError:
        return infer_graph(graph)


def _work(node: Node, op: Op, facts: Mapping[str, Sequence[Fact]], batch: int) -> NodeWork:
    read = [facts[source.node][source.port] for source in node.data_inputs]
    made = facts[node.name]
    outputs = tuple(_bytes(fact, batch) for fact in made)
    persistent = _persistent(node, outputs, batch)
    is_view = node.op in _VIEWS or _is_reference(made) or (node.op == "Identity" and _is_reference(read))
    if op.is_free:
        return NodeWork(0.0, 0, outputs, persistent, is_view, is_free=True)
    count = flops(node, [_dims(fact, batch) for fact in read], [_dims(fact, batch) for fact in made])
    moved = sum(_bytes(fact, batch) for fact in read) + sum(outputs)
    return NodeWork(count, moved, outputs, persistent, is_view, is_free=False)


def _is_reference(facts: Sequence[Fact]) -> bool:
    return any(fact.dtype.is_ref for fact in facts)


def _persistent(node: Node, outputs: tuple[int, ...], batch: int) -> int:
    if node.op == "Const":
        return sum(outputs)
    shape, dtype = node.attrs.get("shape"), node.attrs.get("dtype")
    if node.op in VARIABLES and isinstance(shape, Shape) and isinstance(dtype, DType):
        return _bytes(Fact(dtype, shape), batch)
    return 0


def _dims(fact: Fact, batch: int) -> Dims:
    if fact.shape.dims is None:
        return (batch,)
    return tuple(1 if d is None else d for d in fact.shape.dims)


def _bytes(fact: Fact, batch: int) -> int:
    size = OPAQUE_BYTES if fact.dtype.is_opaque else fact.dtype.base.size
    return math.prod(_dims(fact, batch)) * size


# Operations whose output is the memory of a variable or of a constant.
_VIEWS = frozenset({"Const", "ReadVariableOp", *VARIABLES})
