"""The scope in which gradients through conditionals and loops are added.

A gradient is live exactly where the tensor is that it belongs to. The gradient of the output of a branch passes
through a Switch on the predicate of the branch; that of a tensor which a branch reads from outside is merged with
zeros for the other branch. Every node is added in one frame, and the tensors of other frames that it reads are
fetched into that frame: from around it through an Enter, from the forward loop through a stack.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ....graphfmt.errors import invalid
from ....graphfmt.graph import Endpoint, Graph, Node
from ....kernels.builder.graph_builder import GraphBuilder, IndexedSlices, Tensor
from ....kernels.core.op_sets import NEXT_ITERATIONS
from ....kernels.functions.differentiation import zeros
from ...plan.control_flow.nesting import NodeNesting
from .backpropagation import as_endpoint, dense

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from contextlib import AbstractContextManager

    from ...plan.control_flow.frames import Frame
    from ...plan.control_flow.nesting import Condition, Conditions
    from .backpropagation import Gradient
    from .backward_loops import BackwardLoop


class ControlFlowContext:
    """The frame in which nodes are added, and the tensors of other frames that they read.

    Attributes:
        nesting: the frames and conditions of all nodes, added ones included.
        frame: the frame in which nodes are added now.
        loops: the backward loops by their frames.
        pivots: by frame, a node that is live in every iteration of the loop's body.
    """

    def __init__(self, g: GraphBuilder, graph: Graph) -> None:
        self.g = g
        self.graph = graph
        self.nesting = NodeNesting(graph)
        self.frame: Frame = ()
        self.loops: dict[Frame, BackwardLoop] = {}
        self.pivots: dict[Frame, str] = {}
        self._nodes_in: dict[Frame, list[Node]] = {}
        for node in graph.nodes:
            self._nodes_in.setdefault(self.nesting.inside(node), []).append(node)

    def nodes_in(self, frame: Frame) -> Sequence[Node]:
        """Returns the nodes of the forward graph in a frame, the Enters and Exits of the loop included."""
        return self._nodes_in[frame]

    def is_head(self, node: Node) -> bool:
        """True if a Merge is the head of a loop: where its iterations begin."""
        return any(self.graph[e.node].op in NEXT_ITERATIONS for e in node.data_inputs)

    @contextmanager
    def within(self, frame: Frame) -> Generator[None]:
        """Nodes added within are in that frame."""
        outer, self.frame = self.frame, frame
        try:
            with self.g.control_dependencies(None):
                yield
        finally:
            self.frame = outer

    def in_frame_of(self, node: str) -> AbstractContextManager[None]:
        """Nodes added within are in the frame of that node."""
        return self.within(self.nesting.frame(node))

    def add_node(self, node: Node, tensors: Sequence[Tensor]) -> tuple[Node, Sequence[Tensor]]:
        """Returns the node with its inputs in the current frame; those of other frames are fetched into it."""
        moved = [self.in_frame(tensor, self.frame) for tensor in tensors]
        controls = [name for name in node.control_inputs if self.nesting.frame(name) == self.frame]
        if not moved and not controls and self.frame:
            controls = [self.pivots[self.frame]]
        inputs = (*(tensor.name for tensor in moved), *(f"^{name}" for name in controls))
        node = replace(node, inputs=inputs)
        frame_name = node.attrs.get("frame_name", b"")
        self.nesting.add(node, self.frame, frame_name.decode() if isinstance(frame_name, bytes) else "")
        return node, moved

    def in_frame(self, tensor: Tensor, frame: Frame) -> Tensor:
        """Returns the tensor as nodes of a frame can read it.

        Raises INVALID_ARGUMENT for a tensor of a loop whose backward loop the frame is not.
        """
        home = self.nesting.frame(tensor.node)
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
            return loop.forward_value(tensor)
        return loop.as_invariant(self.in_frame(tensor, loop.home))

    # Branches.

    def conditions_here(self, conditions: Conditions) -> Sequence[Condition]:
        """Returns conditions of the forward frame as conditions of the current one, the outermost first."""
        found: list[Condition] = []
        for source, branch in self.nesting.ordered(conditions):
            tensor = self.in_frame(Tensor(self.g, source.node, source.port), self.frame)
            found.append((self.nesting.root(as_endpoint(tensor)), branch))
        return found

    def live_under(self, tensor: Tensor, conditions: Iterable[Condition]) -> Tensor:
        """Returns the tensor, live only where these conditions hold."""
        for predicate, branch in conditions:
            if (predicate, branch) not in self.nesting.conditions(as_endpoint(tensor)):
                choice = Tensor(self.g, predicate.node, predicate.port)
                tensor = self.g.Switch(tensor, choice)[branch]
        return tensor

    def live_as(self, gradient: Gradient, source: Endpoint) -> Gradient:
        """Returns the gradient of an output, live exactly where the output is; zero on branches that have none."""
        value = gradient.values if isinstance(gradient, IndexedSlices) else gradient
        has = self.nesting.branches(as_endpoint(value))
        needs = self.nesting.branches(source)
        if not has and not needs:
            return gradient
        needed = self.conditions_here(needs)
        spare = has.difference(needed)
        if spare:
            gradient = self._or_zeros(gradient, source, has, spare)
        if not isinstance(gradient, IndexedSlices):
            return self.live_under(gradient, needed)
        values, indices = (self.live_under(t, needed) for t in (gradient.values, gradient.indices))
        return IndexedSlices(values, indices, gradient.dense_shape)

    def _or_zeros(self, gradient: Gradient, source: Endpoint, has: Conditions, spare: Conditions) -> Gradient:
        gradient = dense(self.g, gradient)
        zero = zeros(self.g, Tensor(self.g, source.node, source.port))
        for predicate, branch in reversed(self.nesting.ordered(spare)):
            has = has - {(predicate, branch)}
            other = self.live_under(zero, self.nesting.ordered([*has, (predicate, 1 - branch)]))
            gradient = self.g.Merge([other, gradient] if branch else [gradient, other])[0]
        return gradient
