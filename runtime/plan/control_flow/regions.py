"""The instructions for loops and branches, which contain instructions of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....graphfmt.graph import Endpoint, Node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....kernels.core.facts import Fact
    from ..instruction import Instruction


@dataclass(frozen=True, eq=False, repr=False)
class Region:
    """The fields of loops and branches: they read ``inputs``, wait for ``controls``, and give a sequence of
    outputs. ``references`` tells which inputs are references to be read; ``origin`` is the node that errors of the
    region itself name."""

    name: str
    inputs: Sequence[Endpoint]
    references: Sequence[bool]
    controls: Sequence[Endpoint]
    output_facts: Sequence[Fact]
    origin: Node

    @property
    def node(self) -> Node:
        return Node(self.name, type(self).__name__)

    @property
    def dependencies(self) -> Sequence[Endpoint]:
        return (*self.inputs, *self.controls)

    @property
    def outputs(self) -> Sequence[Endpoint]:
        return [Endpoint(self.name, port) for port in range(len(self.output_facts))]

    @property
    def allocates_output(self) -> bool:
        return False

    @property
    def returns_one(self) -> bool:
        return False

    def reads_reference(self, position: int) -> bool:
        return self.references[position]


@dataclass(frozen=True, eq=False, repr=False)
class Loop(Region):
    """A ``while`` loop (OSDI'16 section 3.4).

    ``parameters`` stand for the inputs within the loop; the first of them are the loop variables, whose values in
    the next iteration are ``next_values``. Each iteration runs ``condition``; while ``predicate`` is true it goes on
    with ``body``, else it ends with ``on_exit``, and the loop gives ``results``.
    """

    parameters: Sequence[Endpoint]
    next_values: Sequence[Endpoint]
    condition: Sequence[Instruction]
    predicate: Endpoint
    body: Sequence[Instruction]
    on_exit: Sequence[Instruction]
    results: Sequence[Endpoint]


@dataclass(frozen=True, eq=False, repr=False)
class Side:
    """One side of a branch. A result that is a number is the index of that Merge input, itself an output."""

    instructions: Sequence[Instruction]
    results: Sequence[Endpoint | int]


@dataclass(frozen=True, eq=False, repr=False)
class Branch(Region):
    """An ``if``: the second side runs where ``predicate`` is true, else the first."""

    predicate: Endpoint
    sides: tuple[Side, Side]
