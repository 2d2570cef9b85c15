"""The instructions that a plan consists of, between the typed graph and generated code.

A list of instructions is in order: each comes after those whose outputs it reads. Outputs are named as in the graph,
``Endpoint(name, port)``. ``Constant`` and ``Alias`` compute nothing; ``KernelCall`` and ``ClusterCall``, and ``Loop``
and ``Branch`` of ``control_flow.regions``, do, and become one statement each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...graphfmt.graph import Endpoint, Node
from ...kernels.core.binding import PASS_ON
from ...kernels.core.traits import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...kernels.core.facts import Fact
    from .instruction import Instruction
    from .typed_graph import TypedNode


@dataclass(frozen=True, eq=False, repr=False)
class Constant:
    """A node whose only output is known when the plan is built. It reads nothing, but where branches or loops are
    about, it is dead or live with its dependencies."""

    typed: TypedNode

    @property
    def name(self) -> str:
        return self.typed.node.name

    @property
    def inputs(self) -> Sequence[Endpoint]:
        return ()

    @property
    def dependencies(self) -> Sequence[Endpoint]:
        return self.typed.dependencies

    @property
    def output_facts(self) -> Sequence[Fact]:
        return self.typed.output_facts

    @property
    def value(self) -> Any:
        """A numpy scalar where the rank is 0: Python's operators handle those five times as fast as arrays."""
        return scalar_or_array(self.typed.output_facts[0].constant)


@dataclass(frozen=True, eq=False, repr=False)
class Alias:
    """A node whose outputs are other nodes' outputs, port by port those of ``inputs``."""

    typed: TypedNode
    inputs: Sequence[Endpoint]
    dependencies: Sequence[Endpoint]

    @property
    def name(self) -> str:
        return self.typed.node.name

    @property
    def output_facts(self) -> Sequence[Fact]:
        return self.typed.output_facts


@dataclass(frozen=True, eq=False, repr=False)
class KernelCall:
    """A call of a node's kernel. The control-flow operations that run under the scheduler are calls, too."""

    typed: TypedNode
    kernel: Callable[..., Any]

    @property
    def name(self) -> str:
        return self.typed.node.name

    @property
    def node(self) -> Node:
        return self.typed.node

    @property
    def inputs(self) -> Sequence[Endpoint]:
        return self.typed.inputs

    @property
    def dependencies(self) -> Sequence[Endpoint]:
        return self.typed.dependencies

    @property
    def output_facts(self) -> Sequence[Fact]:
        return self.typed.output_facts

    @property
    def outputs(self) -> Sequence[Endpoint]:
        return [Endpoint(self.name, port) for port in range(len(self.output_facts))]

    @property
    def allocates_output(self) -> bool:
        return self.typed.op.allocates_output

    @property
    def returns_one(self) -> bool:
        return len(self.typed.output_facts) == 1 and not self.typed.op.signature.outputs[0].is_list

    def reads_reference(self, position: int) -> bool:
        return self.typed.reads_reference(position)


@dataclass(frozen=True, eq=False, repr=False)
class ClusterCall:
    """A call of a native loop that computes several ``nodes``, of which others read the ``outputs``."""

    nodes: Sequence[Node]
    kernel: Callable[..., Sequence[Any]]
    inputs: Sequence[Endpoint]
    outputs: Sequence[Endpoint]
    dependencies: Sequence[Endpoint]
    output_facts: Sequence[Fact]
    allocates_output: bool = True
    returns_one: bool = False

    @property
    def node(self) -> Node:
        """The last of the nodes, which errors name."""
        return self.nodes[-1]

    @property
    def name(self) -> str:
        return self.node.name

    def reads_reference(self, position: int) -> bool:
        return False


def scalar_or_array(constant: Any) -> Any:
    """A constant as kernels take it: rank-0 numbers as numpy scalars, other values as arrays."""
    return constant[()] if constant.ndim == 0 and constant.dtype != object else constant


def forwards(instruction: Instruction) -> bool:
    """True if every output is the input of the same port as it is."""
    if isinstance(instruction, KernelCall):
        return instruction.kernel is PASS_ON and not instruction.reads_reference(0)
    return isinstance(instruction, Alias)


def aliases(instructions: Sequence[Instruction]) -> dict[Endpoint, Endpoint]:
    """For every output that forwards a value, the output that computes the value."""
    sources: dict[Endpoint, Endpoint] = {}
    for instruction in instructions:
        if forwards(instruction):
            for port, source in enumerate(instruction.inputs):
                sources[Endpoint(instruction.name, port)] = sources.get(source, source)
    return sources


def operation(instruction: Instruction) -> str:
    """The operation of a kernel call; empty for other instructions."""
    return instruction.typed.node.op if isinstance(instruction, KernelCall) else ""


def role(instruction: Instruction) -> Role:
    """The role of a kernel call's operation; other instructions are mere computations."""
    return instruction.typed.op.role if isinstance(instruction, KernelCall) else Role.COMPUTATION


def is_send(instruction: Instruction) -> bool:
    """True for a call that sends a value to another part."""
    return isinstance(instruction, KernelCall) and instruction.typed.op.role is Role.SEND


def is_asynchronous(instruction: Instruction) -> bool:
    """True for a kernel that may wait, and reports its result by a callback."""
    return isinstance(instruction, KernelCall) and instruction.typed.op.asynchronous


def is_control_flow(instruction: Instruction) -> bool:
    """True for a call of Switch, Merge, Enter, Exit, NextIteration and the like, which the scheduler interprets."""
    return isinstance(instruction, KernelCall) and instruction.typed.op.is_control_flow


def lower_node(typed: TypedNode, kernel: Callable[..., Any]) -> Alias | KernelCall:
    """The instruction for a node that is no constant."""
    if kernel is PASS_ON and not typed.op.is_control_flow and not typed.reads_reference(0):
        return Alias(typed, typed.inputs, typed.dependencies)
    return KernelCall(typed, kernel)
