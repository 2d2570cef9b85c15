"""The lines of a plan while groups of them, the loops and branches, are replaced by single ones.

A group becomes one line, whose kernel is a segment, and keeps the nodes that gave its results as lines that
pass the segment's outputs on, so that nobody else needs to know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.graph import Endpoint, Node, endpoint
from ....graphfmt.shapes import UNKNOWN
from ....graphfmt.signatures import Bound
from ....kernels.core.binding import PASS_ON
from ....kernels.core.op_sets import MERGES, NEXT_ITERATIONS, SENDS
from ....kernels.core.registry import Op
from ..liveness import Line
from ..typed_graph import TypedNode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from ....graphfmt.dtypes import DType
    from ....kernels.core.facts import Fact
    from ..lowering import Segment


class Flow:
    """``lines`` are in order, and leave their slots empty when they go; ``facts`` and ``frames`` know the lines
    that are put in, too. ``fetched`` are the nodes whose values the plan is to give."""

    def __init__(
        self,
        lines: Sequence[Line],
        facts: dict[str, Sequence[Fact]],
        frames: Mapping[str, tuple[str, ...]],
        fetched: Collection[str],
    ) -> None:
        self._slots: list[Line | None] = list(lines)
        self._place = {line.name: place for place, line in enumerate(lines)}
        self.facts = facts
        self.frames = dict(frames)
        self.fetched = fetched
        self.by_name = {line.name: line for line in lines}
        self._readers: dict[str, dict[str, None]] = {}
        for line in lines:
            self._note_inputs(line)

    @property
    def lines(self) -> list[Line]:
        return [line for line in self._slots if line is not None]

    def _note_inputs(self, line: Line) -> None:
        for source in sources(line):
            self._readers.setdefault(source.node, {})[line.name] = None

    def readers(self, name: str) -> Iterator[Line]:
        """The lines that take an output of a node, or wait for it."""
        for reader in self._readers.get(name, ()):
            if reader in self.by_name:
                yield self.by_name[reader]

    def in_order(self, names: Collection[str]) -> list[Line]:
        return [self.by_name[name] for name in sorted(names, key=self._place.__getitem__)]

    def outside(self, lines: Iterable[Line], inside: Collection[str]) -> list[Endpoint]:
        """The outputs of other nodes that lines read, each once, less the constants."""
        read = dict.fromkeys(e for line in lines if not line.is_constant for e in line.prepared.inputs)
        return [e for e in read if e.node not in inside and not self._is_constant(e)]

    def _is_constant(self, source: Endpoint) -> bool:
        found = self.by_name.get(source.node)
        return found is not None and found.is_constant

    def waits_for(self, lines: Iterable[Line], inside: Collection[str]) -> list[str]:
        """The nodes that lines wait for, as control inputs."""
        found = dict.fromkeys(
            f"^{source.node}"
            for line in lines
            for source in sources(line)
            if source.node not in inside and (source.is_control or line.is_constant)
            if source.node in self.by_name
        )
        return list(found)

    def replace(self, inside: Collection[str], made: Line, passing: Sequence[Line]) -> bool:
        """Puts one line, and those that pass its outputs on, in the place of a group. Gives False, and leaves
        all as it was, where the group waits for something that waits for the group."""
        places = [self._place[name] for name in inside]
        first, last = min(places), max(places) + 1
        before: list[Line] = []
        after: list[Line] = []
        behind = set(inside)
        for line in self._slots[first:last]:
            if line is None:
                continue
            is_behind = any(
                source.node in behind for source in sources(line) if not self._is_back(line, source)
            )
            if line.name in inside:
                if any(s.node in behind and s.node not in inside for s in sources(line)):
                    return False
            elif is_behind:
                behind.add(line.name)
                after.append(line)
            else:
                before.append(line)
        found = [*before, made, *passing, *after]
        self._slots[first:last] = [*found, *(None for _ in range(last - first - len(found)))]
        for name in inside:
            del self.by_name[name], self._place[name]
        self._place.update((line.name, first + n) for n, line in enumerate(found))
        for line in (made, *passing):
            self.by_name[line.name] = line
            self._note_inputs(line)
        return True

    def _is_back(self, line: Line, source: Endpoint) -> bool:
        """Whether an input is the back edge of a loop."""
        producer = self.by_name.get(source.node)
        return (
            producer is not None
            and line.prepared.node.op in MERGES
            and producer.prepared.node.op in NEXT_ITERATIONS
        )


def stands_alone(line: Line) -> bool:
    """Whether a node can be no part of something that runs as one: it waits, or must tell another device even
    that it is dead."""
    return line.prepared.op.asynchronous or line.prepared.op.name in SENDS


def sources(line: Line) -> list[Endpoint]:
    """All inputs of a line."""
    return [endpoint(text) for text in line.prepared.node.inputs]


def made_line(
    flow: Flow,
    name: str,
    kind: str,
    segment: Segment,
    inputs: Sequence[tuple[Endpoint, DType]],
    controls: Sequence[str],
    outputs: Sequence[Fact],
) -> Line:
    """A line whose kernel is a segment, which takes each input as the dtype given."""
    node = Node(name, kind, (*(str(e) for e, _ in inputs), *controls))
    bound = Bound({}, tuple(dtype for _, dtype in inputs), tuple(fact.dtype for fact in outputs))
    input_facts = [flow.facts[e.node][e.port] for e, _ in inputs]
    flow.facts[name] = tuple(outputs)
    op = _operation(kind)
    return Line(TypedNode(node, op, bound, tuple(e for e, _ in inputs), input_facts, tuple(outputs)), segment)


def passing_line(line: Line, given: Sequence[Endpoint]) -> Line:
    """A node's outputs, passed on from those given."""
    prepared = line.prepared
    facts = prepared.output_facts
    types = tuple(fact.dtype for fact in facts)
    node = Node(line.name, "Identity", tuple(str(e) for e in given))
    return Line(TypedNode(node, _PASSED_ON, Bound({}, types, types), tuple(given), facts, facts), PASS_ON)


def _with_context(ctx: Any, *values: Any) -> Any:
    raise AssertionError("the kernel of such a line is a segment")


def _operation(name: str) -> Op:
    """An operation for lines that no file has."""
    return Op(
        name=name,
        text=f"{name}(inputs: *I; I: list(type) >= 0, O: list(type) >= 0) -> (outputs: *O)",
        shape=lambda c: UNKNOWN,
        stateful=True,
        differentiable=False,
        kernel_function=_with_context,
    )


_PASSED_ON = _operation("Identity")
