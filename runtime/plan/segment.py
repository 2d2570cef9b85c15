"""A generated function together with the nodes that its lines compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType, TracebackType

    from ...graphfmt.graph import Node
    from ...kernels.core.failed_calls import FailedCall


class Segment(NamedTuple):
    """``function(ctx, *arguments)`` returns the fetched values; ``nodes[i]`` is computed on line ``i + 3`` from the
    values of the expressions ``arguments[i]``. ``inner`` are the segments that it calls itself: loops and branches."""

    function: Callable[..., tuple[Any, ...]]
    nodes: Sequence[Node]
    inner: Sequence[Segment] = ()
    arguments: Sequence[Sequence[str]] = ()

    def failed_call(self, error: BaseException) -> FailedCall | None:
        """The node at which an exception was raised in the function or in an inner segment, and its input values."""
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code is self.function.__code__:
                return self._call_at(trace)
            trace = trace.tb_next
        return None

    def _call_at(self, trace: TracebackType) -> FailedCall | None:
        called = trace.tb_next
        for segment in self.inner if called is not None else ():
            if called is not None and called.tb_frame.f_code is segment.function.__code__:
                return segment._call_at(called)
        index = trace.tb_lineno - 3
        if not 0 <= index < len(self.nodes):
            return None
        from ...kernels.core.failed_calls import FailedCall

        return FailedCall(self.nodes[index], _values(self.arguments[index], trace.tb_frame))


def _values(expressions: Sequence[str], frame: FrameType) -> Sequence[Any] | None:
    """The values of expressions in a frame of the function; None if they are gone."""
    try:
        return [eval(expression, frame.f_globals, frame.f_locals) for expression in expressions]
    except Exception:
        return None
