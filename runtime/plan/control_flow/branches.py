"""Recognition of conditionals that can run as ``if``.

All Switches of one predicate, the nodes on their two sides, and the Merges that join the sides again become one
``Branch`` for every connected group. A group must be closed: nothing else reads what may be dead, and nothing in it
waits or is control flow of another kind. Other conditionals are left to the scheduler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ....graphfmt.graph import Endpoint
from ..ir import KernelCall, is_control_flow, operation
from .deadness_analysis import DeadnessAnalysis, Guard
from .region_rewriter import alias_of, forwarded, stands_alone
from .regions import Branch, Side

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ..instruction import Instruction
    from .region_rewriter import RegionRewriter


def rewrite_branches(
    rewriter: RegionRewriter, deadness: DeadnessAnalysis, loop_predicates: Collection[Endpoint]
) -> None:
    """Replaces the conditionals, the innermost first. The Switches of loops are left alone."""
    branches = _BranchRewriter(rewriter, deadness)
    for predicate, around in branches.conditionals():
        if predicate not in loop_predicates:
            for group in branches.groups(predicate, around):
                branches.replace(group)


class _Conditional(NamedTuple):
    """A connected part of a conditional. ``around`` are the guards of its Switches."""

    predicate: Endpoint
    around: frozenset[Guard]
    switches: Sequence[KernelCall]
    nodes: Sequence[Instruction]
    merges: Sequence[KernelCall]

    @property
    def names(self) -> set[str]:
        return {one.name for one in (*self.switches, *self.nodes, *self.merges)}


class _BranchRewriter:
    """``_under`` are the nodes by their guards, ``_switches`` those of each predicate and the guards around it."""

    def __init__(self, rewriter: RegionRewriter, deadness: DeadnessAnalysis) -> None:
        self.rewriter = rewriter
        self.deadness = deadness
        self._switches: dict[tuple[Endpoint, frozenset[Guard]], list[str]] = {}
        self._under: dict[frozenset[Guard], dict[str, None]] = {}
        for name, guards in deadness.guards.items():
            if guards:
                self._under.setdefault(guards, {})[name] = None

    def conditionals(self) -> list[tuple[Endpoint, frozenset[Guard]]]:
        """The predicates of the Switches with the guards around these, the innermost first."""
        for call in self.rewriter.calls:
            if operation(call) == "Switch":
                key = self.deadness.predicate(call), self.deadness.guards[call.name]
                self._switches.setdefault(key, []).append(call.name)
        return sorted(self._switches, key=lambda key: -len(key[1]))

    def groups(self, predicate: Endpoint, around: frozenset[Guard]) -> list[_Conditional]:
        """The connected parts of the conditional of a predicate."""
        by_name = self.rewriter.by_name
        members = {name for name in self._switches[predicate, around] if name in by_name}
        for side in (0, 1):
            names = self._under.get(around | {Guard(predicate, side)}, ())
            members.update(name for name in names if name in by_name)
        parents: dict[str, str] = {name: name for name in members}
        for name in list(members):
            for reader in self.rewriter.readers(name):
                if self._is_merge(reader, around):
                    parents.setdefault(reader.name, reader.name)
                if reader.name in parents and not self._is_switch(reader, predicate, around):
                    parents[_root(parents, name)] = _root(parents, reader.name)
        groups: dict[str, list[Instruction]] = {}
        for instruction in self.rewriter.in_order(parents):
            groups.setdefault(_root(parents, instruction.name), []).append(instruction)
        return [self._conditional(group, predicate, around) for group in groups.values()]

    def _conditional(
        self, group: Sequence[Instruction], predicate: Endpoint, around: frozenset[Guard]
    ) -> _Conditional:
        calls = [one for one in group if isinstance(one, KernelCall)]
        switches = [call for call in calls if self._is_switch(call, predicate, around)]
        merges = [call for call in calls if self._is_merge(call, around)]
        ends = {call.name for call in (*switches, *merges)}
        nodes = [one for one in group if one.name not in ends]
        return _Conditional(predicate, around, switches, nodes, merges)

    def _is_merge(self, instruction: Instruction, around: frozenset[Guard]) -> bool:
        return operation(instruction) == "Merge" and self.deadness.guards[instruction.name] == around

    def _is_switch(self, instruction: Instruction, predicate: Endpoint, around: frozenset[Guard]) -> bool:
        if operation(instruction) != "Switch" or self.deadness.guards[instruction.name] != around:
            return False
        return self.deadness.predicate(instruction) == predicate

    def replace(self, found: _Conditional) -> None:
        """Replaces a conditional by a Branch, if it is closed."""
        inside = found.names
        if not found.switches or not self._is_closed(found, inside):
            return
        branch = self._branch(found, inside)
        results = [
            alias_of(merge, (Endpoint(branch.name, 2 * n), Endpoint(branch.name, 2 * n + 1)))
            for n, merge in enumerate(found.merges)
        ]
        if self.rewriter.replace(inside, branch, results):
            self.rewriter.frames[branch.name] = self.rewriter.frames.get(found.switches[0].name, ())
            self.deadness.guards[branch.name] = found.around
            if found.around:
                self._under.setdefault(found.around, {})[branch.name] = None

    def _branch(self, found: _Conditional, inside: set[str]) -> Branch:
        first = found.switches[0]
        predicate = first.inputs[1]
        switches = [forwarded(switch) for switch in found.switches]
        read = self.rewriter.values_from_outside([*switches, *found.nodes], inside)
        inputs = tuple(dict.fromkeys([predicate, *read]))
        true = Guard(found.predicate, 1)
        return Branch(
            name=f"_branch/{first.name}",
            inputs=inputs,
            references=(False,) * len(inputs),
            controls=self.rewriter.controls_from_outside([*found.switches, *found.nodes], inside),
            output_facts=tuple(fact for merge in found.merges for fact in merge.output_facts),
            origin=first.node,
            predicate=predicate,
            sides=(self._side(true.opposite, switches, found), self._side(true, switches, found)),
        )

    def _is_closed(self, found: _Conditional, inside: set[str]) -> bool:
        merges = {merge.name for merge in found.merges}
        before_merges = (*found.switches, *found.nodes)
        read = {source for one in before_merges for source in one.dependencies}
        return (
            all(not switch.typed.input_facts[0].dtype.is_ref for switch in found.switches)
            and all(not (is_control_flow(node) or stands_alone(node)) for node in found.nodes)
            and all(one.name not in self.rewriter.fetched for one in before_merges)
            and all(
                reader.name in inside for one in before_merges for reader in self.rewriter.readers(one.name)
            )
            and all(len(merge.inputs) == len(merge.dependencies) == 2 for merge in found.merges)
            and not any(source.node in merges for source in read)
            and all(
                self.deadness.output_guards(source) <= found.around
                for source in read
                if source.node not in inside
            )
        )

    def _side(self, guard: Guard, switches: Sequence[Instruction], found: _Conditional) -> Side:
        nodes = [node for node in found.nodes if guard in self.deadness.guards[node.name]]
        results: list[Endpoint | int] = []
        for merge in found.merges:
            sources = enumerate(merge.inputs)
            index = next(n for n, source in sources if guard in self.deadness.output_guards(source))
            results += [merge.inputs[index], index]
        return Side([*switches, *nodes], results)


def _root(parents: dict[str, str], name: str) -> str:
    while parents[name] != name:
        parents[name] = parents[parents[name]]
        name = parents[name]
    return name
