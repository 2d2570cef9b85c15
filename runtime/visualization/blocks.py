"""Boxes of a drawing and the edges between them: a box is a node or, in large graphs, a name scope on a device.

Scopes are opened from the largest down while the number of boxes permits. Large closed scopes (a graph without
scopes, for example) are split along time into runs of nodes.
"""

from __future__ import annotations

from collections import defaultdict
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from ...kernels.core.op_sets import VARIABLE_READS, VARIABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..passes.placement.simulation.simulated_step import Simulation

# The most boxes that a drawing has, to stay readable.
MOST = 150
# The most edges; beyond it, the smallest within a device are left out.
MOST_FLOWS = 1500


class Block(NamedTuple):
    """A box: ``ops`` are its operations, ordered by start; ``label`` is the name of a node or scope."""

    device: int
    label: str
    ops: tuple[int, ...]
    seconds: float


class FlowEdge(NamedTuple):
    """Data from one block to another: bytes and tensors; no tensors for a control edge only.

    ``transfers`` are indices in the schedule. A transfer is drawn to the first block on its device that reads
    it, and from there, as copies, to the others; ``is_copy`` is True if the edge has only copies.
    """

    source: int
    target: int
    bytes: int
    tensors: int
    transfers: tuple[int, ...]
    is_copy: bool


class Blocks(NamedTuple):
    """Blocks ordered by time; ``of[op]`` is an operation's block, -1 for one that is not drawn."""

    blocks: Sequence[Block]
    flows: Sequence[FlowEdge]
    of: Sequence[int]
    notes: Sequence[str]


def blocks(simulation: Simulation, most: int = MOST) -> Blocks:
    """Returns the blocks of a simulated step, at most ``most`` unless there are more devices."""
    hidden, notes = _hidden(simulation)
    schedule, names = simulation.schedule, simulation.formulation.nodes
    drawn = [op for op in range(len(names)) if op not in hidden]
    drawn.sort(key=lambda op: (schedule.start[op], schedule.finish[op], op))
    if len(drawn) > most:
        groups = _Scopes(simulation, drawn).grouped(most)
        notes = [*notes, f"{len(drawn):,} nodes are drawn as {len(groups)} boxes, by name scope and device"]
    else:
        groups = [(names[op], [op]) for op in drawn]
    place = {op: number for number, op in enumerate(drawn)}
    groups.sort(key=lambda group: (sum(place[op] for op in group[1]) / len(group[1]), group[1][0]))
    of = [-1] * len(names)
    for number, (_, ops) in enumerate(groups):
        for op in ops:
            of[op] = number
    for op, reader in hidden.items():
        of[op] = of[reader] if reader >= 0 else -1
    drawn_blocks = [
        Block(
            schedule.place[ops[0]],
            label,
            tuple(ops),
            sum(schedule.finish[op] - schedule.start[op] for op in ops),
        )
        for label, ops in groups
    ]
    return Blocks(drawn_blocks, _flows(simulation, of), of, notes)


def _hidden(simulation: Simulation) -> tuple[dict[int, int], list[str]]:
    """Returns operations without a box of their own, each with the operation whose box includes it, or -1.

    These are nodes outside of the step, constants read only on their device, and variables and reads with one
    reader.
    """
    formulation, schedule = simulation.formulation, simulation.schedule
    problem, box_of = formulation.problem, dict[int, int]()
    idle = held = 0
    # In reverse order, so that a variable follows its only read.
    for op in reversed(range(len(formulation.nodes))):
        name = formulation.nodes[op]
        if formulation.step is not None and name not in formulation.step:
            box_of[op] = -1
            idle += 1
            continue
        kind = simulation.graph.index[name].op
        readers = {reader for number in problem.outputs[op] for reader in problem.tensors[number].readers}
        is_local = readers and all(schedule.place[reader] == schedule.place[op] for reader in readers)
        if is_local and (kind == "Const" or (len(readers) == 1 and kind in _HELD)):
            reader = min(readers, key=lambda reader: (schedule.start[reader], reader))
            box_of[op] = box_of.get(reader, reader)
            held += 1
    notes: list[str] = []
    if held:
        notes.append(
            f"{held:,} constants, and variables and reads of them with but one reader, are part of its box"
        )
    if idle:
        notes.append(f"{idle:,} nodes that the step does not need are left out")
    return box_of, notes


