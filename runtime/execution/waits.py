"""Nodes that wait: why a step does not go on, and who could end the wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ...graphfmt import dtypes
from ...kernels.core import registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...graphfmt.graph import Graph, Node
    from ...graphfmt.signatures import Arg

# The number of counterparts that a message names.
_SHOWN = 3
IDLE = "nothing runs it beside the steps"


class Counterpart(NamedTuple):
    """A node that could end a wait, and what is known of it: that it runs, has ended, has failed, is not run."""

    node: str
    state: str

    def __str__(self) -> str:
        return f"{self.node!r} ({self.state})"


class Wait(NamedTuple):
    """A node that waits for a resource, such as a queue, and the seconds since it began to; ``counterparts`` are the
    nodes that could end the wait, None if that is not known."""

    node: Node
    resource: str
    seconds: float
    counterparts: Sequence[Counterpart] | None = None

    def __str__(self) -> str:
        of = f" for {self.resource}" if self.resource else ""
        return f"{self.node.name!r} ({self.node.op}) has waited {self.seconds:.1f} s{of}{self._ends()}"

    def fields(self) -> dict[str, Any]:
        """Returns the wait as an object of JSON."""
        return {
            "node": self.node.name,
            "op": self.node.op,
            "resource": self.resource,
            "seconds": round(self.seconds, 3),
            "counterparts": [found._asdict() for found in self.counterparts or ()],
        }

    def _ends(self) -> str:
        if self.counterparts is None:
            return ""
        if not self.counterparts:
            return ", and no node of the graph could end that"
        shown = ", ".join(map(str, self.counterparts[:_SHOWN]))
        more = len(self.counterparts) - _SHOWN
        return f", which could be ended by {shown}" + (f" and {more} more" if more > 0 else "")


def counterparts(graph: Graph, node: Node, states: Mapping[str, str]) -> list[Counterpart] | None:
    """Returns the nodes that put in what a node takes out of a resource, or take out what it puts in; None for a node
    that does not use one. ``states`` are those of the nodes that run beside the steps."""
    used = _resource(graph, node)
    if used is None:
        return None
    takes = _takes(node)
    return [
        Counterpart(other.name, states.get(other.name, IDLE))
        for other in graph.nodes
        if other.name != node.name and _resource(graph, other) == used and _takes(other) != takes
    ]


def _takes(node: Node) -> bool:
    return bool(registry.get(node.op).signature.outputs)


def _resource(graph: Graph, node: Node) -> tuple[str, str] | None:
    """Returns container and name of the resource whose handle is the last input of a node that is one (a reader comes
    before its queue), or that a node which may wait names itself; None if there is none."""
    op = registry.find(node.op)
    if op is None:
        return None
    inputs = node.data_inputs
    handles = [number for number, arg in enumerate(op.signature.inputs[: len(inputs)]) if _is_handle(arg)]
    if handles:
        made = graph.index.get(inputs[handles[-1]].node)
    elif op.asynchronous and "shared_name" in op.signature.attr_index:
        made = node
    else:
        made = None
    return None if made is None else (_text(made, "container"), _text(made, "shared_name") or made.name)


def _is_handle(arg: Arg) -> bool:
    return arg.is_ref or arg.dtype is dtypes.resource


def _text(node: Node, attr: str) -> str:
    value = node.attrs.get(attr)
    return value.decode(errors="replace") if isinstance(value, bytes) else ""
