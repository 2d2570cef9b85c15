"""What devices did in traced steps: what each node took of its device's time, and what waiting was for others.

A device's time between two of its nodes goes to the one that follows: there the executor looked for it, took what
was received, and made it ready. So does what it takes to send and to receive. What remains is the device's waiting
for what was not yet sent, and, from then on, the time until it had it: the hand-over, in which a thread wakes up.
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
    """A step's start, in nanoseconds of the process's clock; the seconds from there to the end of its last node, and
    of each node; and those of every hand-over that a device waited for."""

    start: int
    seconds: float
    costs: Mapping[str, float]
    hand_overs: Sequence[float]


class Measurements(NamedTuple):
    """What typical steps took; means, which unlike medians add up: ``seconds`` is a whole step, ``costs`` are the
    nodes, ``hand_over`` is a hand-over from one device to another that waited for it, None where none did."""

    seconds: float
    costs: Mapping[str, float]
    hand_over: float | None


def summarize_steps(steps: Sequence[ObservedStep]) -> Measurements:
    """Sums steps up, of which there is at least one. The cost of a node that none of the typical ones ran (of an
    initialiser, say) is better known from another than not at all."""
    chosen = _typical(steps)
    hand_overs = [seconds for step in chosen for seconds in step.hand_overs]
    return Measurements(
        fmean(step.seconds for step in chosen),
        _mean_costs(steps) | _mean_costs(chosen),
        fmean(hand_overs) if hand_overs else None,
    )


def _typical(steps: Sequence[ObservedStep]) -> list[ObservedStep]:
    """The middle half of the steps by what they took. The first is left out where there are others, because it
    pays for what the later ones find ready; long ones shared the computer with something else."""
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
    """A machine whose devices take so long to hand a tensor over, where nobody has said how long they do: between
    the CPU devices of a machine that was given by counts."""
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
    """The steps of a trace, in their order."""
    steps: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        steps[event.step].append(event)
    return [_Observer(steps[number]).step() for number in sorted(steps)]


class _Observer:
    """``sent`` is when each transfer had been sent."""

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
    """Whether an operation may have waited for something else than its inputs."""
    found = registry.find(op)
    return found is not None and found.asynchronous
