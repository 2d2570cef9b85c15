"""Measured costs of nodes, from a trace written by ``tfg run --trace``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .....graphfmt.errors import Location, TfgError, invalid
from .....graphfmt.files import read_file
from ....execution.trace import Event
from .observed_steps import observe_steps, summarize_steps

if TYPE_CHECKING:
    from typing import TypeGuard

    from .observed_steps import Measurements

# Microseconds; a longer duration, or one that is not a number, is invalid.
LONGEST = 3e13


def read_measurements(path: str) -> Measurements:
    """Reads the costs of steps and nodes from a trace in Chrome's format; calls of a node in a loop are summed.

    Raises INVALID_ARGUMENT for any other file, NOT_FOUND and similar for one that cannot be read.
    """
    document = _parsed(path)
    written = document.get("traceEvents") if isinstance(document, dict) else document
    if not isinstance(written, list):
        raise _refused(path, "has no list of traceEvents")
    complete = [event for event in written if isinstance(event, dict) and event.get("ph") == "X"]
    events = [event for event in (_event(path, one) for one in complete) if event is not None]
    if not events:
        raise _refused(path, "has no events of operations")
    return summarize_steps(observe_steps(events))


def _parsed(path: str) -> Any:
    try:
        return json.loads(read_file(path)[0])
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"is not JSON: {error}") from None


def _event(path: str, written: dict[str, Any]) -> Event | None:
    """Returns the event of an operation in a measured step, or None for other events."""
    args = written.get("args")
    if not isinstance(args, dict) or not isinstance(args.get("step"), int) or "op" not in args:
        return None
    name, duration, start = written.get("name"), written.get("dur"), written.get("ts", 0)
    if not isinstance(name, str) or not _is_time(duration):
        raise _refused(path, f"has an event {name!r} that took {duration!r} microseconds")
    if not _is_time(start):
        raise _refused(path, f"has an event {name!r} that began at {start!r} microseconds")
    op, transfer, source = (str(args.get(key, "")) for key in ("op", "transfer", "source"))
    begun = round(1000 * start)
    end = begun + round(1000 * duration)
    return Event(args["step"], name, op, begun, end, str(written.get("tid")), transfer, source)


def _is_time(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and 0 <= value < LONGEST


def _refused(path: str, why: str) -> TfgError:
    error = invalid(f"the trace of costs {why}", hint="tfg run --trace OUT.json writes such a file")
    error.location = Location(path)
    return error