# Operations that hold a value or read one.
_HELD = VARIABLES | VARIABLE_READS


class _Scopes:
    """The tree of name scopes.

    ``members`` are operations by scope (names end with a slash; the whole graph is the empty name),
    ``children`` the scopes and nodes directly below, each with the devices of its operations.
    """

    def __init__(self, simulation: Simulation, drawn: Sequence[int]) -> None:
        self.place = simulation.schedule.place
        self.names = simulation.formulation.nodes
        self.members: dict[str, list[int]] = defaultdict(list)
        self.children: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        for op in drawn:
            name, device, scope = self.names[op], self.place[op], ""
            self.members[scope].append(op)
            for at in (i for i, letter in enumerate(name) if letter == "/"):
                inner = name[: at + 1]
                self.children[scope][inner].add(device)
                self.members[inner].append(op)
                scope = inner
            self.children[scope][name].add(device)
            self.members[name].append(op)

    def grouped(self, most: int) -> list[tuple[str, list[int]]]:
        """Returns groups of operations of one device, with labels."""
        count = len({self.place[op] for op in self.members[""]})
        heap, closed, leaves = [(-len(self.members[""]), "")], list[str](), list[str]()
        heapify(heap)
        while heap:
            _, scope = heappop(heap)
            children = self.children[scope]
            more = sum(map(len, children.values())) - len({self.place[op] for op in self.members[scope]})
            if count + more > most:
                closed.append(scope)
                continue
            count += more
            for child in children:
                if child in self.children:
                    heappush(heap, (-len(self.members[child]), child))
                else:
                    leaves.append(child)
        groups = [(name, self.members[name]) for name in leaves]
        return groups + self._cut(closed, most - count)

    def _cut(self, closed: Sequence[str], spare: int) -> list[tuple[str, list[int]]]:
        """Splits closed scopes by device, and along time into as many runs as the limit permits."""
        apart: dict[tuple[str, int], list[int]] = defaultdict(list)
        for scope in closed:
            for op in self.members[scope]:
                apart[scope, self.place[op]].append(op)
        total = sum(map(len, apart.values()))
        groups: list[tuple[str, list[int]]] = []
        for (scope, _), ops in apart.items():
            runs = min(1 + spare * len(ops) // max(1, total), len(ops)) if len(ops) * 8 >= total else 1
            for run in range(runs):
                some = ops[len(ops) * run // runs : len(ops) * (run + 1) // runs]
                label = scope or f"{self.names[some[0]]} …"
                groups.append((label if runs == 1 or not scope else f"{label} {run + 1}/{runs}", some))
        return groups


class _FlowTotal:
    """The running total of an edge."""

    def __init__(self) -> None:
        self.bytes = 0
        self.tensors = 0
        self.copies = 0
        self.transfers: list[int] = []


def _flows(simulation: Simulation, of: Sequence[int]) -> list[FlowEdge]:
    problem, place = simulation.formulation.problem, simulation.schedule.place
    moved = {(t.tensor, t.target): i for i, t in enumerate(simulation.schedule.transfers)}
    sums: dict[tuple[int, int], _FlowTotal] = defaultdict(_FlowTotal)

    def add(source: int, target: int, number: int) -> _FlowTotal:
        found = sums[source, target]
        found.bytes += problem.tensors[number].size
        found.tensors += not simulation.formulation.endpoints[number].startswith("^")
        return found

    for number, tensor in enumerate(problem.tensors):
        source, home = of[tensor.producer], place[tensor.producer]
        readers: dict[int, set[int]] = defaultdict(set)
        for reader in tensor.readers:
            readers[place[reader]].add(of[reader])
        for device, found in readers.items():
            if device == home:
                for target in sorted(found - {source}):
                    add(source, target, number)
            else:
                first, *others = sorted(found)
                add(source, first, number).transfers.append(moved[number, device])
                for target in others:
                    add(first, target, number).copies += 1
    flows = [
        FlowEdge(source, target, found.bytes, found.tensors, tuple(found.transfers), _only_copies(found))
        for (source, target), found in sums.items()
    ]
    kept = sorted(flows, key=lambda flow: (not flow.transfers, -flow.bytes, flow.source, flow.target))
    return sorted(kept[:MOST_FLOWS])


def _only_copies(total: _FlowTotal) -> bool:
    return 0 < total.copies >= total.tensors
