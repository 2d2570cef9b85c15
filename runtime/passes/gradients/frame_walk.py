"""Gradients of graphs with conditionals and loops.

A loop is one step of the reverse walk over the frame around it: a backward loop is opened, another walk adds the
gradients of the body within it, and it is closed.
"""

from __future__ import annotations

from contextlib import contextmanager
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.graph import Endpoint, Graph, Node
from ....kernels.builder.graph_builder import GraphBuilder, IndexedSlices, Tensor
from ....kernels.core.op_sets import ENTERS, EXITS, MERGES, NEXT_ITERATIONS, SWITCHES
from ....kernels.functions.differentiation import zeros
from .backpropagation import ReverseWalk, as_endpoint, dense
from .backward_loops import BackwardLoop, forward_loop
from .control_flow_context import ControlFlowContext

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ....kernels.builder.node_view import GradientNode
    from ...plan.control_flow.frames import Frame
    from .backpropagation import Gradient
    from .backward_loops import ForwardLoop, LoopVariable


@contextmanager
def frame_walk(g: GraphBuilder, graph: Graph, path: set[str]) -> Generator[ReverseWalk]:
    """Opens a reverse walk over a graph with control flow; nodes added meanwhile are outside of all its loops."""
    context = ControlFlowContext(g, graph)
    with g.node_context(context):
        yield FrameWalk(context, path, (), ())


