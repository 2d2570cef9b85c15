"""Backward loops: loops that run over the iterations of a forward loop from the last to the first.

The forward loop is given a counter, and a stack for every value that the gradients need of an iteration; both
are in the graph beside what it has, in its own frame. The backward loop runs as often as the counter says,
takes the values from the stacks, the last first, and carries the gradients of the forward loop's variables
from one iteration to the one before:

    forward     Enter(0) -> Merge -> Switch -> pivot -> + 1 -> NextIteration      Exit: the count
                  value of the body -> StackPush (before the counter goes on)
    backward    Enter(count) -> Merge -> Switch -> pivot -> - 1 -> NextIteration
                  StackPop (before the counter goes on) -> gradients of the body
                Enter(dy) -> Merge -> Switch -> the body's gradient -> NextIteration    Exit: the gradient

Where a loop is inside another one, its count and its stacks are values of an iteration of that one, and are
kept on stacks themselves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.graph import Endpoint, Node, endpoint
from ....graphfmt.shapes import UNKNOWN
from ....kernels.builder.graph_builder import Tensor
from ....kernels.core.facts import Fact
from ....kernels.core.op_sets import ENTERS, EXITS, MERGES, NEXT_ITERATIONS, SWITCHES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.errors import TfgError
    from ...plan.control_flow.frames import Frame
    from .control_flow_context import ControlFlowContext


class LoopVariable(NamedTuple):
    """A loop variable of the forward loop: ``start`` is its value at the start of an iteration, ``carried`` the value
    that the body gives it, ``exits`` its values after the loop."""

    enter: Node
    merge: Node
    carried: Endpoint
    start: Endpoint
    exits: Sequence[Endpoint]


class ForwardLoop(NamedTuple):
    """A loop of the graph. ``constants`` are the Enters of loop invariants."""

    frame: Frame
    condition: Tensor
    parallel_iterations: int
    variables: Sequence[LoopVariable]
    constants: Sequence[Node]

    @property
    def name(self) -> str:
        return "/".join(self.frame)


def forward_loop(context: ControlFlowContext, frame: Frame, path: set[str]) -> ForwardLoop:
    """Returns the loop of a frame, with those loop variables that lie on the path.

    Raises INVALID_ARGUMENT for a loop that is not made of Enter, Merge, Switch, NextIteration and Exit.
    """
    nodes = context.nodes_in(frame)
    conditions = [n for n in nodes if n.op == "LoopCond"]
    enters = [n for n in nodes if n.op in ENTERS]
    if len(conditions) != 1:
        raise _not_a_loop(context, enters[0], frame, f"it has {len(conditions)} LoopConds")
    heads = [n for n in nodes if n.op in MERGES and n.name in path and context.is_head(n)]
    variables = [_variable(context, frame, nodes, head, conditions[0]) for head in heads]
    known = {source for v in variables for source in v.exits}
    for node in nodes:
        if node.op in EXITS and node.name in path and Endpoint(node.name, 0) not in known:
            raise _not_a_loop(context, node, frame, f"Exit {node.name!r} does not leave it from a Switch")
    parallel = enters[0].attrs.get("parallel_iterations", 10)
    return ForwardLoop(
        frame,
        Tensor(context.g, conditions[0].name),
        parallel if isinstance(parallel, int) else 10,
        variables,
        [n for n in enters if n.attrs.get("is_constant") is True and n.name in path],
    )


def _variable(
    context: ControlFlowContext, frame: Frame, nodes: Sequence[Node], head: Node, condition: Node
) -> LoopVariable:
    sources = [context.graph[e.node] for e in head.data_inputs]
    entered = [n for n in sources if n.op in ENTERS]
    repeated = [n for n in sources if n.op in NEXT_ITERATIONS]
    if len(entered) != 1 or len(repeated) != 1:
        raise _not_a_loop(
            context, head, frame, f"Merge {head.name!r} is not of one Enter and one NextIteration"
        )
    value = Endpoint(head.name, 0)
    switches = [
        n.name
        for n in nodes
        if n.op in SWITCHES
        and n.data_inputs[0] == value
        and context.nesting.root(n.data_inputs[1]).node == condition.name
    ]
    left = {Endpoint(name, 0) for name in switches}
    exits = [Endpoint(n.name, 0) for n in nodes if n.op in EXITS and n.data_inputs[0] in left]
    start = Endpoint(switches[0], 1) if switches else value
    return LoopVariable(entered[0], head, repeated[0].data_inputs[0], start, exits)


def _not_a_loop(context: ControlFlowContext, node: Node, frame: Frame, why: str) -> TfgError:
    loop = "/".join(frame)
    return context.graph.error_at(
        invalid(f"the gradient of the loop {loop!r} is not defined, because {why}"), node.name
    )


class BackwardLoop:
    """Adds a backward loop; ``home`` is the frame around it."""

    def __init__(self, context: ControlFlowContext, loop: ForwardLoop, home: Frame) -> None:
        self.forward = loop.frame
        self.home = home
        self._context = context
        self._g = context.g
        self._loop = loop
        self._pushes: list[str] = []
        self._pops: list[str] = []
        self._entered: dict[str, Tensor] = {}
        self._forward_values: dict[str, Tensor] = {}
        self._counted = self._count_forward()
        with context.within(home):
            count = self._g.Identity(self._counted, name="count")
            # The name of a node, so that no other loop has it.
            self._name = count.node
            entered = self._enter(count)
        self.frame = (*home, self._name)
        context.loops[self.frame] = self
        self._count_back(entered)

    # Counting.

    def _count_forward(self) -> Tensor:
        g, context, frame = self._g, self._context, self.forward
        with context.within(frame[:-1]):
            entered = g.Enter(
                g.constant(0),
                frame_name=frame[-1],
                parallel_iterations=self._loop.parallel_iterations,
                name="forward_count",
            )
        with context.within(frame):
            self._forward_merge = g.Merge([entered, entered], name="forward_count/merge")[0]
            over, again = g.Switch(self._forward_merge, self._loop.condition, name="forward_count/switch")
            self._forward_pivot = g.Identity(again, name="forward_count/pivot")
            context.pivots[frame] = self._forward_pivot.node
            return g.Exit(over, name="forward_count/exit")

    def _count_back(self, entered: Tensor) -> None:
        g, context = self._g, self._context
        with context.within(self.frame):
            self._merge = g.Merge([entered, entered], name="count/merge")[0]
            with g.control_dependencies([self._merge]):
                one = g.constant(1)
            self._condition = g.LoopCond(g.GreaterEqual(self._merge, one), name="count/more")
            _, again = g.Switch(self._merge, self._condition, name="count/switch")
            self._pivot = g.Identity(again, name="count/pivot")
            context.pivots[self.frame] = self._pivot.node

    def close(self) -> None:
        """Adds the back edges of both counters; each waits for the stack operations of its iteration."""
        with self._context.within(self.forward):
            self._count_on(self._forward_merge, self._forward_pivot, 1, self._pushes)
        with self._context.within(self.frame):
            self._count_on(self._merge, self._pivot, -1, self._pops)

    def _count_on(self, merge: Tensor, pivot: Tensor, step: int, before: Sequence[str]) -> None:
        g = self._g
        branches = self._context.nesting.branches
        waits = [name for name in before if not branches(Endpoint(name, 0))]
        conditional = [name for name in before if name not in waits]
        if conditional:
            # A ControlTrigger runs even if the pushes or pops of a branch not taken are dead.
            with g.control_dependencies(conditional):
                waits.append(g.ControlTrigger(name="stacks"))
        one = g.constant(step)
        with g.control_dependencies(waits):
            following = g.AddV2(pivot, one)
        self._repeat(merge, following)

    # Loop variables.

    def _enter(self, tensor: Tensor, *, is_constant: bool = False) -> Tensor:
        return self._g.Enter(
            tensor,
            frame_name=self._name,
            is_constant=is_constant,
            parallel_iterations=self._loop.parallel_iterations,
        )

    def carry(self, start: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Adds a loop variable; returns its Merge, its value at the start of an iteration, and after the loop."""
        with self._context.within(self.home):
            entered = self._enter(start)
        g = self._g
        with self._context.within(self.frame):
            merge = g.Merge([entered, entered])[0]
            # Its shape may change from one iteration to the next.
            g.replace_node(
                g.view(merge.node).node,
                (Fact(merge.dtype, UNKNOWN, handle=merge.fact.handle), *g.facts_of(merge.node)[1:]),
            )
            over, again = g.Switch(merge, self._condition)
            return merge, again, g.Exit(over)

    def repeat(self, merge: Tensor, following: Tensor) -> None:
        """Adds the back edge of a loop variable: the value for the next iteration."""
        with self._context.within(self.frame):
            conditions = self._context.nesting.conditions(endpoint(following.name))
            if (endpoint(self._condition.name), 1) not in conditions:
                following = self._g.Switch(following, self._condition)[1]
            self._repeat(merge, following)

    def _repeat(self, merge: Tensor, following: Tensor) -> None:
        again = self._g.NextIteration(following)
        node = self._g.view(merge.node).node
        inputs = (node.inputs[0], again.name, *node.inputs[2:])
        self._g.replace_node(replace(node, inputs=inputs), self._g.facts_of(node.name))

    # Values of other frames.

    def as_invariant(self, tensor: Tensor) -> Tensor:
        """Returns a tensor of the frame around the backward loop as a loop invariant."""
        if tensor.name not in self._entered:
            with self._context.within(self.home):
                self._entered[tensor.name] = self._enter(tensor, is_constant=True)
        return self._entered[tensor.name]

    def forward_value(self, tensor: Tensor) -> Tensor:
        """Returns the value that a tensor of the forward loop had in the corresponding iteration."""
        if tensor.name not in self._forward_values:
            self._forward_values[tensor.name] = self._fetch_forward(tensor)
        return self._forward_values[tensor.name]

    def _fetch_forward(self, tensor: Tensor) -> Tensor:
        context = self._context
        root = context.nesting.nodes[context.nesting.root(endpoint(tensor.name)).node]
        if root.op in ENTERS and root.attrs.get("is_constant") is True:
            source = root.data_inputs[0]
            return context.in_frame(Tensor(self._g, source.node, source.port), self.frame)
        if root.op == "Const":
            with context.within(self.frame):
                return self._g.Const(value=root.attrs["value"], dtype=root.attrs["dtype"])
        stack = self._push(tensor)
        return self._pop(stack, tensor)

    def _push(self, tensor: Tensor) -> Tensor:
        g, context, frame = self._g, self._context, self.forward
        with context.within(frame[:-1]):
            size = g.constant(np.int32(-1))
            stack = g.StackV2(size, elem_type=tensor.dtype, stack_name=g.unique_name("stack"))
            handle = g.Enter(
                stack,
                frame_name=frame[-1],
                is_constant=True,
                parallel_iterations=self._loop.parallel_iterations,
            )
        with context.within(frame):
            if (endpoint(self._loop.condition.name), 1) not in context.nesting.conditions(
                endpoint(tensor.name)
            ):
                # It has a value in the last test of the condition too, for which the body does not run.
                tensor = g.Switch(tensor, self._loop.condition)[1]
            with g.control_dependencies([self._forward_pivot]):
                self._pushes.append(g.StackPushV2(handle, tensor).node)
        return stack

    def _pop(self, stack: Tensor, tensor: Tensor) -> Tensor:
        """Adds the pop, live only where the push was: on the branches that the tensor was on."""
        g, context = self._g, self._context
        with context.within(self.frame):
            handle = context.in_frame(stack, self.frame)
            branches = context.conditions_here(context.nesting.branches(endpoint(tensor.name)))
            handle = context.live_under(handle, branches)
            with g.control_dependencies([self._pivot]):
                value = g.StackPopV2(handle, elem_type=tensor.dtype)
            self._pops.append(value.node)
            known = Fact(tensor.dtype, tensor.shape, handle=tensor.fact.handle)
            g.replace_node(g.view(value.node).node, (known,))
        return value
