"""A plan's nodes cut into the units that the scheduler knows.

Nodes that can neither wait nor be dead run together as one segment. A node that may wait (``asynchronous``)
is a unit of its own, and splits what depends on it from what does not: two nodes share a segment exactly if
they depend on the same waiting nodes. So no segment waits for something that one of its nodes does not need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..graphfmt.graph import Endpoint, Node, endpoint
from . import lowering
from .liveness import Line, reads_reference
from .scheduler import CONTROL, Program, Source, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..kernels.facts import Fact
    from .lowering import Segment

_Group = tuple[frozenset[str], str]


@dataclass(frozen=True)
class Compute:
    """A segment, the outputs it takes and those it gives."""

    segment: Segment
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]


@dataclass(frozen=True)
class Wait:
    """An asynchronous node; ``dereferenced`` marks inputs that are references to be read."""

    node: Node
    kernel: Callable[..., Any]
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    dereferenced: tuple[bool, ...]
    single: bool


@dataclass(frozen=True)
class Cut:
    """The units and the program that says how they depend on each other, in the same order."""

    units: tuple[Compute | Wait, ...]
    program: Program

    @property
    def segments(self) -> list[Segment]:
        return [unit.segment for unit in self.units if isinstance(unit, Compute)]


def cut(lines: Sequence[Line], facts: Mapping[str, Sequence[Fact]], fetches: Sequence[Endpoint]) -> Cut:
    """Cuts ordered lines into units, in an order in which each comes after what it needs."""
    groups = _grouped(lines)
    home = {line.name: number for number, group in enumerate(groups) for line in group}
    needed = _needed_outside(groups, home, fetches)
    constant = {line.name for line in lines if line.is_constant}
    units: list[Compute | Wait] = []
    shapes: list[Unit] = []
    for number, group in enumerate(groups):
        inputs = tuple(e for e in _read(group) if home.get(e.node) != number and e.node not in constant)
        made = _unit(group, facts, inputs, tuple(needed[number]))
        units.append(made)
        shapes.append(Unit(group[0].name, _sources(group, number, home, needed, inputs), len(made.outputs)))
    return Cut(tuple(units), Program(tuple(shapes)))


def _grouped(lines: Sequence[Line]) -> list[list[Line]]:
    behind: dict[str, frozenset[str]] = {}
    groups: dict[_Group, list[Line]] = {}
    for line in lines:
        sources = [endpoint(text).node for text in line.prepared.node.inputs]
        waits: frozenset[str] = frozenset().union(*(behind.get(name, frozenset()) for name in sources))
        if line.prepared.op.asynchronous:
            groups[waits, line.name] = [line]
            behind[line.name] = waits | {line.name}
        else:
            groups.setdefault((waits, ""), []).append(line)
            behind[line.name] = waits
    return [groups[key] for key in sorted(groups, key=lambda key: len(key[0]))]


def _read(group: Sequence[Line]) -> list[Endpoint]:
    """The outputs that a group's kernels read, each once."""
    return list(dict.fromkeys(e for line in group if not line.is_constant for e in line.prepared.inputs))


def _needed_outside(
    groups: Sequence[Sequence[Line]], home: Mapping[str, int], fetches: Sequence[Endpoint]
) -> list[list[Endpoint]]:
    """For each group, its outputs that another one reads or that are fetched."""
    needed: list[dict[Endpoint, None]] = [{} for _ in groups]
    for number, group in enumerate(groups):
        for source in _read(group):
            producer = home.get(source.node)
            if producer is not None and producer != number:
                needed[producer][source] = None
    for fetch in fetches:
        if fetch.node in home:
            needed[home[fetch.node]][fetch] = None
    return [list(group) for group in needed]


def _unit(
    group: Sequence[Line],
    facts: Mapping[str, Sequence[Fact]],
    inputs: tuple[Endpoint, ...],
    outputs: tuple[Endpoint, ...],
) -> Compute | Wait:
    first = group[0]
    prepared = first.prepared
    if not prepared.op.asynchronous:
        return Compute(lowering.lower(group, facts, inputs, outputs), inputs, outputs)
    assert first.kernel is not None
    ports = tuple(Endpoint(first.name, port) for port in range(len(prepared.output_facts)))
    single = len(ports) == 1 and not prepared.op.signature.outputs[0].is_list
    read = tuple(reads_reference(prepared, i) for i in range(len(prepared.inputs)))
    return Wait(prepared.node, first.kernel, tuple(prepared.inputs), ports, read, single)


def _sources(
    group: Sequence[Line],
    number: int,
    home: Mapping[str, int],
    needed: Sequence[Sequence[Endpoint]],
    inputs: Sequence[Endpoint],
) -> tuple[Source, ...]:
    found: dict[Source, None] = {}
    for line in group:
        for text in line.prepared.node.inputs:
            source = endpoint(text)
            producer = home.get(source.node)
            if producer is None or producer == number:
                continue
            is_value = source in inputs and source in needed[producer]
            found[Source(producer, needed[producer].index(source) if is_value else CONTROL)] = None
    return tuple(found)
