"""What devices did in traced steps: what each node took of its device's time, and what waiting was for others.

A device's time between two of its nodes goes to the one that follows: there the executor looked for it, took what
was received, and made it ready. So does what it takes to send and to receive. What remains is the device's waiting
for what was not yet sent, and, from then on, the time until it had it: the hand-over, in which a thread wakes up.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from ...kernels.kinds import RECVS, SENDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..trace import Event


class ObservedStep(NamedTuple):
    """A step's start, in nanoseconds of the process's clock; the seconds from there to the end of its last node, and
    of each node; and those of every hand-over that a device waited for."""

    start: int
    seconds: float
    costs: Mapping[str, float]
    hand_overs: Sequence[float]


def observed(events: Iterable[Event]) -> list[ObservedStep]:
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
            else:
                spent += max(0, event.start - until)
            spent += event.end - event.start
            until = event.end
            if event.op not in RECVS:
                self.costs[event.source if event.op in SENDS and event.source else event.node] += spent
                spent = 0
