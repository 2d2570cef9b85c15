"""Nodes that wait: why a step does not go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ...graphfmt.graph import Node


class Wait(NamedTuple):
    """A node that waits for a resource, such as a queue, and the seconds since it began to."""

    node: Node
    resource: str
    seconds: float

    def __str__(self) -> str:
        of = f" for {self.resource}" if self.resource else ""
        return f"{self.node.name!r} ({self.node.op}) has waited {self.seconds:.1f} s{of}"
