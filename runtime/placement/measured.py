"""What operations took: the costs that ``tfg run --trace`` recorded."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from ...graphfmt.errors import Location, TfgError, invalid
from ...graphfmt.files import read_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# No call takes a year; what says so (or is not a number) is no time. Microseconds.
LONGEST = 3e13


def read_costs(path: str) -> dict[str, float]:
    """Seconds per node of a trace in Chrome's format: what all calls of a node took in a step (in a loop there
    are several), the median of the steps. The first step is left out where there are others, because it pays
    for what the later ones find ready.

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
    return _medians([steps[step] for step in sorted(steps)])


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


def _medians(steps: Sequence[Mapping[str, float]]) -> dict[str, float]:
    counted = steps[1:] or steps
    found: dict[str, list[float]] = defaultdict(list)
    for step in counted:
        for node, seconds in step.items():
            found[node].append(seconds)
    # What ran in the first step alone (an initialiser) is better known from there than not at all.
    for node, seconds in steps[0].items():
        found.setdefault(node, [seconds])
    return {node: statistics.median(seconds) for node, seconds in found.items()}


def _refused(path: str, why: str) -> TfgError:
    error = invalid(f"the trace of costs {why}", hint="tfg run --trace OUT.json writes such a file")
    error.location = Location(path)
    return error
