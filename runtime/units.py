"""A plan's nodes cut into the units that the scheduler knows.

Most nodes neither wait nor steer; they run together as segments. A node that may wait (``asynchronous``) and one
that steers (Switch, Merge, Enter, Exit, NextIteration) is a unit of its own, and splits what depends on it from
what does not: two nodes share a segment exactly if the waiting and steering outputs that they depend on, going
back to the nearest, are the same. So a segment is dead as a whole or not at all, belongs to one iteration, and
waits for nothing that one of its nodes does not need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..graphfmt.graph import Endpoint, Node, endpoint
from ..kernels.binding import PASS_ON
from . import lowering
from .liveness import Line, reads_reference
from .scheduler import CONTROL, Kind, Program, Source, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ..kernels.facts import Fact
    from .lowering import Segment

_KINDS = {
    "Merge": Kind.MERGE,
    "RefMerge": Kind.MERGE,
    "Enter": Kind.ENTER,
    "RefEnter": Kind.ENTER,
    "Exit": Kind.EXIT,
    "RefExit": Kind.EXIT,
    "NextIteration": Kind.NEXT_ITERATION,
    "RefNextIteration": Kind.NEXT_ITERATION,
    "ControlTrigger": Kind.TRIGGER,
    "Switch": Kind.PLAIN,
    "RefSwitch": Kind.PLAIN,
}

# The waiting and steering outputs that a node depends on, going back to the nearest.
_Gates = frozenset[Endpoint]


@dataclass(frozen=True)
class Compute:
    """A segment, the outputs it takes and those it gives."""

    segment: Segment
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]


@dataclass(frozen=True)
class Single:
    """A node that is a unit of its own; ``dereferenced`` marks inputs that are references to be read."""

    node: Node
    kernel: Callable[..., Any] | None
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    dereferenced: tuple[bool, ...]
    is_one: bool
    takes_context: bool
    waits: bool


@dataclass(frozen=True)
class Given:
    """What is fed: there from the start."""

    outputs: tuple[Endpoint, ...]


@dataclass(frozen=True)
class Cut:
    """The units and the program that says how they depend on each other, in the same order."""

    units: tuple[Compute | Single | Given, ...]
    program: Program

    @property
    def segments(self) -> list[Segment]:
        return [unit.segment for unit in self.units if isinstance(unit, Compute)]


def is_single(line: Line) -> bool:
    """Whether a node waits or steers."""
    return line.prepared.op.asynchronous or line.prepared.op.name in _KINDS


def cut(
    lines: Sequence[Line],
    facts: Mapping[str, Sequence[Fact]],
    given: Sequence[Endpoint],
    fetches: Sequence[Endpoint],
) -> Cut:
    """Cuts ordered lines into units; the first is what is given."""
    cutter = _Cutter(lines, facts, tuple(given))
    units = cutter.units(fetches)
    return Cut(units, Program(tuple(cutter.shape(number, unit) for number, unit in enumerate(units))))


class _Cutter:
    """``groups`` are the lines of each unit, ``home`` says which unit a node belongs to, ``known`` are the
    constants that no gate stands before: their values are part of the segments that read them."""

    def __init__(
        self, lines: Sequence[Line], facts: Mapping[str, Sequence[Fact]], given: tuple[Endpoint, ...]
    ) -> None:
        self.facts = facts
        self.given = given
        self.groups, free = _grouped(lines)
        self.groups.insert(0, [])
        self.home = {line.name: number for number, group in enumerate(self.groups) for line in group}
        self.home |= {source.node: 0 for source in given}
        self.known = {line.name for line in lines if line.is_constant and line.name in free}
        self._outputs: list[list[Endpoint]] = []

    def units(self, fetches: Sequence[Endpoint]) -> tuple[Compute | Single | Given, ...]:
        inputs = [self._inputs(number) for number in range(len(self.groups))]
        needed: list[dict[Endpoint, None]] = [{} for _ in self.groups]
        for source in [*(source for group in inputs for source in group), *fetches]:
            if source.node in self.home:
                needed[self.home[source.node]][source] = None
        self._outputs = [list(group) for group in needed]
        made = [self._unit(n, inputs[n], tuple(needed[n])) for n in range(1, len(self.groups))]
        return (Given(self.given), *made)

    def _inputs(self, number: int) -> tuple[Endpoint, ...]:
        """The outputs of others that a unit's kernels read, each once; all of them, in order, for a single."""
        group = self.groups[number]
        if group and is_single(group[0]):
            return tuple(group[0].prepared.inputs)
        read = dict.fromkeys(e for line in group if not line.is_constant for e in line.prepared.inputs)
        return tuple(e for e in read if self.home.get(e.node) != number and e.node not in self.known)

    def _unit(
        self, number: int, inputs: tuple[Endpoint, ...], outputs: tuple[Endpoint, ...]
    ) -> Compute | Single:
        group = self.groups[number]
        first = group[0]
        prepared = first.prepared
        if not is_single(first):
            return Compute(lowering.lower(group, self.facts, inputs, outputs, read=False), inputs, outputs)
        ports = tuple(Endpoint(first.name, port) for port in range(len(prepared.output_facts)))
        return Single(
            node=prepared.node,
            kernel=_same if first.kernel is PASS_ON else first.kernel,
            inputs=inputs,
            outputs=ports,
            dereferenced=tuple(reads_reference(prepared, i) for i in range(len(inputs))),
            is_one=len(ports) == 1 and not prepared.op.signature.outputs[0].is_list,
            takes_context=prepared.op.takes_context,
            waits=prepared.op.asynchronous,
        )

    def shape(self, number: int, unit: Compute | Single | Given) -> Unit:
        """The unit as the scheduler sees it."""
        if isinstance(unit, Given):
            return Unit("what is fed", (), len(unit.outputs))
        group = self.groups[number]
        sources = tuple(dict.fromkeys(self._sources(number, group)))
        if isinstance(unit, Compute):
            return Unit(group[0].name, sources, len(unit.outputs))
        kind = _KINDS.get(unit.node.op, Kind.PLAIN)
        if kind is not Kind.ENTER:
            return Unit(unit.node.name, sources, len(unit.outputs), kind)
        attrs = group[0].prepared.bound.plain_attrs
        parallel = max(1, attrs["parallel_iterations"])
        return Unit(unit.node.name, sources, 1, kind, attrs["frame_name"], attrs["is_constant"], parallel)

    def _sources(self, number: int, group: Sequence[Line]) -> Iterator[Source]:
        single = is_single(group[0])
        for line in group:
            for source in map(endpoint, line.prepared.node.inputs):
                producer = self.home.get(source.node)
                if producer is None or (producer == number and not single):
                    continue
                if single or source.node not in self.known:
                    yield Source(producer, self._port(source, producer, line))

    def _port(self, source: Endpoint, producer: int, reader: Line) -> int:
        """Which of its unit's outputs an output is; none where only its being there counts."""
        if source.is_control or (reader.is_constant and not is_single(reader)):
            return CONTROL
        if producer == 0:
            return self.given.index(source)
        return source.port if is_single(self.groups[producer][0]) else self._place(producer, source)

    def _place(self, producer: int, source: Endpoint) -> int:
        return self._outputs[producer].index(source)


def _same(value: Any) -> Any:
    return value


def _grouped(lines: Sequence[Line]) -> tuple[list[list[Line]], set[str]]:
    """The lines by unit, and the names of those that no gate stands before."""
    gates: dict[str, _Gates] = {}
    singles = {line.name for line in lines if is_single(line)}
    groups: dict[_Gates | str, list[Line]] = {}
    for line in lines:
        found: set[Endpoint] = set()
        for source in map(endpoint, line.prepared.node.inputs):
            found |= {source} if source.node in singles else gates.get(source.node, frozenset())
        gates[line.name] = frozenset(found)
        groups.setdefault(line.name if line.name in singles else gates[line.name], []).append(line)
    return list(groups.values()), {name for name, found in gates.items() if not found}
