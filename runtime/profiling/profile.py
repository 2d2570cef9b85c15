"""Profiles of traced steps: time, work and memory per operation, per node and per name scope."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from ...kernels.core import registry
from ..passes.placement.costs.flops import flops

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..execution.trace import Event

# The scope of nodes that are in none.
ROOT_SCOPE = "/"


class ProfileEntry(NamedTuple):
    """The nodes of an operation, a node, or the nodes of a scope, over all traced steps.

    ``nanoseconds``, ``flops`` and ``bytes`` are totals; floating-point operations are estimated from shapes, and bytes
    are those of the tensors read and computed. ``memory`` is the most that the results of one call took.
    """

    name: str
    calls: int
    nanoseconds: int
    flops: float
    bytes: int
    memory: int

    @property
    def flop_rate(self) -> float:
        """Floating-point operations per second."""
        return 1e9 * self.flops / max(self.nanoseconds, 1)

    @property
    def byte_rate(self) -> float:
        """Bytes read and computed per second."""
        return 1e9 * self.bytes / max(self.nanoseconds, 1)


class Profile(NamedTuple):
    """Entries, the slowest first; ``peak`` is the most bytes of arrays that a step held at once."""

    operations: Sequence[ProfileEntry]
    nodes: Sequence[ProfileEntry]
    scopes: Sequence[ProfileEntry]
    nanoseconds: int
    peak: int
    node_ops: Mapping[str, str]


def profile(events: Sequence[Event]) -> Profile:
    """Returns the profile of traced steps. The entry of a scope includes the scopes inside of it."""
    work = [event_flops(event) for event in events]
    return Profile(
        _entries(events, work, lambda event: (event.op,)),
        _entries(events, work, lambda event: (event.node,)),
        _entries(events, work, lambda event: scopes(event.node)),
        sum(event.end - event.start for event in events),
        max((event.held for event in events), default=0),
        {event.node: event.op for event in events},
    )


def scopes(name: str) -> Sequence[str]:
    """Returns the name scopes that a node is in, the outermost first."""
    parts = name.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))] or [ROOT_SCOPE]


def event_flops(event: Event) -> float:
    """Estimates the floating-point operations of a traced node; 0 where its tensors are not known."""
    op = registry.find(event.op)
    if event.definition is None or event.bytes == 0 or (op is not None and op.is_free):
        return 0.0
    read, written = ([t.shape for t in tensors] for tensors in (event.inputs, event.outputs))
    return flops(event.definition, read, written)


def _entries(
    events: Sequence[Event], work: Sequence[float], names: Callable[[Event], Iterable[str]]
) -> Sequence[ProfileEntry]:
    groups: dict[str, list[int]] = defaultdict(list)
    for number, event in enumerate(events):
        for name in names(event):
            groups[name].append(number)
    entries = [
        ProfileEntry(
            name,
            len(numbers),
            sum(events[n].end - events[n].start for n in numbers),
            sum(work[n] for n in numbers),
            sum(events[n].bytes for n in numbers),
            max(sum(tensor.bytes for tensor in events[n].outputs) for n in numbers),
        )
        for name, numbers in groups.items()
    ]
    return sorted(entries, key=lambda entry: -entry.nanoseconds)
