"""Loops that are as loops should be run as ``while``.

In every iteration the nodes that depend on no Switch run first, the predicate among them; while it holds, what
depends on the Switches' true side runs, and gives the next iteration's values. A frame that has anything else in
it, or anything that waits, is left to the scheduler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ....graphfmt.graph import Endpoint
from ....kernels.core.binding import PASS_ON
from ....kernels.core.op_sets import NEXT_ITERATIONS
from . import region_codegen
from .branches import compile_branches
from .deadness_analysis import Guard, Guards
from .region_rewriter import Flow, made_line, passing_line, sources, stands_alone

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ....kernels.core.facts import Fact
    from ..liveness import Line


def compile_control_flow(
    lines: Sequence[Line],
    facts: dict[str, Sequence[Fact]],
    frames: Mapping[str, tuple[str, ...]],
    fetched: Collection[str],
    maybe_dead: Collection[str] = (),
) -> list[Line]:
    """The lines with loops and conditionals, as far as they can be recognised, as single lines, of which the
    facts are added. ``frames`` are the names of the loops around each node, ``maybe_dead`` the sends and receives
    whose values may be dead."""
    flow = Flow(lines, facts, frames, fetched)
    deepest = max((len(frame) for frame in frames.values()), default=0)
    count = 0
    while count != len(flow.by_name) and any(line.prepared.op.is_control_flow for line in flow.lines):
        # What comes after a conditional with a loop in it is understood once that is one line.
        count = len(flow.by_name)
        for depth in range(deepest, -1, -1):
            _compile_depth(flow, depth, maybe_dead)
    return flow.lines


def _compile_depth(flow: Flow, depth: int, maybe_dead: Collection[str]) -> None:
    guards = Guards(flow.lines, maybe_dead)
    conditions = {
        guards.value(line.prepared.inputs[0]) for line in flow.lines if line.prepared.node.op == "LoopCond"
    }
    compile_branches(flow, guards, conditions)
    if depth:
        _compile_loops(flow, guards, depth)


def _compile_loops(flow: Flow, guards: Guards, depth: int) -> None:
    members: dict[tuple[str, ...], list[Line]] = {}
    for line in flow.lines:
        frame = flow.frames.get(line.name, ())
        if len(frame) == depth:
            members.setdefault(frame, []).append(line)
    count = 0
    while count != len(members):
        # What comes after a loop may be compiled only once it has been.
        count = len(members)
        for frame, found in list(members.items()):
            parts = _parts(flow, guards, found)
            if parts is not None and _replace(flow, guards, frame, parts):
                del members[frame]


class _Parts(NamedTuple):
    """What a well-formed loop consists of: its variables (each with its Enter, Merge and NextIteration), the
    Enters of its constants, the lines by when they run, and what leaves it."""

    members: Sequence[Line]
    variables: Sequence[tuple[Line, Line, Line]]
    constants: Sequence[Line]
    test: Line
    condition: Sequence[Line]
    after: Sequence[Line]
    body: Sequence[Line]
    exits: Sequence[Line]


def _parts(flow: Flow, guards: Guards, members: Sequence[Line]) -> _Parts | None:
    """A loop taken apart; None where it is not well formed."""
    tests = [line for line in members if line.prepared.node.op == "LoopCond"]
    if len(tests) != 1:
        return None
    predicate = guards.value(Endpoint(tests[0].name, 0))
    true = Guard(predicate, 1)
    sides = {frozenset[Guard](): "condition", frozenset({true}): "body", frozenset({true.opposite}): "after"}
    enters: list[Line] = []
    merges: list[Line] = []
    groups: dict[str, list[Line]] = {"condition": [], "body": [], "after": []}
    for line in members:
        kind = line.prepared.node.op
        side = sides.get(guards.alive[line.name])
        if side is None or stands_alone(line) or line.name in flow.fetched:
            return None
        if kind == "Enter":
            enters.append(line)
        elif kind == "Merge":
            merges.append(line)
        elif kind == "Switch":
            if side != "condition" or guards.predicate(line) != predicate:
                return None
            groups[side].append(_passing_on(line))
        elif kind == "NextIteration":
            if side != "body" or any(
                reader.prepared.node.op != "Merge" for reader in flow.readers(line.name)
            ):
                return None
            groups[side].append(line)
        elif line.prepared.op.is_control_flow or kind == "ControlTrigger":
            return None
        else:
            groups[side].append(line)
    exits = _exits(flow, guards, members, true.opposite)
    variables = _variables(flow, merges)
    if exits is None or variables is None:
        return None
    used = {enter.name for enter, _, _ in variables}
    constants = [line for line in enters if line.name not in used]
    if not all(line.prepared.bound.plain_attrs["is_constant"] for line in constants):
        return None
    parts = _Parts(
        members, variables, constants, tests[0], groups["condition"], groups["after"], groups["body"], exits
    )
    return parts if _is_dead_as_a_whole(flow, guards, parts) else None


def _passing_on(switch: Line) -> Line:
    data = switch.prepared.inputs[0]
    return switch._replace(kernel=PASS_ON, prepared=switch.prepared._replace(inputs=(data, data)))


def _variables(flow: Flow, merges: Sequence[Line]) -> list[tuple[Line, Line, Line]] | None:
    """Each Merge with its Enter and its NextIteration; None where one has anything else."""
    found: list[tuple[Line, Line, Line]] = []
    for merge in merges:
        given = [flow.by_name.get(source.node) for source in sources(merge)]
        if len(given) != 2 or given[0] is None or given[1] is None:
            return None
        enter, following = sorted(
            (given[0], given[1]), key=lambda line: line.prepared.node.op in NEXT_ITERATIONS
        )
        if enter.prepared.node.op != "Enter" or following.prepared.node.op != "NextIteration":
            return None
        if enter.prepared.bound.plain_attrs["is_constant"] or any(
            reader.prepared.node.op != "Merge" for reader in flow.readers(enter.name)
        ):
            return None
        index = Endpoint(merge.name, 1)
        if any(index in sources(reader) for reader in flow.readers(merge.name)):
            return None
        found.append((enter, merge, following))
    return found


def _exits(flow: Flow, guards: Guards, members: Sequence[Line], false: Guard) -> list[Line] | None:
    """The Exits of a loop; None where one leaves it on another side, or nothing else but an Exit does."""
    inside = {line.name for line in members}
    found: dict[str, Line] = {}
    for line in members:
        for reader in flow.readers(line.name):
            if reader.name in inside:
                continue
            if reader.prepared.node.op != "Exit" or len(sources(reader)) != 1:
                return None
            found[reader.name] = reader
    if any(guards.of(line.prepared.inputs[0]) != frozenset({false}) for line in found.values()):
        return None
    return list(found.values())


def _is_dead_as_a_whole(flow: Flow, guards: Guards, parts: _Parts) -> bool:
    """Whether a loop that is entered with a dead value has nothing but dead values: whatever may make an
    Enter dead must make one dead that the predicate depends on."""
    enters = [*parts.constants, *(enter for enter, _, _ in parts.variables)]
    if not any(guards.of_inputs(line) for line in enters):
        return True
    seen: set[str] = set()
    stack = [parts.test.name]
    while stack:
        name = stack.pop()
        line = flow.by_name.get(name)
        if line is None or name in seen:
            continue
        seen.add(name)
        if line.prepared.node.op != "Enter":
            stack += [s.node for s in sources(line) if not _is_back(flow, s.node)]
    deciding = [guards.of_inputs(line) for line in enters if line.name in seen]
    return all(guards.of_inputs(line) <= frozenset().union(*deciding) for line in enters)


def _is_back(flow: Flow, name: str) -> bool:
    found = flow.by_name.get(name)
    return found is not None and found.prepared.node.op in NEXT_ITERATIONS


def _replace(flow: Flow, guards: Guards, frame: tuple[str, ...], parts: _Parts) -> bool:
    """Puts one line in the place of a loop; False where that cannot be."""
    merged = [Endpoint(merge.name, 0) for _, merge, _ in parts.variables]
    kept = [Endpoint(line.name, 0) for line in parts.constants]
    loop = region_codegen.Loop(
        arguments=[*merged, *kept],
        following=[Endpoint(following.name, 0) for _, _, following in parts.variables],
        condition=parts.condition,
        predicate=Endpoint(parts.test.name, 0),
        after=parts.after,
        results=[line.prepared.inputs[0] for line in parts.exits],
        body=parts.body,
        node=parts.test.prepared.node,
    )
    enters = [*(enter for enter, _, _ in parts.variables), *parts.constants]
    inside = {line.name for line in (*parts.members, *parts.exits)}
    inputs = [(line.prepared.inputs[0], line.prepared.bound.input_types[0]) for line in enters]
    outputs = [line.prepared.output_facts[0] for line in parts.exits]
    name = f"_loop/{parts.test.name}"
    segment = region_codegen.lower_loop(loop, flow.facts)
    made = made_line(flow, name, "Loop", segment, inputs, flow.waits_for(enters, inside), outputs)
    passing = [passing_line(line, (Endpoint(name, place),)) for place, line in enumerate(parts.exits)]
    around = frozenset[Guard]().union(*map(guards.of_inputs, enters))
    if not flow.replace(inside, made, passing):
        return False
    flow.frames[name] = frame[:-1]
    for line in parts.exits:
        guards.learnt[guards.unknown(line)] = around
    return True
