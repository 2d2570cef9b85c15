"""What operations took: the costs that ``tfg run --trace`` recorded."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from ...graphfmt.errors import Location, TfgError, invalid
from ...graphfmt.files import read_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# No call takes a year; what says so (or is not a number) is no time. Microseconds.
LONGEST = 3e13


class Measured(Protocol):
    """What a step took, and what each node took in it; seconds."""

    @property
    def seconds(self) -> float: ...
    @property
    def costs(self) -> Mapping[str, float]: ...


class MeasuredStep(NamedTuple):
    """As a trace's file has it."""

    seconds: float
    costs: Mapping[str, float]


M = TypeVar("M", bound=Measured)


def typical(steps: Sequence[M]) -> list[M]:
    """The middle half of the steps by what they took. The first is left out where there are others, because it
    pays for what the later ones find ready; long ones shared the machine with something else."""
    ordered = sorted(steps[1:] or steps, key=lambda step: step.seconds)
    cut = len(ordered) // 4
    return ordered[cut : len(ordered) - cut]


def mean_costs(steps: Sequence[Measured]) -> dict[str, float]:
    """Seconds per node. Means, unlike medians, add up to what the steps took. A node that none of the typical steps
    ran (an initialiser) is better known from another than not at all."""
    found: dict[str, float] = {}
    for some in (typical(steps), steps):
        calls: dict[str, list[float]] = defaultdict(list)
        for step in some:
            for node, seconds in step.costs.items():
                calls[node].append(seconds)
        found = {node: statistics.fmean(seconds) for node, seconds in calls.items()} | found
    return found


def read_costs(path: str) -> dict[str, float]:
    """Seconds per node of a trace in Chrome's format: what all calls of a node took in a step (in a loop there
    are several), the mean of the typical steps.

    Raises INVALID_ARGUMENT for what is not such a trace; NOT_FOUND and its like for what cannot be read.
    """
    document = _parsed(path)
    events = document.get("traceEvents") if isinstance(document, dict) else document
    if not isinstance(events, list):
        raise _refused(path, "has no list of traceEvents")
    steps: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for event in events:
        if isinstance(event, dict) and event.get("ph") == "X":
            step, node, seconds = _call(path, event)
            if node:
                steps[step][node] += seconds
    if not steps:
        raise _refused(path, "has no events of operations")
    return mean_costs([MeasuredStep(sum(steps[step].values()), steps[step]) for step in sorted(steps)])


def _parsed(path: str) -> Any:
    try:
        return json.loads(read_file(path)[0])
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"is not JSON: {error}") from None


def _call(path: str, event: dict[str, Any]) -> tuple[int, str, float]:
    """The step, the node and the seconds of an event; no node for events that are none of an operation."""
    args = event.get("args")
    step = args.get("step") if isinstance(args, dict) else None
    name, duration = event.get("name"), event.get("dur")
    if not isinstance(step, int) or not isinstance(args, dict) or "op" not in args:
        return 0, "", 0.0
    if not isinstance(name, str) or not isinstance(duration, int | float) or not 0 <= duration < LONGEST:
        raise _refused(path, f"has an event {name!r} that took {duration!r} microseconds")
    return step, name, duration / 1e6


def _refused(path: str, why: str) -> TfgError:
    error = invalid(f"the trace of costs {why}", hint="tfg run --trace OUT.json writes such a file")
    error.location = Location(path)
    return error
