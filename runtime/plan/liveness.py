"""Liveness analysis of straight-line code: the last use of each value, and whose memory may be written over.

A *value* is an output that is computed; an alias (Identity) has none of its own, and stands for its input's.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from ...graphfmt.graph import Endpoint
from .ir import Alias, Constant, aliases

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .instruction import Computation, Instruction


@dataclass(frozen=True)
class Liveness:
    """``source`` maps an alias to its value; ``last_use`` gives the position of the instruction that reads a value
    last. ``reusable`` are the values whose memory nothing else refers to, so that their last reader may write into
    it; ``read`` are those that an instruction or a fetch reads."""

    source: dict[Endpoint, Endpoint]
    last_use: dict[Endpoint, int] = field(default_factory=dict[Endpoint, int])
    reusable: set[Endpoint] = field(default_factory=set[Endpoint])
    read: set[Endpoint] = field(default_factory=set[Endpoint])

    def dying_at(self) -> dict[int, list[Endpoint]]:
        """The values that the instruction at each position reads last."""
        dying: dict[int, list[Endpoint]] = defaultdict(list)
        for value, position in self.last_use.items():
            dying[position].append(value)
        return dying


def analyse(instructions: Sequence[Instruction], fetches: Iterable[Endpoint]) -> Liveness:
    """The life spans of all values of straight-line code. ``fetches`` live to its end."""
    live = Liveness(aliases(instructions))
    kept: set[Endpoint] = set()
    computed = list(computations(instructions))
    for position, instruction in computed:
        for source in instruction.inputs:
            value = live.source.get(source, source)
            live.last_use[value] = position
            live.read.add(value)
            if not instruction.allocates_output:
                kept.add(value)
    for fetch in fetches:
        value = live.source.get(fetch, fetch)
        live.last_use[value] = len(instructions)
        live.read.add(value)
        kept.add(value)
    for _, instruction in computed:
        if instruction.allocates_output:
            live.reusable.update(output for output in instruction.outputs if output not in kept)
    return live


def computations(instructions: Sequence[Instruction]) -> Iterable[tuple[int, Computation]]:
    """The instructions that become statements, each with its position."""
    for position, instruction in enumerate(instructions):
        if not isinstance(instruction, (Alias, Constant)):
            yield position, cast("Computation", instruction)
