"""Simulated steps in Chrome's trace format, alone or below the measured step."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .simulated_step import Simulation
    from .simulator import SimulatedTransfer

# Process ids in a trace.
MEASURED, SIMULATED = 1, 2


def timeline(simulation: Simulation, at: float = 0.0) -> list[dict[str, Any]]:
    """Returns the events of a process named "simulated": a track per device, and per link in use (several if
    transfers overlap), with an event for each operation and transfer of non-zero duration.

    The events have no ``step`` among their ``args``, which distinguishes them from measured ones in
    ``read_measurements``.

    Args:
        at: start of the step, in microseconds.
    """
    return list(_events(simulation, at))


def _events(simulation: Simulation, at: float) -> Iterator[dict[str, Any]]:
    schedule, formulation, names = simulation.schedule, simulation.formulation, simulation.machine.names
    yield process(SIMULATED, "simulated")
    devices = {device: number for number, device in enumerate(sorted(set(schedule.place)), 1)}
    lanes = _lanes(schedule.transfers)
    tracks = {lane: number for number, lane in enumerate(sorted(set(lanes)), len(devices) + 1)}
    for device, track in devices.items():
        yield _track(track, names[device])
    for (source, target, lane), track in tracks.items():
        yield _track(track, f"{names[source]} → {names[target]}" + (f" ({lane + 1})" if lane else ""))
    for op, node in enumerate(formulation.nodes):
        if schedule.finish[op] > schedule.start[op]:
            kind = simulation.graph.index[node].op
            when = _span(at, schedule.start[op], schedule.finish[op])
            yield {
                "name": node,
                "cat": kind,
                **when,
                "tid": devices[schedule.place[op]],
                "args": {"op": kind},
            }
    for t, lane in zip(schedule.transfers, lanes):
        args = {"bytes": formulation.problem.tensors[t.tensor].size}
        track = tracks[lane]
        when = _span(at, t.start, t.finish)
        yield {"name": formulation.endpoints[t.tensor], "cat": "transfer", **when, "tid": track, "args": args}


def _lanes(transfers: Sequence[SimulatedTransfer]) -> list[tuple[int, int, int]]:
    """Returns source, target and lane of each transfer; transfers in a lane do not overlap, since viewers would
    drop them."""
    until: dict[tuple[int, int], list[float]] = defaultdict(list)
    lane_of = [(0, 0, 0)] * len(transfers)
    for number, t in sorted(enumerate(transfers), key=lambda item: item[1].start):
        lanes = until[t.source, t.target]
        lane = next((i for i, end in enumerate(lanes) if end <= t.start), len(lanes))
        lanes[lane : lane + 1] = [t.finish]
        lane_of[number] = (t.source, t.target, lane)
    return lane_of


def process(number: int, name: str) -> dict[str, Any]:
    """Returns the event that names a process of a trace."""
    return {"name": "process_name", "ph": "M", "pid": number, "args": {"name": name}}


def _track(number: int, name: str) -> dict[str, Any]:
    return {"name": "thread_name", "ph": "M", "pid": SIMULATED, "tid": number, "args": {"name": name}}


def _span(at: float, start: float, finish: float) -> dict[str, Any]:
    return {"ph": "X", "pid": SIMULATED, "ts": at + start * 1e6, "dur": (finish - start) * 1e6}
