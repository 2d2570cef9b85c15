"""Recognition of well-formed loops, which run as ``while``.

In every iteration the nodes that depend on no Switch run first, the predicate among them; while it holds, what
depends on the Switches' true side runs, and gives the next iteration's values. A frame with anything else in it, or
anything that waits, is left to the scheduler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ....graphfmt.graph import Endpoint
from ....graphfmt.traversal import reachable_from
from ....kernels.core.traits import Role
from ..ir import Alias, KernelCall, is_control_flow, operation, role
from .branches import rewrite_branches
from .deadness_analysis import DeadnessAnalysis, Guard
from .region_rewriter import RegionRewriter, alias_of, forwarded, stands_alone
from .regions import Loop

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ....kernels.core.facts import Fact
    from ..instruction import Instruction
    from .frames import Frame


def compile_control_flow(
    instructions: Sequence[Instruction],
    facts: dict[str, Sequence[Fact]],
    frames: Mapping[str, Frame],
    fetched: Collection[str],
    maybe_dead: Collection[str] = (),
) -> list[Instruction]:
    """The instructions with well-formed loops and conditionals as regions, whose facts are added to ``facts``.

    Args:
        frames: the names of the loops around each node.
        fetched: the nodes whose values the plan returns.
        maybe_dead: the sends and receives whose values may be dead.
    """
    rewriter = RegionRewriter(instructions, facts, frames, fetched)
    deepest = max((len(frame) for frame in frames.values()), default=0)
    count = 0
    while count != len(rewriter.by_name) and any(call.typed.op.is_control_flow for call in rewriter.calls):
        # What follows a conditional with a loop in it is recognised only once that is one instruction.
        count = len(rewriter.by_name)
        for depth in range(deepest, -1, -1):
            _rewrite_depth(rewriter, depth, maybe_dead)
    return rewriter.instructions


def _rewrite_depth(rewriter: RegionRewriter, depth: int, maybe_dead: Collection[str]) -> None:
    instructions = rewriter.instructions
    deadness = DeadnessAnalysis(instructions, maybe_dead)
    predicates = {deadness.value(one.inputs[0]) for one in instructions if _is_loop_condition(one)}
    rewrite_branches(rewriter, deadness, predicates)
    if depth:
        _rewrite_loops(rewriter, deadness, depth)


def _is_loop_condition(instruction: Instruction) -> bool:
    return isinstance(instruction, (Alias, KernelCall)) and instruction.typed.node.op == "LoopCond"


def _rewrite_loops(rewriter: RegionRewriter, deadness: DeadnessAnalysis, depth: int) -> None:
    members: dict[Frame, list[Instruction]] = {}
    for instruction in rewriter.instructions:
        frame = rewriter.frames.get(instruction.name, ())
        if len(frame) == depth:
            members.setdefault(frame, []).append(instruction)
    count = 0
    while count != len(members):
        # What follows a loop can be recognised only once the loop is one instruction.
        count = len(members)
        for frame, inside in list(members.items()):
            structure = _LoopRecogniser(rewriter, deadness, inside).structure()
            if structure is not None and _replace(rewriter, deadness, frame, structure):
                del members[frame]


class _LoopVariable(NamedTuple):
    """The nodes that carry a value from one iteration to the next."""

    enter: KernelCall
    merge: KernelCall
    next_iteration: KernelCall


class _LoopStructure(NamedTuple):
    """The parts of a well-formed loop: ``invariants`` are the Enters of its constants; ``condition``, ``body`` and
    ``on_exit`` are the other members by when they run."""

    members: Sequence[Instruction]
    variables: Sequence[_LoopVariable]
    invariants: Sequence[KernelCall]
    loop_condition: Alias | KernelCall
    condition: Sequence[Instruction]
    body: Sequence[Instruction]
    on_exit: Sequence[Instruction]
    exits: Sequence[KernelCall]

    @property
    def enters(self) -> list[KernelCall]:
        return [*(variable.enter for variable in self.variables), *self.invariants]


class _LoopRecogniser:
    """Takes the members of one frame apart."""

    def __init__(
        self, rewriter: RegionRewriter, deadness: DeadnessAnalysis, members: Sequence[Instruction]
    ) -> None:
        self.rewriter = rewriter
        self.deadness = deadness
        self.members = members
        self._enters: list[KernelCall] = []
        self._merges: list[KernelCall] = []
        self._condition: list[Instruction] = []
        self._body: list[Instruction] = []
        self._on_exit: list[Instruction] = []

    def structure(self) -> _LoopStructure | None:
        """The parts of the loop; None if it is not well formed."""
        conditions = [one for one in self.members if _is_loop_condition(one)]
        if len(conditions) != 1:
            return None
        predicate = self.deadness.value(Endpoint(conditions[0].name, 0))
        if not all(self._sort(member, predicate) for member in self.members):
            return None
        exits = self._exits(Guard(predicate, 0))
        variables = self._variables()
        if exits is None or variables is None:
            return None
        used = {variable.enter.name for variable in variables}
        invariants = [enter for enter in self._enters if enter.name not in used]
        if not all(_is_invariant(enter) for enter in invariants):
            return None
        condition = conditions[0]
        assert isinstance(condition, (Alias, KernelCall))
        structure = _LoopStructure(
            self.members,
            variables,
            invariants,
            condition,
            self._condition,
            self._body,
            self._on_exit,
            exits,
        )
        return structure if self._is_dead_as_a_whole(structure) else None

    def _sort(self, member: Instruction, predicate: Endpoint) -> bool:
        """Puts a member where it belongs; False if it has no place in a well-formed loop."""
        group = self._group(member, predicate)
        if group is None or stands_alone(member) or member.name in self.rewriter.fetched:
            return False
        if not isinstance(member, KernelCall):
            group.append(member)
            return True
        match operation(member):
            case "Enter":
                self._enters.append(member)
            case "Merge":
                self._merges.append(member)
            case "Switch":
                group.append(forwarded(member))
                return group is self._condition and self.deadness.predicate(member) == predicate
            case "NextIteration":
                group.append(forwarded(member))
                return group is self._body and self._is_read_by_merges_alone(member)
            case _:
                group.append(member)
                return not (is_control_flow(member) or role(member) is Role.CONTROL_TRIGGER)
        return True

    def _group(self, member: Instruction, predicate: Endpoint) -> list[Instruction] | None:
        """The list of those that run when a member does."""
        guards = self.deadness.guards[member.name]
        if not guards:
            return self._condition
        if guards == frozenset({Guard(predicate, 1)}):
            return self._body
        return self._on_exit if guards == frozenset({Guard(predicate, 0)}) else None

    def _is_read_by_merges_alone(self, call: KernelCall) -> bool:
        return all(operation(reader) == "Merge" for reader in self.rewriter.readers(call.name))

    def _variables(self) -> list[_LoopVariable] | None:
        """The loop variables; None if a Merge joins anything else than an Enter and a NextIteration."""
        variables = [self._variable(merge) for merge in self._merges]
        found = [variable for variable in variables if variable is not None]
        return found if len(found) == len(variables) else None

    def _variable(self, merge: KernelCall) -> _LoopVariable | None:
        sources = [self.rewriter.by_name.get(source.node) for source in merge.dependencies]
        calls = [source for source in sources if isinstance(source, KernelCall)]
        if len(sources) != 2 or len(calls) != 2:
            return None
        enter, following = sorted(calls, key=lambda call: role(call) is Role.NEXT_ITERATION)
        if operation(enter) != "Enter" or operation(following) != "NextIteration":
            return None
        if _is_invariant(enter) or not self._is_read_by_merges_alone(enter):
            return None
        value_index = Endpoint(merge.name, 1)
        if any(value_index in reader.dependencies for reader in self.rewriter.readers(merge.name)):
            return None
        return _LoopVariable(enter, merge, following)

    def _exits(self, false: Guard) -> list[KernelCall] | None:
        """The Exits of the loop; None if one leaves it on another side, or something else than an Exit does."""
        inside = {member.name for member in self.members}
        exits: dict[str, KernelCall] = {}
        for member in self.members:
            for reader in self.rewriter.readers(member.name):
                if reader.name in inside:
                    continue
                if not isinstance(reader, KernelCall) or operation(reader) != "Exit":
                    return None
                if len(reader.dependencies) != 1:
                    return None
                exits[reader.name] = reader
        if any(self.deadness.output_guards(call.inputs[0]) != frozenset({false}) for call in exits.values()):
            return None
        return list(exits.values())

    def _is_dead_as_a_whole(self, structure: _LoopStructure) -> bool:
        """True if a loop that is entered with a dead value has only dead values: whatever may make an Enter dead
        must make one dead that the predicate depends on."""
        deadness = self.deadness
        if not any(deadness.input_guards(enter) for enter in structure.enters):
            return True
        reached = reachable_from([structure.loop_condition.name], self._sources_in_iteration)
        deciding = [deadness.input_guards(enter) for enter in structure.enters if enter.name in reached]
        decided = frozenset[Guard]().union(*deciding)
        return all(deadness.input_guards(enter) <= decided for enter in structure.enters)

    def _sources_in_iteration(self, name: str) -> list[str]:
        """The nodes that one depends on within the same iteration."""
        instruction = self.rewriter.by_name.get(name)
        if instruction is None or operation(instruction) == "Enter":
            return []
        sources = (self.rewriter.by_name.get(source.node) for source in instruction.dependencies)
        return [
            source.name
            for source in sources
            if source is not None and role(source) is not Role.NEXT_ITERATION
        ]


def _is_invariant(enter: KernelCall) -> bool:
    return enter.typed.bound.plain_attrs["is_constant"]


def _replace(
    rewriter: RegionRewriter, deadness: DeadnessAnalysis, frame: Frame, structure: _LoopStructure
) -> bool:
    """Puts a Loop in the place of its members; False where an instruction outside is in the way."""
    enters, exits = structure.enters, structure.exits
    inside = {one.name for one in (*structure.members, *exits)}
    condition = structure.loop_condition
    parameters = [
        *(Endpoint(variable.merge.name, 0) for variable in structure.variables),
        *(Endpoint(enter.name, 0) for enter in structure.invariants),
    ]
    loop = Loop(
        name=f"_loop/{condition.name}",
        inputs=tuple(enter.inputs[0] for enter in enters),
        references=tuple(enter.reads_reference(0) for enter in enters),
        controls=rewriter.controls_from_outside(enters, inside),
        output_facts=tuple(exit.output_facts[0] for exit in exits),
        origin=condition.typed.node,
        parameters=parameters,
        next_values=[Endpoint(variable.next_iteration.name, 0) for variable in structure.variables],
        condition=structure.condition,
        predicate=Endpoint(condition.name, 0),
        body=structure.body,
        on_exit=structure.on_exit,
        results=[exit.inputs[0] for exit in exits],
    )
    around = frozenset[Guard]().union(*map(deadness.input_guards, enters))
    results = [alias_of(exit, (Endpoint(loop.name, n),)) for n, exit in enumerate(exits)]
    if not rewriter.replace(inside, loop, results):
        return False
    rewriter.frames[loop.name] = frame[:-1]
    for exit in exits:
        deadness.resolved[deadness.unknown(exit)] = around
    return True
