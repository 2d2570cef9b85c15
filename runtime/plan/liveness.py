"""Which values a straight line of nodes needs, how long, and whose memory may be written over.

A *value* is one output that is really computed: an operation that passes its input on (Identity) has none of
its own, and stands for its input's.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ...graphfmt.graph import Endpoint, endpoint
from ...kernels.core.binding import PASS_ON
from ...kernels.core.op_sets import SENDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from .typed_graph import TypedNode


class Line(NamedTuple):
    """A node of the straight line and the function that computes it (None: its value is a constant)."""

    prepared: TypedNode
    kernel: Callable[..., Any] | None

    @property
    def name(self) -> str:
        return self.prepared.node.name

    @property
    def is_constant(self) -> bool:
        return self.kernel is None


@dataclass(frozen=True)
class Liveness:
    """``source`` is the value that an output stands for; ``last_use`` the place of the line that reads a
    value last; ``reusable`` holds the values whose memory belongs to nobody else, so that their last
    reader may write into it; ``read`` holds the values that some line or fetch reads."""

    source: dict[Endpoint, Endpoint]
    last_use: dict[Endpoint, int] = field(default_factory=dict[Endpoint, int])
    reusable: set[Endpoint] = field(default_factory=set[Endpoint])
    read: set[Endpoint] = field(default_factory=set[Endpoint])


def needed_lines(lines: Sequence[Line], ends: Iterable[str], observable: Collection[str] = ()) -> list[Line]:
    """The lines that the ends need; what is fed has none. A constant needs its control inputs, but none of
    its data inputs unless they are ``observable``, known or not, or have been folded too and stand behind control
    inputs of their own."""
    by_name = {line.name: line for line in lines}
    wanted: set[str] = set()
    stack = [name for name in ends if name in by_name]
    while stack:
        name = stack.pop()
        if name in wanted:
            continue
        wanted.add(name)
        line = by_name[name]
        for text in line.prepared.node.inputs:
            source = endpoint(text)
            producer = by_name.get(source.node)
            if producer is None:
                continue
            if source.is_control or not line.is_constant or producer.is_constant or source.node in observable:
                stack.append(source.node)
    return [line for line in lines if line.name in wanted]


def sends_first(lines: Sequence[Line]) -> list[Line]:
    """The lines with those first that a send needs, one send after the other, so that another device that waits
    gets its value as early as it can. The sends that stand behind the shortest chains of lines come first."""
    place = {line.name: number for number, line in enumerate(lines)}
    depths = _depths(lines, place)
    sends = [number for number, line in enumerate(lines) if line.prepared.op.name in SENDS]
    ordered: dict[int, None] = {}
    for number in sorted(sends, key=depths.__getitem__):
        ordered.update(dict.fromkeys(sorted(_before(number, lines, place, ordered))))
    ordered.update(dict.fromkeys(range(len(lines))))
    return [lines[number] for number in ordered]


def _depths(lines: Sequence[Line], place: Mapping[str, int]) -> list[int]:
    """How many lines the longest chain has that ends with each, loops counted once."""
    depths: list[int] = []
    for number, line in enumerate(lines):
        sources = (place.get(endpoint(text).node, number) for text in line.prepared.node.inputs)
        depths.append(1 + max((depths[source] for source in sources if source < number), default=0))
    return depths


def _before(number: int, lines: Sequence[Line], place: Mapping[str, int], known: Collection[int]) -> set[int]:
    """A line and those that it depends on, less what is known already. The back edges of loops do not count."""
    found: set[int] = set()
    stack = [number]
    while stack:
        number = stack.pop()
        if number in found or number in known:
            continue
        found.add(number)
        sources = (place.get(endpoint(text).node, number) for text in lines[number].prepared.node.inputs)
        stack += [source for source in sources if source < number]
    return found


def passed_on(lines: Sequence[Line]) -> dict[Endpoint, Endpoint]:
    """The value behind every output of an operation that passes its input on."""
    source: dict[Endpoint, Endpoint] = {}
    for line in lines:
        if line.kernel is PASS_ON and not reads_reference(line.prepared, 0):
            for port, input in enumerate(line.prepared.inputs):
                source[Endpoint(line.name, port)] = source.get(input, input)
    return source


def reads_reference(prepared: TypedNode, position: int) -> bool:
    """Whether an input is a reference of which the operation wants the value."""
    return prepared.input_facts[position].dtype.is_ref and not prepared.bound.input_types[position].is_ref


def analyse(lines: Sequence[Line], fetches: Iterable[Endpoint]) -> Liveness:
    """Life spans of all values of a straight line."""
    found = Liveness(passed_on(lines))
    kept: set[Endpoint] = set()
    for place, line in enumerate(lines):
        if Endpoint(line.name, 0) in found.source or line.is_constant:
            continue
        for input in line.prepared.inputs:
            value = found.source.get(input, input)
            found.last_use[value] = place
            found.read.add(value)
            if not line.prepared.op.allocates_output:
                kept.add(value)
    for fetch in fetches:
        value = found.source.get(fetch, fetch)
        found.last_use[value] = len(lines)
        found.read.add(value)
        kept.add(value)
    for line in lines:
        if line.prepared.op.allocates_output and not line.is_constant:
            outputs = (Endpoint(line.name, port) for port in range(len(line.prepared.output_facts)))
            found.reusable.update(out for out in outputs if out not in kept)
    return found


def dying_at(liveness: Liveness) -> dict[int, list[Endpoint]]:
    """The values that each line reads last."""
    dying: dict[int, list[Endpoint]] = defaultdict(list)
    for value, place in liveness.last_use.items():
        dying[place].append(value)
    return dying
