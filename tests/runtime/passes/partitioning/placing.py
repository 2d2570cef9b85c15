"""Graphs on devices, and their parts run."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tfg.graphfmt import dtypes
from tfg.graphfmt.graph import Graph
from tfg.kernels.core import registry
from tfg.kernels.core.inference import infer_graph
from tfg.kernels.core.op_sets import SENDS
from tfg.runtime.execution.session import Session
from tfg.runtime.passes.partitioning.parts import Parts, union_graph


def device(number: int) -> str:
    return f"/job:localhost/replica:0/task:0/device:CPU:{number}"


def on(graph: Graph, numbers: Mapping[str, int], everywhere: int = 0) -> Graph:
    """The graph with some nodes on the devices given, and the others on one."""
    return graph.with_nodes(
        replace(node, device=device(numbers.get(node.name, everywhere))) for node in graph.nodes
    )


def placed(graph: Graph, seed: int = 0, count: int = 3) -> Graph:
    """The graph with every node on a random device. What cannot be sent stays with whatever made it."""
    pick = random.Random(seed)
    homes = {node.name: node.name for node in graph.nodes}

    def home(name: str) -> str:
        while homes[name] != name:
            name = homes[name]
        return name

    for one, other in _inseparable(graph):
        homes[home(one)] = home(other)
    numbers = {name: pick.randrange(count) for name in sorted(homes)}
    return on(graph, {name: numbers[home(name)] for name in homes})


def _inseparable(graph: Graph) -> list[tuple[str, str]]:
    facts = infer_graph(graph)
    return [
        (node.name, source.node)
        for node in graph.nodes
        for source, wanted in zip(node.data_inputs, registry.get(node.op).signature.bind(node).input_types)
        if wanted.is_ref or facts[source.node][source.port].dtype is dtypes.resource
    ]


class Together:
    """The very nodes of all parts, run by one executor, which exchanges values with itself."""

    def __init__(self, parts: Parts) -> None:
        graph = union_graph(parts)
        self._session = Session(graph, compile_control_flow=False)
        self._sends = [node.name for node in graph.nodes if node.op in SENDS]

    def run(
        self, fetches: Sequence[str], feeds: Mapping[str, Any] | None = None, targets: Sequence[str] = ()
    ) -> list[Any]:
        """A step with all that the parts send."""
        return self._session.run(fetches, feeds or {}, [*targets, *self._sends], timeout=20)
