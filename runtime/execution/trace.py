"""The times of a traced step: per node for Chrome's and Perfetto's viewers, and in total per operation."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...kernels.core.op_sets import RECVS, SENDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...graphfmt.graph import Node
    from .step import NodeRecord, Step


@dataclass(frozen=True, slots=True)
class Event:
    """One node of one step; times in nanoseconds. ``device`` is empty where a step ran on one device.

    ``transfer`` is the same for a send and its receive, and empty for other nodes; ``source`` is the node whose value
    they carry, if the partition has left its name. The time that an asynchronous node waits does not count, only that
    after its value has arrived.
    """

    step: int
    node: str
    op: str
    start: int
    end: int
    device: str = ""
    transfer: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """The total time of all nodes of an operation, in nanoseconds."""

    op: str
    calls: int
    total: int


@dataclass
class StepTrace:
    """Collects steps; ``observe`` is a session's observer."""

    events: list[Event] = field(default_factory=list[Event])

    def observe(self, plan: object, step: Step) -> None:
        for part in (step, *step.parts):
            self.events += [_event(step.step_id, part.device, record) for record in part.records]

    @property
    def origin(self) -> int:
        """The start of the first event."""
        return min(event.start for event in self.events)

    def chrome(self) -> dict[str, Any]:
        """The trace in Chrome's format: one complete event per node, microseconds; a track for each device, and
        an arrow from every send to its receive."""
        if not self.events:
            return {"traceEvents": []}
        origin = self.origin
        tracks = {device: n for n, device in enumerate(sorted({e.device for e in self.events}), 1)}
        named = [_track(name, number) for name, number in tracks.items() if name]
        nodes = [_complete(event, tracks[event.device], origin) for event in self.events]
        return {"displayTimeUnit": "ms", "traceEvents": [*named, *nodes, *self._arrows(tracks, origin)]}

    def _arrows(self, tracks: dict[str, int], origin: int) -> Iterator[dict[str, Any]]:
        ends: dict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            if event.transfer:
                ends[event.transfer].append(event)
        for number, (_, pair) in enumerate(ends.items(), 1):
            if len(pair) == 2:
                send, receive = sorted(pair, key=lambda event: event.op in RECVS)
                arrow = {"name": "transfer", "cat": "transfer", "id": number, "pid": 1}
                left = {"ph": "s", "tid": tracks[send.device], "ts": (send.start - origin) / 1000}
                came = {
                    "ph": "f",
                    "bp": "e",
                    "tid": tracks[receive.device],
                    "ts": (receive.start - origin) / 1000,
                }
                yield {**arrow, **left}
                yield {**arrow, **came}

    def costs(self) -> list[Cost]:
        """The costs per operation, the highest first."""
        calls: dict[str, int] = defaultdict(int)
        total: dict[str, int] = defaultdict(int)
        for event in self.events:
            calls[event.op] += 1
            total[event.op] += event.end - event.start
        return sorted((Cost(op, calls[op], total[op]) for op in calls), key=lambda cost: -cost.total)


def _event(step: int, device: str, record: NodeRecord) -> Event:
    node = record.node
    if node.op not in SENDS | RECVS:
        return Event(step, node.name, node.op, record.start, record.end, device)
    transfer = _transfer(node, f"{step};{record.iteration}")
    return Event(step, node.name, node.op, record.start, record.end, device, transfer, _source(node))


def _transfer(node: Node, when: str) -> str:
    return f"{node.attrs.get('send_device')};{node.attrs.get('recv_device')};{node.attrs.get('tensor_name')};{when}"


def _source(node: Node) -> str:
    source = node.attrs.get("_src")
    return source.decode("utf-8", "replace") if isinstance(source, bytes) else ""


def _track(device: str, number: int) -> dict[str, Any]:
    return {"name": "thread_name", "ph": "M", "pid": 1, "tid": number, "args": {"name": device}}


def _complete(event: Event, track: int, origin: int) -> dict[str, Any]:
    return {
        "name": event.node,
        "cat": event.op,
        "ph": "X",
        "pid": 1,
        "tid": track,
        "ts": (event.start - origin) / 1000,
        "dur": (event.end - event.start) / 1000,
        "args": {"op": event.op, "step": event.step, **_exchanged(event)},
    }


def _exchanged(event: Event) -> dict[str, Any]:
    return {"transfer": event.transfer, "source": event.source} if event.transfer else {}
