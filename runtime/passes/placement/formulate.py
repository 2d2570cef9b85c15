"""Formulation of a placement problem in plain numbers, from a graph, a machine and costs.

Operations are numbered independently of the order of nodes in the file: in topological order, ties by name.
Back edges of loops (from a NextIteration to its Merge) are left out, so a loop counts as one iteration;
measured costs contain all iterations.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from ....graphfmt.graph import Endpoint, endpoint
from ....kernels.core.inference import topological_order
from ....kernels.core.op_sets import MERGES, NEXT_ITERATIONS
from .costs.cost_model import CALL, HAND_OVER
from .problem import Problem, ProblemTensor, SharedInterpreter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from ....graphfmt.devices import DeviceName
    from ....graphfmt.graph import Graph, Node
    from .constraints.constraints import Constraints
    from .costs.cost_model import NodeWork
    from .machine.machine import Machine


class Formulation(NamedTuple):
    """A problem with the node of each operation and the endpoint (``name:port`` or ``^name``) of each tensor.

    ``step`` are the nodes that run in the step, None for all.
    """

    problem: Problem
    nodes: Sequence[str]
    endpoints: Sequence[str]
    step: AbstractSet[str] | None


def formulate(
    graph: Graph,
    machine: Machine,
    constraints: Constraints,
    work: Mapping[str, NodeWork],
    measured: Mapping[str, float] | None = None,
    step: AbstractSet[str] | None = None,
) -> Formulation:
    """Returns the problem of placing a graph.

    Args:
        work: estimated work of every node.
        measured: seconds by node; other nodes get their estimates, scaled by the median ratio of measured to
            estimated times.
        step: nodes of the step to be fast, None for all; of other nodes only persistent bytes count.
    """
    nodes = _numbered(graph)
    tensors = _tensors(nodes, work, step if step is not None else graph.index.keys())
    names = machine.names
    links = [[None if d == e else machine.link(d, e) for e in names] for d in names]
    problem = Problem(
        group=[constraints.group_of[node.name] for node in nodes],
        feasible=[tuple(names.index(device) for device in group.feasible) for group in constraints.groups],
        seconds=_seconds(nodes, machine, work, measured or {}, step),
        tensors=list(tensors.values()),
        latency=[[link.latency if link else 0.0 for link in row] for row in links],
        per_byte=[[1 / link.bandwidth if link else 0.0 for link in row] for row in links],
        persistent=[work[node.name].persistent for node in nodes],
        limits=[
            float("inf") if device.memory is None else float(device.memory) for device in machine.devices
        ],
        # Measured times include the waits for the interpreter.
        interpreters=[] if measured else _interpreters(machine),
    )
    return Formulation(problem, [node.name for node in nodes], list(tensors), step)


def _interpreters(machine: Machine) -> list[SharedInterpreter]:
    """Returns one shared interpreter per task for its CPU devices, which are threads of one process."""
    devices: dict[DeviceName, set[int]] = {}
    for number, device in enumerate(machine.devices):
        if device.type == "CPU":
            devices.setdefault(device.parsed._replace(type=None, id=None), set()).add(number)
    return [
        SharedInterpreter(frozenset(numbers), CALL, HAND_OVER)
        for numbers in devices.values()
        if len(numbers) > 1
    ]


def _numbered(graph: Graph) -> list[Node]:
    """Returns the nodes in the order of their numbers. Raises INVALID_ARGUMENT for cycles and unknown inputs."""
    for _ in topological_order(graph):
        pass
    waiting: dict[str, int] = {}
    readers: dict[str, list[str]] = {}
    for node in graph.nodes:
        sources = _sources(graph, node)
        waiting[node.name] = len(sources)
        for source in sources:
            readers.setdefault(source, []).append(node.name)
    ready = [name for name, count in waiting.items() if not count]
    heapify(ready)
    numbered: list[Node] = []
    while ready:
        name = heappop(ready)
        numbered.append(graph.index[name])
        for reader in readers.get(name, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                heappush(ready, reader)
    return numbered


def _sources(graph: Graph, node: Node) -> set[str]:
    """Returns the nodes that a node waits for, without back edges."""
    sources = {endpoint(text).node for text in node.inputs}
    if node.op in MERGES:
        sources = {name for name in sources if graph.index[name].op not in NEXT_ITERATIONS}
    return sources


def _tensors(
    nodes: Sequence[Node], work: Mapping[str, NodeWork], step: AbstractSet[str]
) -> dict[str, ProblemTensor]:
    """Returns the outputs of the step's nodes by endpoint, and control outputs with readers."""
    number = {node.name: op for op, node in enumerate(nodes)}
    readers: dict[str, list[int]] = {}
    for op, node in enumerate(nodes):
        if node.name in step:
            for source in dict.fromkeys(map(endpoint, node.inputs)):
                # Producers of back edges are numbered later.
                if number[source.node] < op:
                    readers.setdefault(str(source), []).append(op)
    tensors: dict[str, ProblemTensor] = {}
    for op, node in enumerate(nodes):
        if node.name not in step:
            continue
        node_work = work[node.name]
        for port, size in enumerate(node_work.outputs):
            name = str(Endpoint(node.name, port))
            held = 0 if node_work.is_view else size
            tensors[name] = ProblemTensor(op, size, held, tuple(readers.get(name, ())))
        control = str(Endpoint(node.name, -1))
        if control in readers:
            tensors[control] = ProblemTensor(op, 0, 0, tuple(readers[control]))
    return tensors


def _seconds(
    nodes: Sequence[Node],
    machine: Machine,
    work: Mapping[str, NodeWork],
    measured: Mapping[str, float],
    step: AbstractSet[str] | None,
) -> list[list[float]]:
    """Returns seconds by operation and device. A time measured on one device scales to others as the estimates do."""
    first = machine.devices[0]
    estimates = {node.name: work[node.name].seconds(first) for node in nodes}
    ratios = [measured[name] / base for name, base in estimates.items() if base and name in measured]
    scale = median(ratios) if ratios else 1.0
    table: list[list[float]] = []
    for node in nodes:
        if step is not None and node.name not in step:
            table.append([0.0] * len(machine.devices))
            continue
        base, known = estimates[node.name], measured.get(node.name)
        row = [work[node.name].seconds(device) for device in machine.devices]
        if known is None:
            table.append([scale * seconds for seconds in row])
        else:
            table.append([known * seconds / base if base else known for seconds in row])
    return table
