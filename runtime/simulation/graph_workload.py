"""The workload of one worker, read off its graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt import dtypes
from ...graphfmt.graph import endpoint
from ...kernels.core import registry
from ...kernels.core.op_sets import IDENTITIES, VARIABLES
from ...kernels.core.traits import StateAccess
from ..passes.optimizers.servers import size_of
from ..passes.placement.place import PlacementOptions, place
from ..passes.prune import StepSignature, prune
from .scenario import Workload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...graphfmt.dtypes import DType
    from ...graphfmt.graph import Graph, Node
    from ...kernels.core.registry import Op
    from ..passes.placement.machine.machine import Machine


def workload_of(
    graph: Graph,
    step: Sequence[str],
    machine: Machine,
    *,
    batch: int = 1,
    costs: Mapping[str, float] | None = None,
) -> Workload:
    """Returns the workload of a step on one worker: the placed graph's time on the machine's first device, the
    variables it reads, and those of them that it updates. Slots of optimizers stay on the servers.

    Args:
        step: the fetches and targets of a worker's step; all nodes if empty.
        machine: a machine with one device, the worker's.
        batch: size of unknown dimensions, and the number of examples of a step.
        costs: measured seconds by node; None for estimates.

    Raises:
        TfgError: as ``place``.
    """
    ends = tuple(endpoint(name).node for name in step)
    options = PlacementOptions(costs=costs, batch=batch, step=ends, soft=True)
    placement = place(graph, machine, "single", options)
    used = prune(graph, StepSignature((), (), ends)).graph if ends else graph
    read, written = _accesses(used)
    fetched = sum(map(size_of, read.values()))
    pushed = sum(size_of(node) for name, node in read.items() if name in written)
    return Workload(placement.makespan, fetched, pushed, batch)


def _accesses(graph: Graph) -> tuple[dict[str, Node], set[str]]:
    """The variables whose values are read, by name, and the names of those that are written."""
    read: dict[str, Node] = {}
    written: set[str] = set()
    for node in graph.nodes:
        op = registry.find(node.op)
        if op is None or not any(graph[source.node].op in VARIABLES for source in node.data_inputs):
            continue
        for source, kind in zip(node.data_inputs, op.signature.bind(node).input_types):
            variable = graph[source.node]
            if variable.op not in VARIABLES:
                continue
            if _is_update(op, kind):
                written.add(variable.name)
            else:
                read[variable.name] = variable
    return read, written


def _is_update(op: Op, kind: DType) -> bool:
    if op.name in IDENTITIES:
        return False
    return kind.is_ref or (kind is dtypes.resource and op.state is not StateAccess.READS)
