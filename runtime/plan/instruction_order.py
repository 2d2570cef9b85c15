"""Which instructions a step needs, and in which order they run best."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt.traversal import reachable_from
from .ir import Constant, is_send

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from .instruction import Instruction


def needed_instructions(
    instructions: Sequence[Instruction], ends: Iterable[str], observable: Collection[str] = ()
) -> list[Instruction]:
    """The instructions that ``ends`` depend on. Nodes that are fed have no instruction.

    A constant needs its control inputs. It needs a data input only if that is ``observable`` (it matters that the
    input runs, whatever its value), or is a constant too, which may have control inputs of its own.
    """
    by_name = {instruction.name: instruction for instruction in instructions}

    def needs(name: str) -> list[str]:
        instruction = by_name[name]
        is_constant = isinstance(instruction, Constant)
        return [
            source.node
            for source in instruction.dependencies
            if (producer := by_name.get(source.node)) is not None
            if not is_constant
            or source.port < 0
            or isinstance(producer, Constant)
            or source.node in observable
        ]

    needed = reachable_from((name for name in ends if name in by_name), needs)
    return [instruction for instruction in instructions if instruction.name in needed]


def sends_first(instructions: Sequence[Instruction]) -> list[Instruction]:
    """The instructions in an order in which values are sent to other devices as early as possible: first what the
    sends need, one send after the other, those behind the shortest chains first; then the others."""
    positions = {instruction.name: position for position, instruction in enumerate(instructions)}
    depths = _depths(instructions, positions)
    sends = [position for position, instruction in enumerate(instructions) if is_send(instruction)]
    ordered: dict[int, None] = {}

    def earlier(position: int) -> list[int]:
        return [p for p in _producers(instructions, positions, position) if p not in ordered]

    for send in sorted(sends, key=depths.__getitem__):
        new = reachable_from([] if send in ordered else [send], earlier)
        ordered.update(dict.fromkeys(sorted(new)))
    ordered.update(dict.fromkeys(range(len(instructions))))
    return [instructions[position] for position in ordered]


def _depths(instructions: Sequence[Instruction], positions: Mapping[str, int]) -> list[int]:
    """The length of the longest chain of instructions that ends with each; back edges of loops do not count."""
    depths: list[int] = []
    for position in range(len(instructions)):
        producers = _producers(instructions, positions, position)
        depths.append(1 + max((depths[producer] for producer in producers), default=0))
    return depths


def _producers(instructions: Sequence[Instruction], positions: Mapping[str, int], position: int) -> list[int]:
    """The positions of the instructions that one depends on, except over the back edges of loops."""
    sources = (positions.get(source.node, position) for source in instructions[position].dependencies)
    return [source for source in sources if source < position]
