"""Deadness analysis: under which conditions each value is live.

A *guard* is a predicate and the side of its Switches that a value is on; a value is live where all its guards hold. A
Switch adds a guard, a Merge of its two sides removes it. Guards are counted from the Enters of a loop, so those of two
nodes may be compared only within one loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ....graphfmt.graph import Endpoint
from ....kernels.core.traits import Role
from ..ir import aliases, role

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ..instruction import Instruction


class Guard(NamedTuple):
    """``side`` is the Switch's output, or ``UNKNOWN`` where the value may be dead for another reason."""

    predicate: Endpoint
    side: int

    @property
    def opposite(self) -> Guard:
        return Guard(self.predicate, 1 - self.side)


UNKNOWN = 2

_NONE: frozenset[Guard] = frozenset()


class DeadnessAnalysis:
    """``guards`` are those of each node. A guard that was ``UNKNOWN`` may be ``resolved`` into others later.
    ``maybe_dead`` are the receives that may get a dead value."""

    def __init__(self, instructions: Sequence[Instruction], maybe_dead: Collection[str] = ()) -> None:
        self._maybe_dead = maybe_dead
        self.resolved: dict[Guard, frozenset[Guard]] = {}
        self.guards: dict[str, frozenset[Guard]] = {}
        self._sources = aliases(instructions)
        self._roles = {instruction.name: role(instruction) for instruction in instructions}
        self._predicates: dict[str, Endpoint] = {}
        for instruction in instructions:
            self.guards[instruction.name] = self._node_guards(instruction)

    def output_guards(self, source: Endpoint) -> frozenset[Guard]:
        """The guards of an output."""
        guards = self.guards.get(source.node, _NONE)
        predicate = self._predicates.get(source.node)
        if predicate is None or source.is_control:
            return guards
        return guards | {Guard(predicate, source.port)}

    def input_guards(self, instruction: Instruction) -> frozenset[Guard]:
        """The guards of all inputs of an instruction together."""
        guards = _NONE
        for source in instruction.dependencies:
            guards |= self.output_guards(source)
        if not self.resolved:
            return guards
        return _NONE.union(*(self.resolved.get(guard, (guard,)) for guard in guards))

    def unknown(self, instruction: Instruction) -> Guard:
        """The guard for whatever may make the first output of a Merge, an Exit or a receive dead."""
        return Guard(Endpoint(instruction.name, 0), UNKNOWN)

    def value(self, source: Endpoint) -> Endpoint:
        """The output that computes the value of an output."""
        return self._sources.get(source, source)

    def predicate(self, switch: Instruction) -> Endpoint:
        """The predicate of a Switch."""
        return self.value(switch.inputs[1])

    def _node_guards(self, instruction: Instruction) -> frozenset[Guard]:
        own = self._roles[instruction.name]
        if own in (Role.ENTER, Role.CONTROL_TRIGGER):
            return _NONE
        if own is Role.EXIT:
            return frozenset({self.unknown(instruction)})
        if own is Role.RECV and instruction.name in self._maybe_dead:
            return self.input_guards(instruction) | {self.unknown(instruction)}
        if own is Role.MERGE:
            return self._merge_guards(instruction)
        if own is Role.SWITCH:
            self._predicates[instruction.name] = self.predicate(instruction)
        return self.input_guards(instruction)

    def _merge_guards(self, merge: Instruction) -> frozenset[Guard]:
        sources = merge.dependencies
        if any(self._roles.get(source.node) is Role.NEXT_ITERATION for source in sources):
            return _NONE
        if len(sources) == 2 and not sources[1].is_control:
            one, other = self.output_guards(sources[0]), self.output_guards(sources[1])
            if len(one - other) == 1 and frozenset(guard.opposite for guard in one - other) == other - one:
                return one & other
        return frozenset({self.unknown(merge)})
