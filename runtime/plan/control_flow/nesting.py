"""The nesting of nodes: the loop that each is in, and the branches of conditionals that it is on.

A tensor on a branch is dead if the branch is not taken, which follows from the Switches that it depends on. Its
*conditions* are their predicates, each with the output of the Switch that must be live.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....graphfmt.errors import invalid
from ....graphfmt.graph import Endpoint, Graph, Node
from ....kernels.core.inference import topological_order
from ....kernels.core.op_sets import ENTERS, EXITS, MERGES, SWITCHES
from .frames import Frame, frames

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A predicate, and 0 or 1 for the branch. A predicate stands for its copies (Identity), too.
Condition = tuple[Endpoint, int]
Conditions = frozenset[Condition]

CONTROL_FLOW = MERGES | SWITCHES | ENTERS

_NONE: Conditions = frozenset()


class NodeNesting:
    """The frame of every node of a graph and of nodes that are added to it, and its conditions within that frame."""

    def __init__(self, graph: Graph) -> None:
        self.nodes: dict[str, Node] = {}
        self._frames: dict[str, Frame] = dict(frames(graph))
        self._conditions: dict[str, Conditions] = {}
        self._around: dict[Frame, Conditions] = {}
        self._graph = graph
        for node in topological_order(graph):
            self._register(node)

    def add(self, node: Node, frame: Frame, frame_name: str = "") -> None:
        """Adds a new node whose inputs are in ``frame``."""
        if node.op in ENTERS:
            frame = (*frame, frame_name)
        self._frames[node.name] = frame[:-1] if node.op in EXITS else frame
        self._register(node)

    def frame(self, node: str) -> Frame:
        """The frame of a node's outputs."""
        return self._frames[node]

    def inside(self, node: Node) -> Frame:
        """The innermost loop that a node is part of: an Enter or Exit belongs to its loop, not to the frame around."""
        return self._frames[node.data_inputs[0].node] if node.op in EXITS else self._frames[node.name]

    def conditions(self, source: Endpoint) -> Conditions:
        """The conditions of an output within its frame."""
        conditions = self._conditions[source.node]
        node = self.nodes[source.node]
        if node.op not in SWITCHES:
            return conditions
        return conditions | {(self.root(node.data_inputs[1]), source.port)}

    def ordered(self, conditions: Iterable[Condition]) -> list[Condition]:
        """Conditions from the outermost branch to the innermost."""
        return sorted(conditions, key=lambda c: (len(self.conditions(c[0])), c[0].node, c[1]))

    def root(self, source: Endpoint) -> Endpoint:
        """The output that an output is a copy of."""
        while (node := self.nodes[source.node]).op == "Identity":
            source = node.data_inputs[0]
        return source

    def is_loop(self, condition: Condition) -> bool:
        """True for the condition of a loop, not of a conditional."""
        return self.nodes[condition[0].node].op == "LoopCond"

    def branches(self, source: Endpoint) -> Conditions:
        """The conditions of an output that are of conditionals, not of loops."""
        return frozenset(c for c in self.conditions(source) if not self.is_loop(c))

    def _register(self, node: Node) -> None:
        self.nodes[node.name] = node
        frame = self._frames[node.name]
        if node.op in EXITS:
            conditions = self._around.get(self.inside(node), _NONE)
        elif node.op in MERGES:
            conditions = self._merge_conditions(node)
        elif node.op == "ControlTrigger":
            conditions = _NONE
        else:
            conditions = self._input_conditions(node.data_inputs).union(
                *map(self._node_conditions, node.control_inputs)
            )
        if node.op in ENTERS:
            self._around[frame] = self._around.get(frame, _NONE) | conditions
            conditions = _NONE
        self._conditions[node.name] = conditions

    def _node_conditions(self, name: str) -> Conditions:
        return self._conditions.get(name, _NONE)

    def _input_conditions(self, sources: Sequence[Endpoint]) -> Conditions:
        return _NONE.union(*(self.conditions(s) for s in sources if s.node in self._conditions))

    def _merge_conditions(self, node: Node) -> Conditions:
        """The conditions that all inputs of a Merge have in common: it is live if one of them is."""
        known = [self.conditions(s) for s in node.data_inputs if s.node in self._conditions]
        common = known[0].intersection(*known[1:]) if known else _NONE
        return common.union(*map(self._node_conditions, node.control_inputs))

    def check_merge(self, node: Node) -> None:
        """Raises INVALID_ARGUMENT for a Merge whose inputs are not the two branches of one conditional."""
        known = [self.conditions(s) for s in node.data_inputs]
        common = known[0].intersection(*known[1:])
        apart = [conditions - common for conditions in known]
        if len(apart) == 2 and all(len(a) == 1 for a in apart):
            (first,), (second,) = apart
            if first[0] == second[0] and first[1] != second[1]:
                return
        where = f" in the loop {'/'.join(self._frames[node.name])!r}" if self._frames[node.name] else ""
        raise self._graph.error_at(
            invalid(
                f"the gradient of Merge {node.name!r}{where} is not defined, because its inputs are not the "
                "two branches of one predicate"
            ),
            node.name,
        )
