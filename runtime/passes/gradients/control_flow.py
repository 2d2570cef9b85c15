"""Gradients through the conditionals and loops that a graph itself has.

A gradient is live exactly where the tensor is that it belongs to. The gradient of what a branch gives goes
back through a Switch on the branch's predicate; that of a tensor which a branch takes from outside is merged
with zeros of the other branch.

A loop is one step of the walk in the frame around it: a backward loop is opened, the gradients of the body
are found by another walk within it, and closed. While a frame is walked, every node that is added is added in
that frame, and the tensors that gradient functions mention are fetched into it: from around it through an
Enter, from the forward loop through a stack.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.graph import Endpoint, Graph, Node
from ....kernels.builder.graph_builder import GraphBuilder, IndexedSlices, NodeView, Tensor
from ....kernels.core.op_sets import ENTERS, EXITS, MERGES, NEXT_ITERATIONS, SWITCHES
from ....kernels.functions.call_gradients import zeros
from ...plan.control_flow.nesting import NodeNesting
from .backpropagation import Walk, as_endpoint, dense
from .backward_loops import BackwardLoop, forward_loop

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from contextlib import AbstractContextManager

    from ...plan.control_flow.frames import Frame
    from ...plan.control_flow.nesting import Condition, Conditions
    from .backpropagation import Gradient
    from .backward_loops import ForwardLoop, Variable


@contextmanager
def walking(g: GraphBuilder, graph: Graph, path: set[str]) -> Generator[Walk]:
    """The walk of a graph with control flow; what is added meanwhile is added outside of all loops."""
    flow = Flow(g, graph)
    outer, g.placing = g.placing, flow
    try:
        yield FlowWalk(flow, path, (), ())
    finally:
        g.placing = outer


class Flow:
    """Where nodes are added, and how the tensors they read get there.

    ``here`` is the frame in which nodes are added now; ``loops`` are the backward loops by their frames;
    ``pivots`` are nodes that are live in every iteration of a loop's body.
    """

    def __init__(self, g: GraphBuilder, graph: Graph) -> None:
        self.g = g
        self.graph = graph
        self.places = NodeNesting(graph)
        self.here: Frame = ()
        self.loops: dict[Frame, BackwardLoop] = {}
        self.pivots: dict[Frame, str] = {}
        self._nodes_in: dict[Frame, list[Node]] = {}
        for node in graph.nodes:
            self._nodes_in.setdefault(self.places.inside(node), []).append(node)

    def nodes_in(self, frame: Frame) -> Sequence[Node]:
        """The graph's nodes in a frame, the loop's Enters and Exits included."""
        return self._nodes_in[frame]

    def is_head(self, node: Node) -> bool:
        """Whether a Merge is where an iteration begins."""
        return any(self.graph[e.node].op in NEXT_ITERATIONS for e in node.data_inputs)

    @contextmanager
    def within(self, frame: Frame) -> Generator[None]:
        """Nodes are added in that frame."""
        outer, self.here = self.here, frame
        try:
            with self.g.control_dependencies(None):
                yield
        finally:
            self.here = outer

    def beside(self, node: str) -> AbstractContextManager[None]:
        """Nodes are added in the frame of that node."""
        return self.within(self.places.frame(node))

    def placed(self, node: Node, tensors: Sequence[Tensor]) -> tuple[Node, Sequence[Tensor]]:
        """The node as it is added here."""
        moved = [self.at(tensor, self.here) for tensor in tensors]
        controls = [name for name in node.control_inputs if self.places.frame(name) == self.here]
        if not moved and not controls and self.here:
            controls = [self.pivots[self.here]]
        inputs = (*(tensor.name for tensor in moved), *(f"^{name}" for name in controls))
        node = replace(node, inputs=inputs)
        frame_name = node.attrs.get("frame_name", b"")
        self.places.add(node, self.here, frame_name.decode() if isinstance(frame_name, bytes) else "")
        return node, moved

    def at(self, tensor: Tensor, frame: Frame) -> Tensor:
        """The tensor, or what stands for it in that frame.

        Raises INVALID_ARGUMENT for a tensor of a loop that the frame does not go back over.
        """
        home = self.places.frame(tensor.node)
        if home == frame:
            return tensor
        loop = self.loops.get(frame)
        if loop is None:
            inside = "/".join(home)
            raise self.graph.error_at(
                invalid(
                    f"{tensor.name!r} is inside the loop {inside!r}, and has a value for every iteration"
                ),
                tensor.node,
            )
        if home == loop.forward:
            return loop.recalled(tensor)
        return loop.entered(self.at(tensor, loop.home))

    # Branches.

    def here_for(self, conditions: Conditions) -> Sequence[Condition]:
        """What conditions of the forward frame are here, from the outermost to the innermost."""
        found: list[Condition] = []
        for source, branch in self.places.ordered(conditions):
            tensor = self.at(Tensor(self.g, source.node, source.port), self.here)
            found.append((self.places.root(as_endpoint(tensor)), branch))
        return found

    def gated(self, tensor: Tensor, conditions: Iterable[Condition]) -> Tensor:
        """The tensor, live only where these conditions hold."""
        for predicate, branch in conditions:
            if (predicate, branch) not in self.places.conditions(as_endpoint(tensor)):
                choice = Tensor(self.g, predicate.node, predicate.port)
                tensor = self.g.Switch(tensor, choice)[branch]
        return tensor

    def live_as(self, gradient: Gradient, source: Endpoint) -> Gradient:
        """The gradient of an output, live where that is: zero on the branches where there is none."""
        value = gradient.values if isinstance(gradient, IndexedSlices) else gradient
        has = self.places.branches(as_endpoint(value))
        needs = self.places.branches(source)
        if not has and not needs:
            return gradient
        needed = self.here_for(needs)
        spare = has.difference(needed)
        if spare:
            gradient = self._or_zeros(gradient, source, has, spare)
        if not isinstance(gradient, IndexedSlices):
            return self.gated(gradient, needed)
        values, indices = (self.gated(t, needed) for t in (gradient.values, gradient.indices))
        return IndexedSlices(values, indices, gradient.dense_shape)

    def _or_zeros(self, gradient: Gradient, source: Endpoint, has: Conditions, spare: Conditions) -> Gradient:
        gradient = dense(self.g, gradient)
        zero = zeros(self.g, Tensor(self.g, source.node, source.port))
        for predicate, branch in reversed(self.places.ordered(spare)):
            has = has - {(predicate, branch)}
            other = self.gated(zero, self.places.ordered([*has, (predicate, 1 - branch)]))
            gradient = self.g.Merge([other, gradient] if branch else [gradient, other])[0]
        return gradient


class FlowWalk(Walk):
    """A walk of one frame of the forward graph, ``forward``, whose gradients are in the frame ``here``."""

    def __init__(self, flow: Flow, path: set[str], forward: Frame, here: Frame) -> None:
        super().__init__(flow.g, flow.graph, path)
        self._flow = flow
        self._forward = forward
        self._here = here

    def put(self, source: Endpoint, gradient: Gradient) -> None:
        flow = self._flow
        if flow.places.frame(source.node) != self._forward:
            loop = "/".join(flow.places.frame(source.node))
            raise self.graph.error_at(
                invalid(
                    f"the gradient with respect to {str(source)!r}, inside the loop {loop!r}, is not defined"
                ),
                source.node,
            )
        super().put(source, flow.live_as(self._fetched(gradient), source))

    def _fetched(self, gradient: Gradient) -> Gradient:
        """A gradient function may hand on a tensor of the forward loop as it is: the indices of a gather."""
        at, here = self._flow.at, self._here
        if not isinstance(gradient, IndexedSlices):
            return at(gradient, here)
        return IndexedSlices(
            at(gradient.values, here), at(gradient.indices, here), at(gradient.dense_shape, here)
        )

    def total(self, source: Endpoint) -> Gradient | None:
        if self._flow.places.frame(source.node) != self._forward:
            self._flow.at(Tensor(self.g, source.node, source.port), self._forward)
        return super().total(source)

    def back(self) -> None:
        for unit in reversed(self._units()):
            if isinstance(unit, str):
                self.step(self.g.view(unit, self.path))
            else:
                self._step_over_loop(unit)

    def _units(self) -> Sequence[str | Frame]:
        """The nodes of the frame, and the loops inside it, each after what it depends on."""
        behind: dict[str | Frame, dict[str | Frame, None]] = {}
        for node in self.graph.nodes:
            unit = self._unit(node)
            if unit is None:
                continue
            sources = behind.setdefault(unit, {})
            for source in (self.graph[e.node] for e in node.data_inputs):
                other = self._unit(source)
                again = node.op in MERGES and source.op in NEXT_ITERATIONS
                if other is not None and other != unit and not again:
                    sources[other] = None
        try:
            return list(TopologicalSorter(behind).static_order())
        except CycleError as error:
            first = error.args[1][0]
            name = first if isinstance(first, str) else "/".join(first)
            raise invalid(
                f"the gradient of the loop {name!r} is not defined, because it feeds itself"
            ) from None

    def _unit(self, node: Node) -> str | Frame | None:
        if node.name not in self.path:
            return None
        inside = self._flow.places.inside(node)
        depth = len(self._forward)
        if inside[:depth] != self._forward or (node.op in EXITS and len(inside) == depth):
            return None
        return node.name if len(inside) == depth else inside[: depth + 1]

    def step(self, view: NodeView) -> None:
        op = view.node.op
        if op in ENTERS or op in NEXT_ITERATIONS:
            return
        if op in SWITCHES:
            self._step_over_switch(view)
            return
        if op in MERGES:
            if self._flow.is_head(view.node):
                return
            if self.total(Endpoint(view.name, 0)) is not None:
                self._flow.places.check_merge(view.node)
        super().step(view)

    def _step_over_switch(self, view: NodeView) -> None:
        outputs = [as_endpoint(out) for out in view.outputs]
        sums = [self.total(out) for out in outputs]
        if all(total is None for total in sums) or not self.leads_on(view.inputs[0]):
            return
        predicate = self._flow.places.root(as_endpoint(view.inputs[1]))
        if self._flow.places.is_loop((predicate, 1)):
            if sums[1] is not None:
                self.put(as_endpoint(view.inputs[0]), sums[1])
            return
        for port, out in enumerate(outputs):
            if sums[port] is None:
                sums[port] = self._flow.live_as(zeros(self.g, view.outputs[port]), out)
        self.hand_on(view, sums)

    # Loops.

    def _step_over_loop(self, frame: Frame) -> None:
        flow = self._flow
        exits = [n.name for n in flow.nodes_in(frame) if n.op in EXITS and n.name in self.path]
        if all(self.total(Endpoint(name, 0)) is None for name in exits):
            return
        loop = forward_loop(flow, frame, self.path)
        with self.g.name_scope(frame[-1].strip("/").split("/")[-1] + "_grad"):
            starts = [self._start(variable) for variable in loop.variables]
            back = BackwardLoop(flow, loop, self._here)
            found = self._inside(loop, back, starts)
            back.close()
        for enter, gradient in found:
            source = enter.data_inputs[0]
            if self.leads_on(Tensor(self.g, source.node, source.port)):
                self.put(source, gradient)

    def _start(self, variable: Variable) -> Tensor:
        """The gradient of what a variable is after the loop."""
        for_exits = [self.total(source) for source in variable.exits]
        known = [dense(self.g, x) for x in for_exits if x is not None]
        if known:
            return known[0] if len(known) == 1 else self.g.AddN(known)
        source = variable.exits[0] if variable.exits else variable.enter.data_inputs[0]
        return zeros(self.g, Tensor(self.g, source.node, source.port))

    def _inside(
        self, loop: ForwardLoop, back: BackwardLoop, starts: Sequence[Tensor]
    ) -> list[tuple[Node, Gradient]]:
        """Fills the backward loop; the gradients of the Enters of the forward one."""
        walk = FlowWalk(self._flow, self.path, loop.frame, back.frame)
        carried = [back.carry(start) for start in starts]
        with self._flow.within(back.frame):
            for variable, (_, now, _) in zip(loop.variables, carried):
                if variable.carried.node in self.path:
                    walk.put(variable.carried, now)
            walk.back()
            for variable, (merge, _, _) in zip(loop.variables, carried):
                back.repeat(merge, walk.before(variable))
            totals = [walk.total(Endpoint(enter.name, 0)) for enter in loop.constants]
            walk.check_enters(loop)
        found: list[tuple[Node, Gradient]] = [
            (variable.enter, end) for variable, (_, _, end) in zip(loop.variables, carried)
        ]
        for enter, gradient in zip(loop.constants, totals):
            if gradient is not None:
                found.append((enter, self._accumulated(back, enter, gradient)))
        return found

    def check_enters(self, loop: ForwardLoop) -> None:
        """Raises INVALID_ARGUMENT for what is used as it enters the loop, and so in the first iteration alone."""
        constants = {enter.name for enter in loop.constants}
        for node in self._flow.nodes_in(loop.frame):
            if (
                node.op in ENTERS
                and node.name not in constants
                and self.total(Endpoint(node.name, 0)) is not None
            ):
                raise self.graph.error_at(
                    invalid(
                        f"the gradient of the loop {loop.name!r} is not defined, because Enter {node.name!r} is "
                        "neither a constant nor the start of a variable"
                    ),
                    node.name,
                )

    def before(self, variable: Variable) -> Tensor:
        """The gradient of a variable at the start of an iteration."""
        found = dense(self.g, self.total(Endpoint(variable.merge.name, 0)))
        if found is not None:
            return found
        return zeros(self.g, Tensor(self.g, variable.start.node, variable.start.port))

    def _accumulated(self, back: BackwardLoop, enter: Node, gradient: Gradient) -> Gradient:
        """The sum over all iterations of the gradients of what is the same in all of them."""
        source = enter.data_inputs[0]
        constant = Tensor(self.g, source.node, source.port)
        if isinstance(gradient, IndexedSlices):
            return self._collected(back, constant, gradient)
        merge, now, end = back.carry(zeros(self.g, constant))
        with self._flow.within(back.frame):
            back.repeat(merge, self.g.AddV2(now, gradient))
        return end

    def _collected(self, back: BackwardLoop, table: Tensor, rows: IndexedSlices) -> IndexedSlices:
        """The rows of all iterations, one after another."""
        g = self.g
        shape = _shape_of(g, table)
        rest = g.StridedSlice(shape, [1], [0], [1], end_mask=1)
        none = g.Fill(g.ConcatV2([g.constant([0]), rest], g.constant(0)), g.constant(0, rows.values.dtype))
        ends: list[Tensor] = []
        for new, start in (
            (rows.values, none),
            (rows.indices, g.constant(np.zeros(0), rows.indices.dtype)),
        ):
            merge, now, end = back.carry(start)
            with self._flow.within(back.frame):
                back.repeat(merge, g.ConcatV2([now, new], g.constant(0)))
            ends.append(end)
        return IndexedSlices(ends[0], ends[1], shape)


def _shape_of(g: GraphBuilder, table: Tensor) -> Tensor:
    """The shape of a tensor, or of the variable that a handle refers to."""
    handle = table.fact.handle
    if table.dtype.name != "resource" or handle is None:
        return g.shape_of(table)
    if handle.shape.is_fully_known:
        return g.constant(np.array(handle.shape.known(), np.int32))
    return g.VariableShape(table)
