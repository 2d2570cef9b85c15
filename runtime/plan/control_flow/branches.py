"""Conditionals that can be seen to be such run as ``if``.

All Switches of one predicate, the nodes on their two sides, and the Merges that join the sides again become one
line for every part that hangs together. It must be whole: nothing else may read what may be dead, and nothing in
it may wait or steer; what is not so is left to the scheduler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....graphfmt.graph import Endpoint
from ....kernels.core.binding import PASS_ON
from . import region_codegen
from .deadness_analysis import Guard, Guards
from .region_rewriter import made_line, passing_line, sources, stands_alone

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ..liveness import Line
    from .region_rewriter import Flow


def compile_branches(flow: Flow, guards: Guards, excepted: Collection[Endpoint]) -> None:
    """Replaces the conditionals, the innermost first; not those by a predicate that is excepted."""
    finder = _Finder(flow, guards)
    for predicate, around in finder.places():
        if predicate not in excepted:
            for group in finder.groups(predicate, around):
                finder.compile(group, Guard(predicate, 1), around)


class _Finder:
    """``under`` are the nodes that run under just these guards, ``switches`` those of a predicate."""

    def __init__(self, flow: Flow, guards: Guards) -> None:
        self.flow = flow
        self.guards = guards
        self.switches: dict[tuple[Endpoint, frozenset[Guard]], list[str]] = {}
        self.under: dict[frozenset[Guard], dict[str, None]] = {}
        for name, found in guards.alive.items():
            if found:
                self.under.setdefault(found, {})[name] = None

    def places(self) -> list[tuple[Endpoint, frozenset[Guard]]]:
        """The predicates of the Switches, and the guards around these, the innermost first."""
        for line in self.flow.lines:
            if line.prepared.node.op == "Switch":
                place = self.guards.predicate(line), self.guards.alive[line.name]
                self.switches.setdefault(place, []).append(line.name)
        return sorted(self.switches, key=lambda place: -len(place[1]))

    def groups(self, predicate: Endpoint, around: frozenset[Guard]) -> list[list[Line]]:
        """The lines of the conditionals of a predicate, those that hang together in one group, in order."""
        members = {name for name in self.switches[predicate, around] if name in self.flow.by_name}
        for side in (0, 1):
            names = self.under.get(around | {Guard(predicate, side)}, ())
            members.update(name for name in names if name in self.flow.by_name)
        joined: dict[str, str] = {name: name for name in members}
        for name in list(members):
            for reader in self.flow.readers(name):
                if self._is_merge(reader, around):
                    joined.setdefault(reader.name, reader.name)
                if reader.name in joined and not self._is_switch(reader, predicate, around):
                    joined[_root(joined, name)] = _root(joined, reader.name)
        groups: dict[str, list[Line]] = {}
        for line in self.flow.in_order(joined):
            groups.setdefault(_root(joined, line.name), []).append(line)
        return list(groups.values())

    def _is_merge(self, line: Line, around: frozenset[Guard]) -> bool:
        return line.prepared.node.op == "Merge" and self.guards.alive[line.name] == around

    def _is_switch(self, line: Line, predicate: Endpoint, around: frozenset[Guard]) -> bool:
        is_one = line.prepared.node.op == "Switch" and self.guards.alive[line.name] == around
        return is_one and self.guards.predicate(line) == predicate

    def compile(self, group: Sequence[Line], true: Guard, around: frozenset[Guard]) -> None:
        """Replaces a group by one line, if it is whole."""
        flow = self.flow
        switches = [line for line in group if self._is_switch(line, true.predicate, around)]
        merges = [line for line in group if self._is_merge(line, around)]
        ends = {line.name for line in (*switches, *merges)}
        nodes = [line for line in group if line.name not in ends]
        inside = {line.name for line in group}
        if not switches or not self._is_whole(switches, nodes, merges, inside, around):
            return
        passed = [
            line._replace(
                kernel=PASS_ON, prepared=line.prepared._replace(inputs=(line.prepared.inputs[0],) * 2)
            )
            for line in switches
        ]
        given = switches[0].prepared.inputs[1]
        inputs = list(dict.fromkeys([given, *flow.outside([*passed, *nodes], inside)]))
        sides = (
            self._side(true.opposite, passed, nodes, merges),
            self._side(true, passed, nodes, merges),
        )
        first = switches[0]
        segment = region_codegen.lower_branch(inputs, given, sides, first.prepared.node, flow.facts)
        name = f"_branch/{first.name}"
        typed = [(e, flow.facts[e.node][e.port].dtype) for e in inputs]
        controls = flow.waits_for([*switches, *nodes], inside)
        outputs = [fact for line in merges for fact in line.prepared.output_facts]
        made = made_line(flow, name, "Branch", segment, typed, controls, outputs)
        passing = [
            passing_line(line, (Endpoint(name, 2 * n), Endpoint(name, 2 * n + 1)))
            for n, line in enumerate(merges)
        ]
        if flow.replace(inside, made, passing):
            flow.frames[name] = flow.frames.get(first.name, ())
            self.guards.alive[name] = around
            if around:
                self.under.setdefault(around, {})[name] = None

    def _is_whole(
        self,
        switches: Sequence[Line],
        nodes: Sequence[Line],
        merges: Sequence[Line],
        inside: set[str],
        around: frozenset[Guard],
    ) -> bool:
        own = {line.name for line in merges}
        given = {source for line in (*switches, *nodes) for source in sources(line)}
        return (
            all(not line.prepared.input_facts[0].dtype.is_ref for line in switches)
            and all(not (line.prepared.op.is_control_flow or stands_alone(line)) for line in nodes)
            and all(line.name not in self.flow.fetched for line in (*switches, *nodes))
            and all(
                reader.name in inside
                for line in (*switches, *nodes)
                for reader in self.flow.readers(line.name)
            )
            and all(len(line.prepared.inputs) == len(sources(line)) == 2 for line in merges)
            and not any(source.node in own for source in given)
            and all(self.guards.of(source) <= around for source in given if source.node not in inside)
        )

    def _side(
        self, guard: Guard, passed: Sequence[Line], nodes: Sequence[Line], merges: Sequence[Line]
    ) -> region_codegen.Side:
        lines = [*passed, *(line for line in nodes if guard in self.guards.alive[line.name])]
        results: list[Endpoint | int] = []
        for line in merges:
            inputs = line.prepared.inputs
            place = next(place for place, source in enumerate(inputs) if guard in self.guards.of(source))
            results += [inputs[place], place]
        return region_codegen.Side(lines, results)


def _root(joined: dict[str, str], name: str) -> str:
    while joined[name] != name:
        joined[name] = joined[joined[name]]
        name = joined[name]
    return name
