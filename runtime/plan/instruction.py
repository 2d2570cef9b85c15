"""The protocols of a plan's instructions; ``ir`` and ``control_flow.regions`` have the instructions themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphfmt.graph import Endpoint, Node
    from ...kernels.core.facts import Fact


class Instruction(Protocol):
    """The members that all instructions have. ``inputs`` are the values read, ``dependencies`` everything that must
    have been computed before."""

    @property
    def name(self) -> str: ...

    @property
    def inputs(self) -> Sequence[Endpoint]: ...

    @property
    def dependencies(self) -> Sequence[Endpoint]: ...

    @property
    def output_facts(self) -> Sequence[Fact]: ...


class Computation(Instruction, Protocol):
    """An instruction that becomes a statement.

    ``node`` names it in errors and traces. ``outputs`` are the values computed, in the order of ``output_facts``.
    ``allocates_output`` tells that no output shares memory with an input; ``returns_one`` that the result is the only
    output, not a sequence of outputs.
    """

    @property
    def node(self) -> Node: ...

    @property
    def outputs(self) -> Sequence[Endpoint]: ...

    @property
    def allocates_output(self) -> bool: ...

    @property
    def returns_one(self) -> bool: ...

    def reads_reference(self, position: int) -> bool:
        """True if an input is a reference of which the value is wanted."""
        ...
