"""On which branches each node runs.

A *guard* is a predicate and the side that a value is alive on; a value is alive where all its guards hold. A
Switch adds one, a Merge of its two sides takes it away. Guards count from the Enters of a loop, so that those
of two nodes say something only within one loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ....graphfmt.graph import Endpoint, endpoint
from ....kernels.core.op_sets import ENTERS, EXITS, MERGES, NEXT_ITERATIONS, RECVS, SWITCHES
from ..liveness import passed_on

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ..liveness import Line


class Guard(NamedTuple):
    """``side`` is the Switch's output; ``UNKNOWN`` where the value may be dead for some other reason."""

    predicate: Endpoint
    side: int

    @property
    def opposite(self) -> Guard:
        return Guard(self.predicate, 1 - self.side)


UNKNOWN = 2


class Guards:
    """``alive`` are the guards under which each node runs; where a guard was ``UNKNOWN`` and no longer is,
    ``learnt`` has what it stands for. ``maybe_dead`` are the receives that may get something dead."""

    def __init__(self, lines: Sequence[Line], maybe_dead: Collection[str] = ()) -> None:
        self._maybe_dead = maybe_dead
        self.learnt: dict[Guard, frozenset[Guard]] = {}
        self.alive: dict[str, frozenset[Guard]] = {}
        self._sources = passed_on(lines)
        self._operations = {line.name: line.prepared.node.op for line in lines}
        self._predicates: dict[str, Endpoint] = {}
        for line in lines:
            self.alive[line.name] = self._found(line)

    def of(self, source: Endpoint) -> frozenset[Guard]:
        """The guards of an output."""
        found = self.alive.get(source.node, _NONE)
        predicate = self._predicates.get(source.node)
        if predicate is None or source.is_control:
            return found
        return found | {Guard(predicate, source.port)}

    def of_inputs(self, line: Line) -> frozenset[Guard]:
        """The guards of a node's inputs together."""
        found = _NONE
        for text in line.prepared.node.inputs:
            found |= self.of(endpoint(text))
        return self._explained(found) if self.learnt else found

    def _explained(self, found: frozenset[Guard]) -> frozenset[Guard]:
        return _NONE.union(*(self.learnt.get(guard, (guard,)) for guard in found))

    def unknown(self, line: Line) -> Guard:
        """The guard for whatever may make the first output of a Merge, an Exit or a receive dead."""
        return Guard(Endpoint(line.name, 0), UNKNOWN)

    def value(self, source: Endpoint) -> Endpoint:
        """The output that an output is passed on from."""
        return self._sources.get(source, source)

    def predicate(self, line: Line) -> Endpoint:
        """What a Switch decides by."""
        return self.value(line.prepared.inputs[1])

    def _found(self, line: Line) -> frozenset[Guard]:
        kind = line.prepared.node.op
        if kind in ENTERS or kind == "ControlTrigger":
            return _NONE
        if kind in EXITS:
            return frozenset({self.unknown(line)})
        if line.name in self._maybe_dead and kind in RECVS:
            return self.of_inputs(line) | {self.unknown(line)}
        if kind in MERGES:
            return self._merged(line)
        if kind in SWITCHES:
            self._predicates[line.name] = self.predicate(line)
        return self.of_inputs(line)

    def _merged(self, line: Line) -> frozenset[Guard]:
        sources = [endpoint(text) for text in line.prepared.node.inputs]
        if any(self._operations.get(source.node) in NEXT_ITERATIONS for source in sources):
            return _NONE
        if len(sources) == 2 and not sources[1].is_control:
            one, other = self.of(sources[0]), self.of(sources[1])
            if len(one - other) == 1 and frozenset(guard.opposite for guard in one - other) == other - one:
                return one & other
        return frozenset({self.unknown(line)})


_NONE: frozenset[Guard] = frozenset()
