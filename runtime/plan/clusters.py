"""Joins elementwise kernel calls of a plan into clusters, each of which becomes one native loop.

The calls of a cluster have outputs of one shape, and what they read has known shapes. A cluster runs as a whole, so
none of its calls may depend, by way of an instruction outside, on another of its calls. It never spans an instruction
that changes state: a value that was read before a change is used before it.

A cluster computes what its kernels compute, bit for bit: a plan may be replaced by its clustered form between two
steps.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.graph import Endpoint
from ...kernels.codegen.expression import ElementLoop, Input, Literal, Operand, replace_inputs
from ...kernels.codegen.llvm_emitter import is_supported
from ...kernels.codegen.native_loop import is_compilable
from ...kernels.codegen.tracing import TRACER, trace
from ...kernels.core.binding import bind_compiled, bind_for_tracing
from ...kernels.core.traits import Role
from .ir import Alias, ClusterCall, Constant, KernelCall, aliases

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ...kernels.codegen.expression import Expression
    from ...kernels.core.facts import Fact
    from .instruction import Instruction

# From this many elements on, memory decides how long an elementwise kernel takes, rather than the call of it.
MIN_ELEMENTS = 1 << 13
_MOST_CALLS = 64
_MOST_ARRAYS = 40
# Groups that are looked at to find out whether two others may be merged.
_MOST_VISITED = 1000


@dataclass(frozen=True, eq=False)
class _Elementwise:
    """A kernel call as an expression of its inputs, of a loop over a shape."""

    call: KernelCall
    shape: tuple[int, ...]
    expression: Expression


def join_clusters(
    instructions: Sequence[Instruction],
    results: Collection[Endpoint],
    compile_loop: Callable[[ElementLoop], Callable[..., Any] | None],
) -> list[Instruction]:
    """The instructions with clusters in place of the calls that they consist of, in an order that suits them. What
    ``compile_loop`` has no code for stays as it is."""
    grouping = _Grouping(instructions)
    outside = _read_outside(instructions, results, grouping)
    merged: list[Instruction] = []
    by_position: dict[int, int] = {}
    for members in filter(None, grouping.members):
        cluster = None
        if len(members) > 1:
            cluster = _cluster([grouping.found[m] for m in members], grouping, outside, compile_loop)
        parts = (
            [cluster] if cluster is not None else [_compiled(instructions[m], compile_loop) for m in members]
        )
        for part in parts:
            by_position[len(merged)] = members[-1]
            merged.append(part)
    return _in_order(merged, by_position)


def _compiled(one: Instruction, compile_loop: Callable[[ElementLoop], Any]) -> Instruction:
    """The instruction with a kernel of native code, where its operation has one for the node."""
    if not isinstance(one, KernelCall) or one.typed.op.compiled_function is None or _size(one) < MIN_ELEMENTS:
        return one
    typed = one.typed
    kernel = bind_compiled(typed.op, typed.node, typed.bound, typed.input_facts, compile_loop)
    return one if kernel is None else KernelCall(typed, kernel)


def _size(one: KernelCall) -> int:
    """The elements of the largest input of known shape."""
    return max((fact.shape.size or 0 for fact in one.typed.input_facts), default=0)


class _Grouping:
    """Which instructions run as one. Groups are numbered; ``members`` are their positions, ascending."""

    def __init__(self, instructions: Sequence[Instruction]) -> None:
        self.source = aliases(instructions)
        self.found: dict[int, _Elementwise] = {}
        self.members: list[list[int]] = []
        self.group_of: dict[int, int] = {}
        self.position_of = {one.name: position for position, one in enumerate(instructions)}
        self.instructions = instructions
        self.befores: dict[int, list[int]] = {}
        self.epochs: list[int] = []
        epoch = 0
        for position, one in enumerate(instructions):
            is_barrier = _is_barrier(one)
            epoch += is_barrier
            self.epochs.append(epoch)
            epoch += is_barrier
            self._place(position, one)

    def _place(self, position: int, one: Instruction) -> None:
        """Puts an instruction into a group: a new one, or all those that it can join."""
        own = len(self.members)
        self.group_of[position] = own
        self.members.append([position])
        found = _elementwise(one)
        if found is not None:
            self.found[position] = found
            for group in self._candidates(position, found):
                if len(self.members[own]) + len(self.members[group]) <= _MOST_CALLS and self._may_merge(
                    own, group
                ):
                    self._merge(own, group)

    def _merge(self, own: int, group: int) -> None:
        for member in self.members[group]:
            self.group_of[member] = own
        self.members[own] = sorted(self.members[own] + self.members[group])
        self.members[group] = []

    def _candidates(self, position: int, found: _Elementwise) -> list[int]:
        """The groups of the inputs that have the shape and epoch of a call, the latest first."""
        groups: set[int] = set()
        for before in self._before(position):
            other = self.found.get(before)
            if (
                other is not None
                and other.shape == found.shape
                and self.epochs[before] == self.epochs[position]
            ):
                groups.add(self.group_of[before])
        return sorted(groups, reverse=True)

    def _before(self, position: int) -> list[int]:
        """The positions of what an instruction depends on, aliases followed."""
        known = self.befores.get(position)
        if known is None:
            dependencies = self.instructions[position].dependencies
            sources = (self.source.get(each, each) for each in dependencies)
            names = {each.node for each in sources} | {each.node for each in dependencies}
            known = [self.position_of[name] for name in names if name in self.position_of]
            self.befores[position] = known
        return known

    def _may_merge(self, one: int, other: int) -> bool:
        """True unless one of two groups depends on the other by way of a third."""
        both = {one, other}
        positions = [*self.members[one], *self.members[other]]
        pending = [self.group_of[b] for p in positions for b in self._before(p)]
        seen = set(both)
        while pending:
            third = pending.pop()
            # A group lies in one epoch, and depends on none of a later one.
            if third in seen or self.epochs[self.members[third][0]] < self.epochs[positions[0]]:
                continue
            seen.add(third)
            before = [self.group_of[b] for m in self.members[third] for b in self._before(m)]
            if both.intersection(before) or len(seen) > _MOST_VISITED:
                return False
            pending.extend(before)
        return True


def _is_barrier(one: Instruction) -> bool:
    """True for what has effects, or contains instructions of its own: nothing moves across it."""
    if isinstance(one, (Alias, Constant)):
        return False
    return not isinstance(one, KernelCall) or one.typed.op.changes_state(one.typed.bound)


def _elementwise(one: Instruction) -> _Elementwise | None:
    """The instruction as an expression, None if it is no elementwise call on large arrays of known shapes."""
    if not isinstance(one, KernelCall) or not one.returns_one:
        return None
    typed = one.typed
    op = typed.op
    if op.stateful or op.takes_context or op.asynchronous or op.role is not Role.COMPUTATION or op.calls:
        return None
    shape = typed.output_facts[0].shape
    if shape.size is None or shape.size < MIN_ELEMENTS:
        return None
    operands = [_operand(fact) for fact in (*typed.input_facts, typed.output_facts[0])]
    known = [operand for operand in operands if operand is not None]
    if len(known) < max(2, len(operands)):
        return None
    try:
        kernel = bind_for_tracing(op, typed.node, typed.bound, typed.input_facts, TRACER)
    except Exception:
        return None
    traced = trace(kernel, known[:-1]) if kernel is not None else None
    if traced is None or traced.shape != known[-1].shape or traced.dtype != known[-1].dtype:
        return None
    loop = ElementLoop(traced.shape, tuple(known[:-1]), (traced.expression,))
    return _Elementwise(one, traced.shape, traced.expression) if is_compilable(loop) else None


def _operand(fact: Fact) -> Operand | None:
    dims = fact.shape.dims
    if dims is None or any(dim is None for dim in dims) or fact.dtype.is_ref or fact.dtype.is_opaque:
        return None
    dtype = np.dtype(fact.dtype.numpy)
    return Operand(dtype, tuple(int(dim or 0) for dim in dims)) if is_supported(dtype) else None


def _read_outside(
    instructions: Sequence[Instruction], results: Collection[Endpoint], grouping: _Grouping
) -> set[Endpoint]:
    """The outputs of calls that are results, or that another group reads."""
    outside = {grouping.source.get(result, result) for result in results}
    for position, one in enumerate(instructions):
        if isinstance(one, (Alias, Constant)):
            continue
        for each in one.inputs:
            source = grouping.source.get(each, each)
            at = grouping.position_of.get(source.node)
            if at is None or grouping.group_of[at] != grouping.group_of[position]:
                outside.add(source)
    return outside


def _cluster(
    members: Sequence[_Elementwise],
    grouping: _Grouping,
    outside: Collection[Endpoint],
    compile_loop: Callable[[ElementLoop], Callable[..., Any] | None],
) -> ClusterCall | None:
    inputs: dict[Endpoint, Operand] = {}
    values: dict[Endpoint, Expression] = {}
    for member in members:
        call = member.call
        arguments: list[Expression] = []
        for each, fact in zip(call.inputs, call.typed.input_facts):
            source = grouping.source.get(each, each)
            operand = _operand(fact)
            if source not in values:
                assert operand is not None
                values[source] = _literal(fact, operand) or Input(operand.dtype, len(inputs))
                if isinstance(values[source], Input):
                    inputs[source] = operand
            arguments.append(values[source])
        values[Endpoint(call.name, 0)] = replace_inputs(member.expression, arguments)
    outputs = [Endpoint(m.call.name, 0) for m in members if Endpoint(m.call.name, 0) in outside]
    if len(inputs) + len(outputs) > _MOST_ARRAYS or not outputs:
        return None
    loop = ElementLoop(members[0].shape, tuple(inputs.values()), tuple(values[output] for output in outputs))
    kernel = compile_loop(loop)
    if kernel is None:
        return None
    facts = {Endpoint(m.call.name, 0): m.call.output_facts[0] for m in members}
    names = {m.call.name for m in members}
    return ClusterCall(
        nodes=[m.call.node for m in members],
        kernel=kernel,
        inputs=list(inputs),
        outputs=outputs,
        dependencies=[d for m in members for d in m.call.dependencies if d.node not in names],
        output_facts=[facts[output] for output in outputs],
    )


def _literal(fact: Fact, operand: Operand) -> Literal | None:
    """A constant of one element, as part of the code."""
    if fact.constant is None or operand.shape:
        return None
    return Literal(operand.dtype, fact.constant[()])


def _in_order(merged: Sequence[Instruction], position: Mapping[int, int]) -> list[Instruction]:
    """The instructions so that each comes after what it depends on, otherwise by their old positions. Barriers keep
    their places: what was before one stays before, what was after stays after."""
    makers: dict[str, int] = {}
    for number, one in enumerate(merged):
        makers[one.name] = number
        for node in one.nodes if isinstance(one, ClusterCall) else ():
            makers[node.name] = number
    by_age = sorted(range(len(merged)), key=position.__getitem__)
    needs: dict[int, set[int]] = {number: set() for number in range(len(merged))}
    barrier: int | None = None
    since: list[int] = []
    for number in by_age:
        one = merged[number]
        needs[number] = {makers[d.node] for d in _needs(one) if d.node in makers} - {number}
        if barrier is not None:
            needs[number].add(barrier)
        if _is_barrier(one) and not isinstance(one, ClusterCall):
            needs[number].update(since)
            barrier, since = number, []
        else:
            since.append(number)
    return [merged[number] for number in _topological(needs, position)]


def _needs(one: Instruction) -> Sequence[Endpoint]:
    return [*one.inputs, *one.dependencies]


def _topological(needs: Mapping[int, Collection[int]], position: Mapping[int, int]) -> list[int]:
    waiting = {number: len(before) for number, before in needs.items()}
    after: dict[int, list[int]] = defaultdict(list)
    for number, before in needs.items():
        for each in before:
            after[each].append(number)
    ready = [(position[number], number) for number, count in waiting.items() if not count]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        _, number = heapq.heappop(ready)
        order.append(number)
        for each in after[number]:
            waiting[each] -= 1
            if not waiting[each]:
                heapq.heappush(ready, (position[each], each))
    assert len(order) == len(needs)
    return order
