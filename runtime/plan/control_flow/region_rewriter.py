"""The instructions of a plan while groups of them are replaced by loops and branches.

A group becomes one ``Loop`` or ``Branch``; the nodes that gave its results stay as aliases of the region's outputs,
so that their readers need not change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....graphfmt.graph import Endpoint
from ....kernels.core.traits import Role
from ..ir import Alias, Constant, KernelCall, forwards, is_asynchronous, is_send, operation, role

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from ....kernels.core.facts import Fact
    from ..instruction import Instruction
    from .regions import Region


class RegionRewriter:
    """``facts`` and ``frames`` (the names of the loops around each node) grow with the regions that are put in;
    ``fetched`` are the nodes whose values the plan returns."""

    def __init__(
        self,
        instructions: Sequence[Instruction],
        facts: dict[str, Sequence[Fact]],
        frames: Mapping[str, tuple[str, ...]],
        fetched: Collection[str],
    ) -> None:
        # In order; the slots of instructions that are replaced may be left empty.
        self._slots: list[Instruction | None] = list(instructions)
        self._positions = {instruction.name: place for place, instruction in enumerate(instructions)}
        self.facts = facts
        self.frames = dict(frames)
        self.fetched = fetched
        self.by_name = {instruction.name: instruction for instruction in instructions}
        self._readers: dict[str, dict[str, None]] = {}
        for instruction in instructions:
            self._register_reader(instruction)

    @property
    def instructions(self) -> list[Instruction]:
        """The instructions as they are now, in order."""
        return [instruction for instruction in self._slots if instruction is not None]

    @property
    def calls(self) -> Iterator[KernelCall]:
        """The kernel calls among them."""
        return (instruction for instruction in self._slots if isinstance(instruction, KernelCall))

    def _register_reader(self, instruction: Instruction) -> None:
        for source in instruction.dependencies:
            self._readers.setdefault(source.node, {})[instruction.name] = None

    def readers(self, name: str) -> Iterator[Instruction]:
        """The instructions that depend on an instruction directly."""
        for reader in self._readers.get(name, ()):
            if reader in self.by_name:
                yield self.by_name[reader]

    def in_order(self, names: Collection[str]) -> list[Instruction]:
        """The instructions of these names, in order."""
        return [self.by_name[name] for name in sorted(names, key=self._positions.__getitem__)]

    def values_from_outside(
        self, instructions: Iterable[Instruction], inside: Collection[str]
    ) -> list[Endpoint]:
        """The outputs of other instructions that these read, each once, without the constants."""
        read = dict.fromkeys(source for one in instructions for source in one.inputs)
        return [e for e in read if e.node not in inside and not self._is_constant(e)]

    def _is_constant(self, source: Endpoint) -> bool:
        return isinstance(self.by_name.get(source.node), Constant)

    def controls_from_outside(
        self, instructions: Iterable[Instruction], inside: Collection[str]
    ) -> list[Endpoint]:
        """The control outputs of other instructions that these wait for; what a constant depends on counts."""
        controls = dict.fromkeys(
            Endpoint(source.node, -1)
            for one in instructions
            for source in one.dependencies
            if source.node not in inside and (source.is_control or isinstance(one, Constant))
            if source.node in self.by_name
        )
        return list(controls)

    def replace(self, inside: Collection[str], region: Region, results: Sequence[Alias]) -> bool:
        """Puts a region and the aliases of its outputs in the place of a group. Returns False, and changes nothing,
        if an instruction outside would both depend on the group and be needed by it."""
        positions = [self._positions[name] for name in inside]
        first, last = min(positions), max(positions) + 1
        split = self._split(self._slots[first:last], inside)
        if split is None:
            return False
        before, after = split
        new: list[Instruction] = [*before, region, *results, *after]
        self._slots[first:last] = [*new, *(None for _ in range(last - first - len(new)))]
        for name in inside:
            del self.by_name[name], self._positions[name]
        self._positions.update((instruction.name, first + n) for n, instruction in enumerate(new))
        for instruction in (region, *results):
            self.by_name[instruction.name] = instruction
            self._register_reader(instruction)
        self.facts[region.name] = region.output_facts
        return True

    def _split(
        self, slots: Iterable[Instruction | None], inside: Collection[str]
    ) -> tuple[list[Instruction], list[Instruction]] | None:
        """The instructions outside of a group that may run before it, and those that depend on it; None if the
        group depends on one of the latter."""
        before: list[Instruction] = []
        after: list[Instruction] = []
        dependent = set(inside)
        for instruction in slots:
            if instruction is None:
                continue
            sources = instruction.dependencies
            if instruction.name in inside:
                if any(s.node in dependent and s.node not in inside for s in sources):
                    return None
            elif any(s.node in dependent and not self._is_back_edge(instruction, s) for s in sources):
                dependent.add(instruction.name)
                after.append(instruction)
            else:
                before.append(instruction)
        return before, after

    def _is_back_edge(self, instruction: Instruction, source: Endpoint) -> bool:
        if role(instruction) is not Role.MERGE:
            return False
        producer = self.by_name.get(source.node)
        return producer is not None and role(producer) is Role.NEXT_ITERATION


def stands_alone(instruction: Instruction) -> bool:
    """True for what can be no part of a region: it may wait, or it must run even if it is dead."""
    return is_asynchronous(instruction) or is_send(instruction)


def forwarded(call: KernelCall) -> KernelCall | Alias:
    """A control-flow call within a region, where it is an alias of its data input on every port."""
    if operation(call) == "Switch":
        return Alias(call.typed, (call.inputs[0],) * 2, call.dependencies)
    return Alias(call.typed, call.inputs, call.dependencies) if forwards(call) else call


def alias_of(instruction: KernelCall, sources: Sequence[Endpoint]) -> Alias:
    """A node whose outputs are those of a region."""
    return Alias(instruction.typed, sources, sources)
