"""Analysis of traced steps: device time per node, and waits for other devices.

A device's time between two of its nodes is attributed to the second: the executor spends it finding the node,
collecting received values and preparing the call. So is the time of sends and receives. The remainder is
waiting for tensors that have not been sent yet, and the hand-over from the send until the waiting thread has
woken up.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from .....kernels.core import registry
from .....kernels.core.op_sets import RECVS, SENDS
from ..machine.machine import parse_devices

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ....execution.trace import Event
    from ..machine.machine import Machine


class ObservedStep(NamedTuple):
    """A traced step: its start in nanoseconds of the process's clock, seconds until the end of its last node,
    seconds of each node, and seconds of every hand-over that a device waited for."""

    start: int
    seconds: float
    costs: Mapping[str, float]
    hand_overs: Sequence[float]


class Measurements(NamedTuple):
    """Means over typical steps (means add up, unlike medians): seconds of a step, costs of nodes, and the
    hand-over between devices that waited for one, None if none did."""

    seconds: float
    costs: Mapping[str, float]
    hand_over: float | None


def summarize_steps(steps: Sequence[ObservedStep]) -> Measurements:
    """Summarizes at least one step. Nodes that no typical step ran (of an initializer, for example) take their
    cost from the other steps."""
    chosen = _typical(steps)
    hand_overs = [seconds for step in chosen for seconds in step.hand_overs]
    return Measurements(
        fmean(step.seconds for step in chosen),
        _mean_costs(steps) | _mean_costs(chosen),
        fmean(hand_overs) if hand_overs else None,
    )


def _typical(steps: Sequence[ObservedStep]) -> list[ObservedStep]:
    """Returns the middle half of the steps by duration.

    The first step is left out if there are others, because it includes one-time costs; long ones shared the
    computer.
    """
    ordered = sorted(steps[1:] or steps, key=lambda step: step.seconds)
    cut = len(ordered) // 4
    return ordered[cut : len(ordered) - cut]


def _mean_costs(steps: Sequence[ObservedStep]) -> dict[str, float]:
    calls: dict[str, list[float]] = defaultdict(list)
    for step in steps:
        for node, seconds in step.costs.items():
            calls[node].append(seconds)
    return {node: fmean(seconds) for node, seconds in calls.items()}


def with_hand_over(machine: Machine, seconds: float | None) -> Machine:
    """Returns the machine with the measured hand-over as latency, wherever a link still has its default figures."""
    if seconds is None:
        return machine
    links = tuple(
        replace(link, latency=seconds)
        if (link.bandwidth, link.latency) == (_ASSUMED.bandwidth, _ASSUMED.latency)
        else link
        for link in machine.links
    )
    return replace(machine, links=links)


(_ASSUMED, _) = parse_devices("cpu:2").links


def observe_steps(events: Iterable[Event]) -> list[ObservedStep]:
    """Returns the steps of a trace, in order."""
    steps: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        steps[event.step].append(event)
    return [_Observer(steps[number]).step() for number in sorted(steps)]


class _Observer:
    """Analysis of one step; ``sent`` is the time when each transfer was sent."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = sorted(events, key=lambda event: (event.start, event.end))
        self.start = self.events[0].start
        self.sent = {event.transfer: event.end for event in events if event.op in SENDS}
        self.costs: dict[str, int] = defaultdict(int)
        self.hand_overs: list[int] = []

    def step(self) -> ObservedStep:
        devices: dict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            devices[event.device].append(event)
        for own in devices.values():
            self._device(own)
        end = max(event.end for event in self.events)
        costs = {node: spent / 1e9 for node, spent in self.costs.items()}
        return ObservedStep(
            self.start, (end - self.start) / 1e9, costs, [spent / 1e9 for spent in self.hand_overs]
        )

    def _device(self, events: Sequence[Event]) -> None:
        until, spent = self.start, 0
        for event in events:
            sent = self.sent.get(event.transfer, until) if event.op in RECVS else until
            if sent > until:
                self.hand_overs.append(max(0, event.start - sent))
            elif event.op in RECVS or not _waits(event.op):
                spent += max(0, event.start - until)
            spent += event.end - event.start
            until = event.end
            if event.op not in RECVS:
                self.costs[event.source if event.op in SENDS and event.source else event.node] += spent
                spent = 0


def _waits(op: str) -> bool:
    """Returns True if an operation may wait for more than its inputs."""
    operation = registry.find(op)
    return operation is not None and operation.asynchronous
