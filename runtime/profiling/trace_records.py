"""Traces as records for pandas, and as HTML for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...graphfmt.units import human_bytes
from .html_table import html_table
from .profile import event_flops, profile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..execution.trace import Event

_MOST_ROWS = 15


def trace_records(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Returns a dictionary per node and call: times in seconds since the first event began, work, tensors."""
    origin = min((event.start for event in events), default=0)
    return [
        {
            "step": event.step,
            "node": event.node,
            "op": event.op,
            "device": event.device,
            "start": (event.start - origin) / 1e9,
            "seconds": (event.end - event.start) / 1e9,
            "flops": event_flops(event),
            "bytes": event.bytes,
            "held": event.held,
            "inputs": [f"{tensor.dtype}{list(tensor.shape)}" for tensor in event.inputs],
            "outputs": [f"{tensor.dtype}{list(tensor.shape)}" for tensor in event.outputs],
        }
        for event in events
    ]


def trace_html(events: Sequence[Event]) -> str:
    """Returns the profile by operation as a table."""
    found = profile(events)
    rows = [
        (
            entry.name,
            entry.calls,
            entry.nanoseconds / 1e6,
            f"{entry.nanoseconds / (found.nanoseconds or 1):.1%}",
            entry.flop_rate / 1e9,
            entry.byte_rate / 1e9,
            human_bytes(entry.memory),
        )
        for entry in found.operations[:_MOST_ROWS]
    ]
    header = ("operation", "calls", "ms", "share", "GFLOP/s", "GB/s", "memory")
    return html_table(header, rows, f"{len(events)} calls, {human_bytes(found.peak)} held at most")
