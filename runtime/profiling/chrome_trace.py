"""Traced steps in Chrome's format, which Perfetto reads: tracks of steps and nodes, counters, and arrows of
transfers."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from ...kernels.core.op_sets import RECVS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..execution.trace import Event, StepTrace

_PROCESS = 1


class _StepSpan(NamedTuple):
    """The time of a step, and its lane: steps that run at the same time are in different lanes."""

    step: int
    start: int
    end: int
    lane: int


def chrome_trace(trace: StepTrace, title: str = "tfg") -> dict[str, Any]:
    """Returns the trace in Chrome's format, times in microseconds: a slice for each step and each node, counters of
    memory held and of elements in queues, and an arrow from every send to its receive."""
    if not trace.events:
        return {"traceEvents": []}
    return {"displayTimeUnit": "ms", "traceEvents": list(_ChromeEvents(trace, title))}


class _ChromeEvents:
    def __init__(self, trace: StepTrace, title: str) -> None:
        self._trace = trace
        self._title = title
        self._origin = trace.origin
        self._steps = _spans(trace.events)
        lanes = max(span.lane for span in self._steps.values()) + 1
        places = sorted({(e.device, self._steps[e.step].lane) for e in trace.events})
        # Nodes have the first tracks of the process, steps the ones behind them.
        self._tracks = {place: number for number, place in enumerate(places, 1)}
        self._step_tracks = [len(places) + 1 + lane for lane in range(lanes)]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from self._names()
        for span in self._steps.values():
            yield self._span(f"step {span.step}", "step", span.start, span.end, self._step_tracks[span.lane])
        for event in self._trace.events:
            yield self._node(event)
        yield from self._counters()
        yield from self._arrows()

    def _names(self) -> Iterator[dict[str, Any]]:
        yield {"name": "process_name", "ph": "M", "pid": _PROCESS, "args": {"name": self._title}}
        for lane, track in enumerate(self._step_tracks):
            yield from _track("steps" + (f" {lane + 1}" if lane else ""), track, lane)
        for (device, lane), track in self._tracks.items():
            name = (device or "nodes") + (f" {lane + 1}" if lane else "")
            yield from _track(name, track, len(self._step_tracks) + track)

    def _node(self, event: Event) -> dict[str, Any]:
        written = self._span(event.node, event.op, event.start, event.end, self._track_of(event))
        written["args"] = {"op": event.op, "step": event.step, **_tensors(event), **_exchanged(event)}
        return written

    def _span(self, name: str, kind: str, start: int, end: int, track: int) -> dict[str, Any]:
        return {
            "name": name,
            "cat": kind,
            "ph": "X",
            "pid": _PROCESS,
            "tid": track,
            "ts": self._time(start),
            "dur": (end - start) / 1000,
            "args": {},
        }

    def _time(self, nanoseconds: int) -> float:
        return (nanoseconds - self._origin) / 1000

    def _track_of(self, event: Event) -> int:
        return self._tracks[event.device, self._steps[event.step].lane]

    def _counters(self) -> Iterator[dict[str, Any]]:
        """Bytes that the steps of a lane hold, and elements in queues."""
        last: dict[str, int] = {}
        for event in self._trace.events:
            lane = self._steps[event.step].lane
            name = "memory held" + (f" {lane + 1}" if lane else "")
            if last.get(name) != event.held:
                last[name] = event.held
                yield self._counter(name, event.end, "bytes", event.held)
        for sample in self._trace.queue_sizes:
            name = f"queue {sample.queue}"
            yield self._counter(name, max(sample.time, self._origin), "elements", sample.size)

    def _counter(self, name: str, time: int, unit: str, value: int) -> dict[str, Any]:
        return {"name": name, "ph": "C", "pid": _PROCESS, "ts": self._time(time), "args": {unit: value}}

    def _arrows(self) -> Iterator[dict[str, Any]]:
        ends: dict[str, list[Event]] = defaultdict(list)
        for event in self._trace.events:
            if event.transfer:
                ends[event.transfer].append(event)
        for number, pair in enumerate(ends.values(), 1):
            if len(pair) == 2:
                send, receive = sorted(pair, key=lambda event: event.op in RECVS)
                arrow = {"name": "transfer", "cat": "transfer", "id": number, "pid": _PROCESS}
                yield {**arrow, "ph": "s", "tid": self._track_of(send), "ts": self._time(send.start)}
                came = {"tid": self._track_of(receive), "ts": self._time(receive.start)}
                yield {**arrow, "ph": "f", "bp": "e", **came}


def _spans(events: Sequence[Event]) -> Mapping[int, _StepSpan]:
    """Returns the time and lane of every step."""
    times: dict[int, tuple[int, int]] = {}
    for event in events:
        start, end = times.get(event.step, (event.start, event.end))
        times[event.step] = min(start, event.start), max(end, event.end)
    spans: dict[int, _StepSpan] = {}
    until: list[int] = []
    for step, (start, end) in sorted(times.items(), key=lambda item: item[1]):
        lane = next((lane for lane, free in enumerate(until) if free <= start), len(until))
        until[lane : lane + 1] = [end]
        spans[step] = _StepSpan(step, start, end, lane)
    return spans


def _track(name: str, number: int, order: int) -> Iterator[dict[str, Any]]:
    event = {"ph": "M", "pid": _PROCESS, "tid": number}
    yield {"name": "thread_name", **event, "args": {"name": name}}
    yield {"name": "thread_sort_index", **event, "args": {"sort_index": order}}


def _tensors(event: Event) -> dict[str, Any]:
    if not event.inputs and not event.outputs:
        return {}
    described = {
        "inputs": [f"{t.dtype}{list(t.shape)}" for t in event.inputs],
        "outputs": [f"{t.dtype}{list(t.shape)}" for t in event.outputs],
    }
    return {"bytes": event.bytes, **described}


def _exchanged(event: Event) -> dict[str, Any]:
    return {"transfer": event.transfer, "source": event.source} if event.transfer else {}
