"""The proof that the parts of a graph compute what the graph does: both are run, and their outputs and the state
that they leave are compared bit by bit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import numpy as np

from ...graphfmt.devices import LOCAL_TASK
from ...graphfmt.graph import endpoint
from ...kernels.core import registry
from ...kernels.core.op_sets import INPUTS, PLACEHOLDERS
from ..execution.session import Session
from ..passes.optimizers.initializers import initial_assignments
from ..passes.partitioning.parts import join_parts
from ..passes.prune import StepSignature, prune
from ..plan.control_flow.nesting import NodeNesting
from ..summary import summarize

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ...graphfmt.graph import Graph, Node
    from ...graphfmt.tensors import Array
    from ..passes.partitioning.parts import Parts
    from ..plan.feeds import Feed
    from .devices import DeviceSource


class StepRequest(NamedTuple):
    """The fetches and targets of one step."""

    fetches: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    def placeholders(self, graph: Graph, fed: Sequence[str]) -> list[str]:
        """The placeholders that have to be fed besides those in ``fed``."""
        needed = prune(graph, StepSignature(self.fetches, tuple(fed), self.targets)).graph
        done = {endpoint(name).node for name in fed}
        return [
            n.name for n in needed.nodes if n.op in PLACEHOLDERS and n.name in graph and n.name not in done
        ]


class Mismatch(NamedTuple):
    """A value or a part of the state that differs, and how."""

    what: str
    how: str

    def __str__(self) -> str:
        return f"{self.what}: {self.how}"


def everything(graph: Graph, fed: Collection[str] = ()) -> list[StepRequest]:
    """The steps that together compute all outputs and targets of a graph: the outputs first, then each target by
    itself, because one may write what another reads. Outputs that are fed or may be dead, and the initialisation of
    variables, are left out."""
    summary = summarize(graph)
    nesting = NodeNesting(graph)
    first = {node.name for node in initial_assignments(graph).values()}

    def is_free(name: str) -> bool:
        source = endpoint(name)
        return not nesting.frame(source.node) and not nesting.conditions(source)

    outputs = tuple(
        entry.name
        for entry in summary.outputs
        if entry.dtype is not None and entry.dtype.name not in ("resource", "variant")
        if entry.op not in INPUTS and entry.name not in fed and is_free(entry.name)
    )
    targets = [
        name
        for name in summary.targets
        if first.isdisjoint(n.name for n in prune(graph, StepSignature((), (), (name,))).graph.nodes)
    ]
    return [*([StepRequest(outputs)] if outputs else []), *(StepRequest((), (name,)) for name in targets)]


def initialisers(graph: Graph) -> list[str]:
    """The names of the assignments that give the variables their first values."""
    return [node.name for node in initial_assignments(graph).values()]


@dataclass
class Proof:
    """Runs a graph and its parts side by side. The parts run on the devices of ``tasks``, or, without these, on CPU
    devices of this process. ``compared`` is the number of values compared."""

    graph: Graph
    parts: Parts
    tasks: DeviceSource | None = None
    compared: int = 0
    differences: list[Mismatch] = field(default_factory=list[Mismatch])

    def __post_init__(self) -> None:
        self._whole = Session(_seeded(self.graph), log=_discard)
        if self.tasks is None:
            graph, devices = _on_local_devices(self.parts), f"cpu:{len(self.parts.graphs)}"
        else:
            graph, devices = join_parts(self.parts), self.tasks
        self._together = Session(_seeded(graph), log=_discard, devices=devices)

    def close(self) -> None:
        """Ends what the parts ran on."""
        self._together.close()

    def feeds(self, asked: StepRequest, fed: Sequence[str]) -> Sequence[Feed]:
        """The dtypes and shapes of the values to feed in a step."""
        return self._whole.plan(asked.fetches, fed, asked.targets).feeds

    def step(self, asked: StepRequest, feeds: Mapping[str, Any]) -> None:
        """Runs a step both ways and compares the fetched values. Raises what a step raises."""
        expected = self._whole.run(asked.fetches, feeds, asked.targets)
        found = self._together.run(asked.fetches, feeds, asked.targets)
        for name, one, other in zip(asked.fetches, expected, found):
            self._compare(f"value {name!r}", one, other)

    def compare_state(self) -> None:
        """Compares the state that the steps have left."""
        expected, found = self._whole.snapshot().resources, self._together.snapshot().resources
        for key in sorted(expected.keys() | found.keys()):
            one, other = expected.get(key, {}), found.get(key, {})
            for name in sorted(one.keys() | other.keys()):
                self._compare(
                    f"state {'/'.join(filter(None, (*key, name)))!r}", one.get(name), other.get(name)
                )

    def _compare(self, what: str, one: Array | None, other: Array | None) -> None:
        self.compared += 1
        how = _difference(one, other)
        if how:
            self.differences.append(Mismatch(what, how))


def _seeded(graph: Graph) -> Graph:
    """The graph with a seed for each random operation without one, which depends on the node's name alone."""

    def seeded(node: Node) -> Node:
        if node.attrs.get("seed") or node.attrs.get("seed2") or not _takes_seeds(node.op):
            return node
        return replace(node, attrs={**node.attrs, "seed": crc32(node.name.encode()) + 1, "seed2": 1})

    return graph.with_nodes(map(seeded, graph.nodes))


def _takes_seeds(op: str) -> bool:
    declared = registry.find(op)
    return declared is not None and {"seed", "seed2"} <= declared.signature.attr_index.keys()


def _on_local_devices(parts: Parts) -> Graph:
    """The parts as one graph for a session, each on a CPU device of this machine."""
    local = {device: str(LOCAL_TASK._replace(type="CPU", id=n)) for n, device in enumerate(parts.graphs)}
    whole = join_parts(parts)
    return whole.with_nodes(replace(node, device=local[node.device]) for node in whole.nodes)


def _difference(one: Array | None, other: Array | None) -> str:
    """The difference of two arrays in words; the empty string if they do not."""
    if one is None or other is None:
        return "it is missing in the parts" if other is None else "only the parts have it"
    if one.dtype != other.dtype or one.shape != other.shape:
        return f"{one.dtype}{list(one.shape)}, and in the parts {other.dtype}{list(other.shape)}"
    places = _unequal(one, other)
    count = int(np.count_nonzero(places))
    if not count:
        return ""
    at = tuple(int(i[0]) for i in np.nonzero(places)) if one.ndim else ()
    where = f" first at {list(at)}:" if at else ""
    return f"{count} of {one.size} elements differ,{where} {one[at]}, and in the parts {other[at]}"


def _unequal(one: Array, other: Array) -> Array:
    """A mask of the elements in which two arrays of one dtype and shape have different bits."""
    if one.dtype.hasobject:
        return np.asarray(one != other)
    size = one.dtype.itemsize
    bits = [np.ascontiguousarray(x).reshape(-1).view(np.uint8).reshape(-1, size) for x in (one, other)]
    return (bits[0] != bits[1]).any(axis=1).reshape(one.shape)


def _discard(line: str) -> None:
    """Drops the output of Print nodes."""
