"""Control loops: the parts of loops that span devices (white paper section 3.4, OSDI'16 section 3.4).

A device that receives a value within a loop must do so once per iteration, although no other node there may
depend on the loop. So it gets a small control loop without a value, which iterates as often as the original:
its Switch takes the original loop's predicate, sent from its device. Receives within the loop wait for the
Merge of the control loop, or for its Enter or NextIteration if the value is sent only in the first or only in
later iterations. In nested loops, the inner control loop is entered from the outer one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.graph import Graph, Node
from ....graphfmt.tensors import from_array
from ....kernels.core.op_sets import ENTERS
from ...plan.control_flow.frames import Frame, frames
from .iterations import Iterations, LoopIterations, infer_iterations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ....graphfmt.attributes import AttrValue
    from .cross_device_edges import CrossDeviceEdge

# The value of a control loop, and of a transfer that carries only order.
NOTHING = from_array(np.zeros(0, np.float32))
_OPERATIONS = ("Const", "Enter", "Merge", "Switch", "NextIteration")


class ControlLoops(NamedTuple):
    """A graph with its control loops.

    ``stems`` are the name prefixes of control loops, by frame and receiving device; ``frames`` are the frames
    of nodes, and ``runs`` the iterations in which they run.
    """

    graph: Graph
    stems: Mapping[tuple[Frame, str], str]
    frames: Mapping[str, Frame]
    runs: LoopIterations

    def trigger(self, edge: CrossDeviceEdge) -> tuple[str, ...]:
        """Returns the control inputs of the receive of an edge."""
        inside = self.frames.get(edge.source, ())
        if not inside:
            return ()
        begins = _BEGINS[self.runs.nodes.get(edge.source, Iterations.EVERY)]
        return (f"^{self.stems[inside, edge.target]}/{begins}",)


# The node of a control loop that runs in exactly these iterations.
_BEGINS = {
    Iterations.FIRST: "Enter",
    Iterations.LATER: "NextIteration",
    Iterations.EVERY: "Merge",
    Iterations(0): "Merge",
}


def add_control_loops(graph: Graph, edges: Iterable[CrossDeviceEdge]) -> ControlLoops:
    """Adds a control loop for each loop and device that receives values within the loop.

    Raises:
        TfgError: INVALID_ARGUMENT for such a loop without a LoopCond.
    """
    if not any(node.op in ENTERS for node in graph.nodes):
        return ControlLoops(graph, {}, {}, LoopIterations({}, {}))
    frame_of = frames(graph)
    runs = infer_iterations(graph, frame_of)
    adder = _Adder(graph, dict(frame_of), runs)
    for edge in edges:
        inside = adder.frames[edge.source]
        if inside:
            adder.stem(inside, edge.target)
    return ControlLoops(graph.with_nodes([*graph.nodes, *adder.nodes]), adder.stems, adder.frames, runs)


@dataclass
class _Adder:
    """Builder of control loops."""

    graph: Graph
    frames: dict[str, Frame]
    runs: LoopIterations
    nodes: list[Node] = field(default_factory=list[Node])
    stems: dict[tuple[Frame, str], str] = field(default_factory=dict[tuple[Frame, str], str])

    def __post_init__(self) -> None:
        self._conditions = {self.frames[n.name]: n.name for n in self.graph.nodes if n.op == "LoopCond"}
        self._enters = {self.frames[n.name]: n for n in self.graph.nodes if n.op in ENTERS}
        self._taken = set(self.graph.index)

    def stem(self, frame: Frame, device: str) -> str:
        """Returns the name prefix of a loop's control loop on a device; adds the loop on first use."""
        stem = self.stems.get((frame, device))
        if stem is None:
            stem = self.stems[frame, device] = self._add_loop(frame, device)
        return stem

    def _add_loop(self, frame: Frame, device: str) -> str:
        condition = self._conditions.get(frame)
        if condition is None:
            error = invalid(
                f"A cross-device loop must have a pivot predicate: {'/'.join(frame)!r} has no LoopCond"
            )
            raise self.graph.error_at(error, self._enters[frame].name)
        stem = self._free_stem(condition)
        names = {op: f"{stem}/{op}" for op in _OPERATIONS}
        outer = names["Const"]
        if frame[:-1]:
            outer = f"{self.stem(frame[:-1], device)}/{_BEGINS[self.runs.loops[frame]]}"
        if not frame[:-1]:
            attrs: dict[str, AttrValue] = {"dtype": dtypes.float32, "value": NOTHING}
            self.nodes.append(Node(names["Const"], "Const", (), attrs, device))
        inputs = {
            "Enter": (outer,),
            "Merge": (names["Enter"], names["NextIteration"]),
            "Switch": (names["Merge"], condition),
            "NextIteration": (f"{names['Switch']}:1",),
        }
        extra = {"Enter": self._enter_attrs(frame), "Merge": {"N": 2}}
        self.nodes += [
            Node(names[op], op, inputs[op], {"T": dtypes.float32, **extra.get(op, {})}, device)
            for op in inputs
        ]
        self.frames.update({names[op]: frame for op in inputs})
        return stem

    def _free_stem(self, condition: str) -> str:
        """Returns an unused name prefix, numbered in the order of the devices."""
        number = 1
        while f"{condition}/_loop_{number}/Merge" in self._taken:
            number += 1
        stem = f"{condition}/_loop_{number}"
        self._taken |= {f"{stem}/{op}" for op in _OPERATIONS}
        return stem

    def _enter_attrs(self, frame: Frame) -> dict[str, AttrValue]:
        enter = self._enters[frame].attrs
        kept = {name: enter[name] for name in ("frame_name", "parallel_iterations") if name in enter}
        return {**kept, "is_constant": False}
