"""Data parallel training as a pass: the part of a graph that depends on the batch, once per device.

Every replica computes the loss of its share of the rows; the variables are there once. The loss of the whole
batch is put together from the shares, so that its gradient averages those of the replicas: synchronous
training (OSDI'16 section 4.4) is then nothing but minimising it. For asynchronous training each replica has a
loss of its own, of the whole batch that a step is fed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.graph import Endpoint, Graph, Node, endpoint
from ....graphfmt.shapes import Shape
from ....kernels.builder.graph_builder import GraphBuilder
from ....kernels.core import registry
from ....kernels.core.op_sets import INPUTS, VARIABLES
from ....kernels.core.traits import StateAccess
from ..gradients.backpropagation import reached
from .initializers import behind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....graphfmt.attributes import AttrValue
    from ....kernels.builder.graph_builder import Tensor

# The names of a replica's nodes begin so, with its number; those of what joins the replicas begin otherwise.
SCOPE = "replica_"
_WHOLE = "replicas"


@dataclass(frozen=True)
class Replicas:
    """A graph with replicas of a loss: ``losses`` are theirs, ``loss`` is that of the whole batch, None where
    each replica is on its own."""

    graph: Graph
    loss: str | None
    losses: Sequence[str]


def replicate(graph: Graph, loss: str, devices: Sequence[str], *, split: bool = True) -> Replicas:
    """Copies what a loss needs, but for the variables and what touches them, once per device.

    A copy of ``hidden`` is called ``replica_0/hidden``. Variables without a device go to the first of them. A
    random operation with a seed has another one in each replica.

    Args:
        loss: a scalar, the mean over the rows of a batch.
        devices: one name per replica.
        split: whether each replica takes its share of the rows (as near as can be to an equal one) of every
            placeholder whose first dimension is not known; else each takes all.

    Raises:
        TfgError: INVALID_ARGUMENT where the loss is no scalar, depends on no such placeholder, or depends on
            the batch through control flow or a change of a variable.
    """
    y = GraphBuilder(graph).tensor(loss)
    if y.shape.rank not in (0, None):
        raise graph.error_at(invalid(f"the loss {loss!r} must be a scalar, but has shape {y.shape}"), y.node)
    needed = behind(graph, [y.node])
    batch = [node.name for node in graph.nodes if node.name in needed and _is_batch(node)]
    if not batch:
        raise graph.error_at(
            invalid(
                f"the loss {loss!r} depends on no placeholder with a first dimension that is not known, so "
                "there are no rows to share out"
            ),
            y.node,
        )
    copied = _copied(graph, needed, batch)
    made = graph.with_nodes(_at_home(node, needed, devices[0]) for node in graph.nodes)
    if split:
        made = _with_rows(made, batch, devices)
    for number, device in enumerate(devices):
        rows = {name: f"{SCOPE}{number}/{name}" for name in batch} if split else {}
        made = _with_copy(made, copied, rows, number, device)
    losses = [str(Endpoint(f"{SCOPE}{number}/{y.node}", y.port)) for number in range(len(devices))]
    return _averaged(made, losses, devices) if split else Replicas(made, None, losses)


def _copied(graph: Graph, needed: set[str], batch: Sequence[str]) -> set[str]:
    """What depends on the batch, and the constants it reads."""
    found = {name for name in _ahead(graph, batch) & needed if graph[name].op not in INPUTS}
    for name in found:
        _check(graph, graph[name])
    read = {endpoint(text).node for name in found for text in graph[name].inputs}
    return found | {name for name in read if graph[name].op == "Const"}


def _check(graph: Graph, node: Node) -> None:
    """Raises INVALID_ARGUMENT for what cannot be there more than once."""
    op = registry.get(node.op)
    if op.is_control_flow:
        error = invalid("the loss depends on the batch through control flow, which cannot be replicated")
        raise graph.error_at(error, node.name)
    changed = [
        source
        for source, kind in zip(node.data_inputs, op.signature.bind(node).input_types)
        if kind.is_ref or (kind is dtypes.resource and op.state is not StateAccess.READS)
    ]
    if changed:
        error = invalid(f"each replica would change {changed[0].node!r}", hint="leave it out of the loss")
        raise graph.error_at(error, node.name)


def _at_home(node: Node, needed: set[str], device: str) -> Node:
    is_free = not node.device and node.op in VARIABLES and node.name in needed
    return replace(node, device=device) if is_free else node


def _with_rows(graph: Graph, batch: Sequence[str], devices: Sequence[str]) -> Graph:
    """Adds the rows of every replica, those of n rows and r replicas from i·n/r up, and its share of all."""
    g = GraphBuilder(graph)
    parts = len(devices)
    with g.device(devices[0]):
        rows = g.StridedSlice(
            g.Shape(g.tensor(batch[0])), [0], [1], [1], shrink_axis_mask=1, name=f"{_WHOLE}/rows"
        )
        bounds = [g.FloorDiv(rows * number, parts) for number in range(parts + 1)]
        for number in range(parts):
            begin, end = bounds[number], bounds[number + 1]
            share = g.DivNoNan(g.cast(end - begin, dtypes.float32), g.cast(rows, dtypes.float32))
            g.Identity(share, name=f"{_WHOLE}/share_{number}")
            first, last = g.Reshape(begin, [1]), g.Reshape(end, [1])
            for name in batch:
                g.StridedSlice(g.tensor(name), first, last, [1], name=f"{SCOPE}{number}/{name}")
    return g.graph()


def _with_copy(graph: Graph, copied: set[str], rows: Mapping[str, str], number: int, device: str) -> Graph:
    """Adds a copy of some nodes, which reads these rows instead of the whole batch."""
    scope = f"{SCOPE}{number}/"

    def rewired(text: str) -> str:
        source = endpoint(text)
        name = scope + source.node if source.node in copied else rows.get(source.node, source.node)
        return str(source._replace(node=name))

    made: list[Node] = []
    for node in graph.nodes:
        if node.name in copied:
            if scope + node.name in graph:
                error = invalid(f"the graph has a node {scope + node.name!r} already")
                raise graph.error_at(error, scope + node.name)
            inputs = tuple(map(rewired, node.inputs))
            attrs = {key: value for key, value in _reseeded(node, number).items() if key != "_class"}
            made.append(
                replace(node, name=scope + node.name, inputs=inputs, attrs=attrs, device=device, offset=-1)
            )
    return graph.with_nodes([*graph.nodes, *made])


def _reseeded(node: Node, number: int) -> Mapping[str, AttrValue]:
    """A node's attributes with a seed of the replica's own, if it has one at all."""
    seeds = [value for key in ("seed", "seed2") if isinstance(value := node.attrs.get(key), int)]
    if not any(seeds) or "seed2" not in registry.get(node.op).signature.attr_index:
        return node.attrs
    second = node.attrs.get("seed2", 0)
    return {**node.attrs, "seed2": second + number if isinstance(second, int) else number}


def _averaged(graph: Graph, losses: Sequence[str], devices: Sequence[str]) -> Replicas:
    """Adds the loss of the whole batch: those of the replicas, weighted by their shares."""
    g = GraphBuilder(graph)
    weighted: list[Tensor] = []
    for number, (loss, device) in enumerate(zip(losses, devices)):
        with g.device(device):
            y = g.tensor(loss)
            # Of no rows the mean is NaN, and its share nought.
            weighted.append(g.MulNoNan(y, g.cast(g.tensor(f"{_WHOLE}/share_{number}"), y.dtype)))
    with g.device(devices[0]):
        whole = g.AddN(weighted, name=f"{_WHOLE}/loss")
    return Replicas(g.graph(), whole.name, losses)


def _is_batch(node: Node) -> bool:
    shape = node.attrs.get("shape")
    if node.op not in INPUTS or not isinstance(shape, Shape):
        return False
    return bool(shape.dims) and shape[0] is None


def _ahead(graph: Graph, starts: Sequence[str]) -> set[str]:
    readers: dict[str, list[str]] = {}
    for node in graph.nodes:
        for text in node.inputs:
            readers.setdefault(endpoint(text).node, []).append(node.name)
    return reached(set(starts), readers)
