"""The loop that goes back over the iterations of another one.

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
    from .control_flow import Flow


class Variable(NamedTuple):
    """A variable of the forward loop. ``carried`` is what the body makes of it, ``start`` is what it is when
    an iteration begins."""

    enter: Node
    merge: Node
    carried: Endpoint
    start: Endpoint
    exits: Sequence[Endpoint]


class ForwardLoop(NamedTuple):
    """A loop of the graph. ``constants`` are the Enters of what is the same in every iteration."""

    frame: Frame
    condition: Tensor
    parallel_iterations: int
    variables: Sequence[Variable]
    constants: Sequence[Node]

    @property
    def name(self) -> str:
        return "/".join(self.frame)


def forward_loop(flow: Flow, frame: Frame, path: set[str]) -> ForwardLoop:
    """The loop in a frame, with those variables that lie on the path.

    Raises INVALID_ARGUMENT for a loop of another form than Enter, Merge, Switch, NextIteration and Exit.
    """
    nodes = flow.nodes_in(frame)
    conditions = [n for n in nodes if n.op == "LoopCond"]
    enters = [n for n in nodes if n.op in ENTERS]
    if len(conditions) != 1:
        raise _not_a_loop(flow, enters[0], frame, f"it has {len(conditions)} LoopConds")
    heads = [n for n in nodes if n.op in MERGES and n.name in path and flow.is_head(n)]
    variables = [_variable(flow, frame, nodes, head, conditions[0]) for head in heads]
    known = {source for v in variables for source in v.exits}
    for node in nodes:
        if node.op in EXITS and node.name in path and Endpoint(node.name, 0) not in known:
            raise _not_a_loop(flow, node, frame, f"Exit {node.name!r} does not leave it from a Switch")
    parallel = enters[0].attrs.get("parallel_iterations", 10)
    return ForwardLoop(
        frame,
        Tensor(flow.g, conditions[0].name),
        parallel if isinstance(parallel, int) else 10,
        variables,
        [n for n in enters if n.attrs.get("is_constant") is True and n.name in path],
    )


def _variable(flow: Flow, frame: Frame, nodes: Sequence[Node], head: Node, condition: Node) -> Variable:
    sources = [flow.graph[e.node] for e in head.data_inputs]
    entered = [n for n in sources if n.op in ENTERS]
    repeated = [n for n in sources if n.op in NEXT_ITERATIONS]
    if len(entered) != 1 or len(repeated) != 1:
        raise _not_a_loop(flow, head, frame, f"Merge {head.name!r} is not of one Enter and one NextIteration")
    value = Endpoint(head.name, 0)
    switches = [
        n.name
        for n in nodes
        if n.op in SWITCHES
        and n.data_inputs[0] == value
        and flow.places.root(n.data_inputs[1]).node == condition.name
    ]
    left = {Endpoint(name, 0) for name in switches}
    exits = [Endpoint(n.name, 0) for n in nodes if n.op in EXITS and n.data_inputs[0] in left]
    start = Endpoint(switches[0], 1) if switches else value
    return Variable(entered[0], head, repeated[0].data_inputs[0], start, exits)


def _not_a_loop(flow: Flow, node: Node, frame: Frame, why: str) -> TfgError:
    loop = "/".join(frame)
    return flow.graph.error_at(
        invalid(f"the gradient of the loop {loop!r} is not defined, because {why}"), node.name
    )


class BackwardLoop:
    """A backward loop in the making; ``home`` is the frame around it."""

    def __init__(self, flow: Flow, loop: ForwardLoop, home: Frame) -> None:
        self.forward = loop.frame
        self.home = home
        self._flow = flow
        self._g = flow.g
        self._loop = loop
        self._pushes: list[str] = []
        self._pops: list[str] = []
        self._entered: dict[str, Tensor] = {}
        self._recalled: dict[str, Tensor] = {}
        self._counted = self._count_forward()
        with flow.within(home):
            count = self._g.Identity(self._counted, name="count")
            # The name of a node, so that no other loop has it.
            self._name = count.node
            entered = self._enter(count)
        self.frame = (*home, self._name)
        flow.loops[self.frame] = self
        self._count_back(entered)

    # Counting.

    def _count_forward(self) -> Tensor:
        g, flow, frame = self._g, self._flow, self.forward
        with flow.within(frame[:-1]):
            entered = g.Enter(
                g.constant(0),
                frame_name=frame[-1],
                parallel_iterations=self._loop.parallel_iterations,
                name="forward_count",
            )
        with flow.within(frame):
            self._forward_merge = g.Merge([entered, entered], name="forward_count/merge")[0]
            over, again = g.Switch(self._forward_merge, self._loop.condition, name="forward_count/switch")
            self._forward_pivot = g.Identity(again, name="forward_count/pivot")
            flow.pivots[frame] = self._forward_pivot.node
            return g.Exit(over, name="forward_count/exit")

    def _count_back(self, entered: Tensor) -> None:
        g, flow = self._g, self._flow
        with flow.within(self.frame):
            self._merge = g.Merge([entered, entered], name="count/merge")[0]
            with g.control_dependencies([self._merge]):
                one = g.constant(1)
            self._condition = g.LoopCond(g.GreaterEqual(self._merge, one), name="count/more")
            _, again = g.Switch(self._merge, self._condition, name="count/switch")
            self._pivot = g.Identity(again, name="count/pivot")
            flow.pivots[self.frame] = self._pivot.node

    def close(self) -> None:
        """Lets the counters go on, each when its iteration's stacks have been seen to."""
        with self._flow.within(self.forward):
            self._go_on(self._forward_merge, self._forward_pivot, 1, self._pushes)
        with self._flow.within(self.frame):
            self._go_on(self._merge, self._pivot, -1, self._pops)

    def _go_on(self, merge: Tensor, pivot: Tensor, step: int, before: Sequence[str]) -> None:
        g = self._g
        branches = self._flow.places.branches
        waits = [name for name in before if not branches(Endpoint(name, 0))]
        at_times = [name for name in before if name not in waits]
        if at_times:
            # A ControlTrigger, since what is on a branch not taken is never pushed or popped.
            with g.control_dependencies(at_times):
                waits.append(g.ControlTrigger(name="stacks"))
        one = g.constant(step)
        with g.control_dependencies(waits):
            following = g.AddV2(pivot, one)
        self._repeat(merge, following)

    # What goes in and round.

    def _enter(self, tensor: Tensor, *, is_constant: bool = False) -> Tensor:
        return self._g.Enter(
            tensor,
            frame_name=self._name,
            is_constant=is_constant,
            parallel_iterations=self._loop.parallel_iterations,
        )

    def carry(self, start: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A variable of the backward loop: its Merge, what an iteration begins with, and the result."""
        with self._flow.within(self.home):
            entered = self._enter(start)
        g = self._g
        with self._flow.within(self.frame):
            merge = g.Merge([entered, entered])[0]
            # Its shape may change from one iteration to the next.
            g.replace_node(
                g.view(merge.node).node,
                (Fact(merge.dtype, UNKNOWN, handle=merge.fact.handle), *g.facts_of(merge.node)[1:]),
            )
            over, again = g.Switch(merge, self._condition)
            return merge, again, g.Exit(over)

    def repeat(self, merge: Tensor, following: Tensor) -> None:
        """Gives a variable what an iteration makes of it."""
        with self._flow.within(self.frame):
            conditions = self._flow.places.conditions(endpoint(following.name))
            if (endpoint(self._condition.name), 1) not in conditions:
                following = self._g.Switch(following, self._condition)[1]
            self._repeat(merge, following)

    def _repeat(self, merge: Tensor, following: Tensor) -> None:
        again = self._g.NextIteration(following)
        node = self._g.view(merge.node).node
        inputs = (node.inputs[0], again.name, *node.inputs[2:])
        self._g.replace_node(replace(node, inputs=inputs), self._g.facts_of(node.name))

    # Values from elsewhere.

    def entered(self, tensor: Tensor) -> Tensor:
        """A tensor of the frame around the backward loop, the same in every iteration."""
        if tensor.name not in self._entered:
            with self._flow.within(self.home):
                self._entered[tensor.name] = self._enter(tensor, is_constant=True)
        return self._entered[tensor.name]

    def recalled(self, tensor: Tensor) -> Tensor:
        """A tensor of the forward loop, as it was in the iteration that an iteration goes back over."""
        if tensor.name not in self._recalled:
            self._recalled[tensor.name] = self._recall(tensor)
        return self._recalled[tensor.name]

    def _recall(self, tensor: Tensor) -> Tensor:
        flow = self._flow
        root = flow.places.nodes[flow.places.root(endpoint(tensor.name)).node]
        if root.op in ENTERS and root.attrs.get("is_constant") is True:
            source = root.data_inputs[0]
            return flow.at(Tensor(self._g, source.node, source.port), self.frame)
        if root.op == "Const":
            with flow.within(self.frame):
                return self._g.Const(value=root.attrs["value"], dtype=root.attrs["dtype"])
        stack = self._push(tensor)
        return self._pop(stack, tensor)

    def _push(self, tensor: Tensor) -> Tensor:
        g, flow, frame = self._g, self._flow, self.forward
        with flow.within(frame[:-1]):
            size = g.constant(np.int32(-1))
            stack = g.StackV2(size, elem_type=tensor.dtype, stack_name=g.unique_name("stack"))
            handle = g.Enter(
                stack,
                frame_name=frame[-1],
                is_constant=True,
                parallel_iterations=self._loop.parallel_iterations,
            )
        with flow.within(frame):
            if (endpoint(self._loop.condition.name), 1) not in flow.places.conditions(endpoint(tensor.name)):
                # It is there once more than the body runs.
                tensor = g.Switch(tensor, self._loop.condition)[1]
            with g.control_dependencies([self._forward_pivot]):
                self._pushes.append(g.StackPushV2(handle, tensor).node)
        return stack

    def _pop(self, stack: Tensor, tensor: Tensor) -> Tensor:
        """Nothing was pushed where the tensor was on a branch not taken, so nothing is popped there."""
        g, flow = self._g, self._flow
        with flow.within(self.frame):
            handle = flow.at(stack, self.frame)
            branches = flow.here_for(flow.places.branches(endpoint(tensor.name)))
            handle = flow.gated(handle, branches)
            with g.control_dependencies([self._pivot]):
                value = g.StackPopV2(handle, elem_type=tensor.dtype)
            self._pops.append(value.node)
            known = Fact(tensor.dtype, tensor.shape, handle=tensor.fact.handle)
            g.replace_node(g.view(value.node).node, (known,))
        return value
