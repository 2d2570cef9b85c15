"""A generated function together with the nodes that its lines compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from ...graphfmt.graph import Node


class Segment(NamedTuple):
    """``function(ctx, *arguments)`` returns the fetched values; ``nodes[i]`` is computed on line ``i + 3``.
    ``inner`` are the segments that it calls itself: loops and branches."""

    function: Callable[..., tuple[Any, ...]]
    nodes: Sequence[Node]
    inner: Sequence[Segment] = ()

    def node_of(self, error: BaseException) -> Node | None:
        """The node at which an exception was raised in the function, or in the innermost of its inner segments."""
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code is self.function.__code__:
                return self._node_at(trace)
            trace = trace.tb_next
        return None

    def _node_at(self, trace: TracebackType) -> Node | None:
        called = trace.tb_next
        for segment in self.inner if called is not None else ():
            if called is not None and called.tb_frame.f_code is segment.function.__code__:
                return segment._node_at(called)
        index = trace.tb_lineno - 3
        return self.nodes[index] if 0 <= index < len(self.nodes) else None
