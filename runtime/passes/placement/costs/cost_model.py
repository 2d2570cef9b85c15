"""Cost model: estimates of nodes' work from shapes, in floating-point operations and bytes moved.

Only relative costs matter; measured costs are more accurate.
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
from .....kernels.core.op_sets import CONSTANTS, IDENTITIES, INPUTS, VARIABLE_READS, VARIABLES
from .....kernels.functions.library import graph_library
from .flops import Dims, flops

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .....graphfmt.graph import Graph, Node
    from .....kernels.core.registry import Op
    from ..machine.machine import Device

# Seconds per call besides its work.
OVERHEAD = 0.5e-6
# Seconds for which a call, and a transfer between two devices, hold the interpreter that threads of several
# devices share.
CALL = 2e-6
HAND_OVER = 40e-6
# Bytes assumed for a string, a handle or a variant.
OPAQUE_BYTES = 64


class NodeWork(NamedTuple):
    """The work of a node in one call.

    ``outputs`` are bytes per output; ``persistent`` those of its variable or constant; ``is_view`` is True if
    the outputs share that memory. ``is_free`` is True for nodes that only name, route or hold a value.
    """

    flops: float
    bytes: int
    outputs: tuple[int, ...]
    persistent: int
    is_view: bool
    is_free: bool

    def seconds(self, device: Device) -> float:
        """Returns the time on a device: the longer of computing and moving bytes, plus overhead."""
        if self.is_free:
            return 0.0
        return max(self.flops / device.speed, self.bytes / device.bandwidth) + OVERHEAD


def estimate_work(graph: Graph, *, batch: int = 1) -> dict[str, NodeWork]:
    """Estimates the work of every node.

    ``batch`` replaces dimensions that placeholders leave open, and is the number of elements of tensors of
    unknown rank; other unknown dimensions count as 1. A node in a loop counts as one call. Raises the first
    fault of the graph, at its node.
    """
    facts = _facts(graph, batch)
    library = graph_library(graph)
    return {node.name: _work(node, registry.get(node.op, library), facts, batch) for node in graph.nodes}


def _facts(graph: Graph, batch: int) -> Mapping[str, Sequence[Fact]]:
    """Infers facts with open dimensions of placeholders set to ``batch``, or left open if that makes the graph
    invalid."""
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
    written = facts[node.name]
    outputs = tuple(_bytes(fact, batch) for fact in written)
    persistent = _persistent(node, outputs, batch)
    is_view = node.op in _VIEWS or _is_reference(written) or (node.op in IDENTITIES and _is_reference(read))
    if op.is_free:
        return NodeWork(0.0, 0, outputs, persistent, is_view, is_free=True)
    count = flops(node, [_dims(fact, batch) for fact in read], [_dims(fact, batch) for fact in written])
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
_VIEWS = CONSTANTS | VARIABLE_READS | VARIABLES