class FrameWalk(ReverseWalk):
    """A reverse walk over one frame of the forward graph, ``forward``, whose gradients are added in ``frame``."""

    def __init__(self, context: ControlFlowContext, path: set[str], forward: Frame, frame: Frame) -> None:
        super().__init__(context.g, context.graph, path)
        self._context = context
        self._forward = forward
        self._frame = frame

    def add_partial(self, source: Endpoint, gradient: Gradient) -> None:
        context = self._context
        if context.nesting.frame(source.node) != self._forward:
            loop = "/".join(context.nesting.frame(source.node))
            raise self.graph.error_at(
                invalid(
                    f"the gradient with respect to {str(source)!r}, inside the loop {loop!r}, is not defined"
                ),
                source.node,
            )
        super().add_partial(source, context.live_as(self._fetched(gradient), source))

    def _fetched(self, gradient: Gradient) -> Gradient:
        """Returns a gradient in this frame: gradient functions may return tensors of the forward loop (indices)."""
        fetch, frame = self._context.in_frame, self._frame
        if not isinstance(gradient, IndexedSlices):
            return fetch(gradient, frame)
        return IndexedSlices(
            fetch(gradient.values, frame), fetch(gradient.indices, frame), fetch(gradient.dense_shape, frame)
        )

    def total(self, source: Endpoint) -> Gradient | None:
        if self._context.nesting.frame(source.node) != self._forward:
            self._context.in_frame(Tensor(self.g, source.node, source.port), self._forward)
        return super().total(source)

    def run(self) -> None:
        for item in reversed(self._nodes_and_loops()):
            if isinstance(item, str):
                self.differentiate_node(self.view(item))
            else:
                self._differentiate_loop(item)

    def _nodes_and_loops(self) -> Sequence[str | Frame]:
        """Returns the nodes of the frame and the loops inside it, in topological order."""
        behind: dict[str | Frame, dict[str | Frame, None]] = {}
        for node in self.graph.nodes:
            item = self._node_or_loop(node)
            if item is None:
                continue
            sources = behind.setdefault(item, {})
            for source in (self.graph[e.node] for e in node.data_inputs):
                other = self._node_or_loop(source)
                is_back_edge = node.op in MERGES and source.op in NEXT_ITERATIONS
                if other is not None and other != item and not is_back_edge:
                    sources[other] = None
        try:
            return list(TopologicalSorter(behind).static_order())
        except CycleError as error:
            first = error.args[1][0]
            name = first if isinstance(first, str) else "/".join(first)
            raise invalid(
                f"the gradient of the loop {name!r} is not defined, because it feeds itself"
            ) from None

    def _node_or_loop(self, node: Node) -> str | Frame | None:
        if node.name not in self.path:
            return None
        inside = self._context.nesting.inside(node)
        depth = len(self._forward)
        if inside[:depth] != self._forward or (node.op in EXITS and len(inside) == depth):
            return None
        return node.name if len(inside) == depth else inside[: depth + 1]

    def differentiate_node(self, view: GradientNode) -> None:
        op = view.node.op
        if op in ENTERS or op in NEXT_ITERATIONS:
            return
        if op in SWITCHES:
            self._differentiate_switch(view)
            return
        if op in MERGES:
            if self._context.is_head(view.node):
                return
            if self.total(Endpoint(view.name, 0)) is not None:
                self._context.nesting.check_merge(view.node)
        super().differentiate_node(view)

    def _differentiate_switch(self, view: GradientNode) -> None:
        outputs = [as_endpoint(out) for out in view.outputs]
        sums = [self.total(out) for out in outputs]
        if all(total is None for total in sums) or not self.is_wanted(view.inputs[0]):
            return
        predicate = self._context.nesting.root(as_endpoint(view.inputs[1]))
        if self._context.nesting.is_loop((predicate, 1)):
            if sums[1] is not None:
                self.add_partial(as_endpoint(view.inputs[0]), sums[1])
            return
        for port, out in enumerate(outputs):
            if sums[port] is None:
                sums[port] = self._context.live_as(zeros(self.g, view.outputs[port]), out)
        self.propagate(view, sums)

    # Loops.

    def _differentiate_loop(self, frame: Frame) -> None:
        context = self._context
        exits = [n.name for n in context.nodes_in(frame) if n.op in EXITS and n.name in self.path]
        if all(self.total(Endpoint(name, 0)) is None for name in exits):
            return
        loop = forward_loop(context, frame, self.path)
        with self.g.name_scope(frame[-1].strip("/").split("/")[-1] + "_grad"):
            starts = [self._start(variable) for variable in loop.variables]
            back = BackwardLoop(context, loop, self._frame)
            found = self._differentiate_body(loop, back, starts)
            back.close()
        for enter, gradient in found:
            source = enter.data_inputs[0]
            if self.is_wanted(Tensor(self.g, source.node, source.port)):
                self.add_partial(source, gradient)

    def _start(self, variable: LoopVariable) -> Tensor:
        """Returns the gradient of a loop variable after the loop."""
        for_exits = [self.total(source) for source in variable.exits]
        known = [dense(self.g, x) for x in for_exits if x is not None]
        if known:
            return known[0] if len(known) == 1 else self.g.AddN(known)
        source = variable.exits[0] if variable.exits else variable.enter.data_inputs[0]
        return zeros(self.g, Tensor(self.g, source.node, source.port))

    def _differentiate_body(
        self, loop: ForwardLoop, back: BackwardLoop, starts: Sequence[Tensor]
    ) -> list[tuple[Node, Gradient]]:
        """Adds the body of the backward loop; returns the gradients of the Enters of the forward loop."""
        walk = FrameWalk(self._context, self.path, loop.frame, back.frame)
        carried = [back.carry(start) for start in starts]
        with self._context.within(back.frame):
            for variable, (_, now, _) in zip(loop.variables, carried):
                if variable.carried.node in self.path:
                    walk.add_partial(variable.carried, now)
            walk.run()
            for variable, (merge, _, _) in zip(loop.variables, carried):
                back.repeat(merge, walk.total_at_start(variable))
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
        """Raises INVALID_ARGUMENT for an entering value that is neither a loop invariant nor starts a variable."""
        constants = {enter.name for enter in loop.constants}
        for node in self._context.nodes_in(loop.frame):
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

    def total_at_start(self, variable: LoopVariable) -> Tensor:
        """Returns the gradient of a loop variable at the start of an iteration."""
        found = dense(self.g, self.total(Endpoint(variable.merge.name, 0)))
        if found is not None:
            return found
        return zeros(self.g, Tensor(self.g, variable.start.node, variable.start.port))

    def _accumulated(self, back: BackwardLoop, enter: Node, gradient: Gradient) -> Gradient:
        """Returns the gradient of a loop invariant: the sum over all iterations."""
        source = enter.data_inputs[0]
        constant = Tensor(self.g, source.node, source.port)
        if isinstance(gradient, IndexedSlices):
            return self._concatenated(back, constant, gradient)
        merge, now, end = back.carry(zeros(self.g, constant))
        with self._context.within(back.frame):
            back.repeat(merge, self.g.AddV2(now, gradient))
        return end

    def _concatenated(self, back: BackwardLoop, table: Tensor, rows: IndexedSlices) -> IndexedSlices:
        """Returns the rows of all iterations, concatenated."""
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
            with self._context.within(back.frame):
                back.repeat(merge, g.ConcatV2([now, new], g.constant(0)))
            ends.append(end)
        return IndexedSlices(ends[0], ends[1], shape)


def _shape_of(g: GraphBuilder, table: Tensor) -> Tensor:
    """Returns the shape of a tensor, or of the variable that a handle refers to."""
    handle = table.fact.handle
    if table.dtype.name != "resource" or handle is None:
        return g.shape_of(table)
    if handle.shape.is_fully_known:
        return g.constant(np.array(handle.shape.known(), np.int32))
    return g.VariableShape(table)
