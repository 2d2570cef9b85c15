"""Estimates of what a step takes, from shapes: memory, floating-point operations, time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...kernels.core.inference import topological_order
from ..passes.placement.costs.cost_model import estimate_work
from ..passes.placement.machine.machine import parse_devices
from ..passes.prune import StepSignature, prune
from .loops import frame_loops

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...graphfmt.graph import Graph
    from ..passes.placement.costs.cost_model import NodeWork


class StepEstimate(NamedTuple):
    """Bytes of variables and constants, and at most of all values at once; operations; seconds on one processor.

    Open dimensions count as the batch, and loops whose number of iterations is not known as one iteration.
    """

    fetches: Sequence[str]
    targets: Sequence[str]
    persistent: int
    memory: int
    flops: float
    seconds: float
    largest: str


def estimate_step(
    graph: Graph, fetches: Sequence[str], targets: Sequence[str], batch: int = 1
) -> StepEstimate:
    """Estimates a step with these fetches and targets. Raises the first fault of what it needs."""
    needed = prune(graph, StepSignature(tuple(fetches), (), tuple(targets))).graph
    work = estimate_work(needed, batch=batch)
    device = parse_devices("cpu:1").devices[0]
    calls = _calls(needed)
    persistent = sum(one.persistent for one in work.values())
    transient, largest = _peak(needed, work)
    return StepEstimate(
        tuple(fetches),
        tuple(targets),
        persistent,
        persistent + transient,
        sum(one.flops * calls.get(name, 1) for name, one in work.items()),
        sum(one.seconds(device) * calls.get(name, 1) for name, one in work.items()),
        largest,
    )


def _calls(graph: Graph) -> Mapping[str, float]:
    """The number of calls of the nodes in loops whose number of iterations is known."""
    loops = {loop.name: loop.iterations or 1 for loop in frame_loops(graph)}
    if not loops:
        return {}
    from ..plan.control_flow.frames import frames

    calls: dict[str, float] = {}
    for name, frame in frames(graph).items():
        for depth in range(1, len(frame) + 1):
            calls[name] = calls.get(name, 1) * loops.get("/".join(frame[:depth]), 1)
    return calls


def _peak(graph: Graph, work: Mapping[str, NodeWork]) -> tuple[int, str]:
    """The most bytes of values at once, each held from its node until its last reader, and the node at which that
    is."""
    readers = {node.name: 0 for node in graph.nodes}
    for node in graph.nodes:
        for name in {source.node for source in node.data_inputs}:
            readers[name] += 1
    held = peak = 0
    largest = ""
    for node in topological_order(graph):
        held += _held(work[node.name])
        if held > peak:
            peak, largest = held, node.name
        for name in {source.node for source in node.data_inputs}:
            readers[name] -= 1
            if not readers[name]:
                held -= _held(work[name])
    return peak, largest


def _held(work: NodeWork) -> int:
    return 0 if work.is_view or work.is_free else sum(work.outputs)
