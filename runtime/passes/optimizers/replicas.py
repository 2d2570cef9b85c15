"""Data parallelism as a pass: one copy per device of the subgraph that depends on the batch.

Each replica computes the loss of its share of the rows; variables are shared. The loss of the whole batch is
the weighted mean of the shares' losses, so minimising it averages the replicas' gradients: synchronous training
(OSDI'16 section 4.4). For asynchronous training each replica has a loss of its own, over the whole batch fed to
its step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.graph import Endpoint, Graph, Node, endpoint
from ....graphfmt.shapes import Shape
from ....graphfmt.traversal import ancestors, descendants
from ....kernels.builder.graph_builder import GraphBuilder
from ....kernels.core import registry
from ....kernels.core.op_sets import INPUTS, VARIABLES
from ....kernels.core.traits import StateAccess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.attributes import AttrValue
    from ....kernels.builder.graph_builder import Tensor

# Scopes of a replica's nodes (followed by its number), and of the nodes that combine replicas.
SCOPE = "replica_"
_WHOLE = "replicas"


NO_HOMES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Replicas:
    """A graph with replicas of a loss: ``losses`` are the replicas' losses, ``loss`` that of the whole batch (None
    for asynchronous training)."""

    graph: Graph
    loss: str | None
    losses: Sequence[str]


def replicate(
    graph: Graph,
    loss: str,
    devices: Sequence[str],
    *,
    split: bool = True,
    homes: Mapping[str, str] = NO_HOMES,
) -> Replicas:
    """Copies the subgraph that a loss needs once per device, except for variables and operations on them.

    A copy of ``hidden`` is named ``replica_0/hidden``. Variables without a device go to those of ``homes``, else to the
    first device. A random operation with a seed gets a different seed in each replica.

    Args:
        loss: a scalar, the mean over the rows of a batch.
        devices: one name per replica.
        homes: devices of variables, by name.
        split: True if each replica takes an (almost) equal share of the rows of every placeholder whose first
            dimension is unknown; otherwise each takes all rows.

    Raises:
        TfgError: INVALID_ARGUMENT where the loss is not a scalar, depends on no such placeholder, or depends on the
            batch through control flow or an update of a variable.
    """
    y = GraphBuilder(graph).tensor(loss)
    if y.shape.rank not in (0, None):
        raise graph.error_at(invalid(f"the loss {loss!r} must be a scalar, but has shape {y.shape}"), y.node)
    needed = set(ancestors(graph, [y.node]))
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
    replicated = graph.with_nodes(
        _at_home(node, needed, homes.get(node.name, devices[0])) for node in graph.nodes
    )
    if split:
        replicated = _with_rows(replicated, batch, devices)
    for number, device in enumerate(devices):
        rows = {name: f"{SCOPE}{number}/{name}" for name in batch} if split else {}
        replicated = _with_copy(replicated, copied, rows, number, device)
    losses = [str(Endpoint(f"{SCOPE}{number}/{y.node}", y.port)) for number in range(len(devices))]
    return _averaged(replicated, losses, devices) if split else Replicas(replicated, None, losses)


def _copied(graph: Graph, needed: set[str], batch: Sequence[str]) -> set[str]:
    """Returns the nodes that depend on the batch, and the constants that they read."""
    dependents = {n for n in descendants(graph.nodes, batch) if n in needed and graph[n].op not in INPUTS}
    for name in dependents:
        _check(graph, graph[name])
    read = {endpoint(text).node for name in dependents for text in graph[name].inputs}
    return dependents | {name for name in read if graph[name].op == "Const"}


def _check(graph: Graph, node: Node) -> None:
    """Raises INVALID_ARGUMENT for operations that cannot be replicated."""
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
    """Adds each replica's rows (of n rows, replica i of r starts at i·n/r) and its share of all rows."""
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
    """Adds a copy of the nodes that reads a replica's rows in place of the whole batch."""
    scope = f"{SCOPE}{number}/"

    def rewired(text: str) -> str:
        source = endpoint(text)
        name = scope + source.node if source.node in copied else rows.get(source.node, source.node)
        return str(source._replace(node=name))

    copies: list[Node] = []
    for node in graph.nodes:
        if node.name in copied:
            if scope + node.name in graph:
                error = invalid(f"the graph has a node {scope + node.name!r} already")
                raise graph.error_at(error, scope + node.name)
            inputs = tuple(map(rewired, node.inputs))
            attrs = {key: value for key, value in _reseeded(node, number).items() if key != "_class"}
            copies.append(
                replace(node, name=scope + node.name, inputs=inputs, attrs=attrs, device=device, offset=-1)
            )
    return graph.with_nodes([*graph.nodes, *copies])


def _reseeded(node: Node, number: int) -> Mapping[str, AttrValue]:
    """Returns a node's attributes with a different seed per replica, if it has a seed."""
    seeds = [value for key in ("seed", "seed2") if isinstance(value := node.attrs.get(key), int)]
    if not any(seeds) or "seed2" not in registry.get(node.op).signature.attr_index:
        return node.attrs
    second = node.attrs.get("seed2", 0)
    return {**node.attrs, "seed2": second + number if isinstance(second, int) else number}


def _averaged(graph: Graph, losses: Sequence[str], devices: Sequence[str]) -> Replicas:
    """Adds the loss of the whole batch: the replicas' losses weighted by their shares."""
    g = GraphBuilder(graph)
    weighted: list[Tensor] = []
    for number, (loss, device) in enumerate(zip(losses, devices)):
        with g.device(device):
            y = g.tensor(loss)
            # The mean of no rows is NaN, with a share of 0.
            weighted.append(g.MulNoNan(y, g.cast(g.tensor(f"{_WHOLE}/share_{number}"), y.dtype)))
    with g.device(devices[0]):
        whole = g.AddN(weighted, name=f"{_WHOLE}/loss")
    return Replicas(g.graph(), whole.name, losses)


def _is_batch(node: Node) -> bool:
    shape = node.attrs.get("shape")
    if node.op not in INPUTS or not isinstance(shape, Shape):
        return False
    return bool(shape.dims) and shape[0] is None
