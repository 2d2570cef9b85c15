"""Durations and sizes as people write and read them."""

from __future__ import annotations

import math
import re

from .errors import invalid

_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(s|min|m|h|d)")

# Unit, its seconds, and the least duration that is shown in it.
_SHOWN_UNITS = (
    ("h", 3600.0, 7200.0),
    ("min", 60.0, 120.0),
    ("s", 1.0, 1.0),
    ("ms", 1e-3, 1e-3),
    ("µs", 1e-6, 1e-6),
)


def parse_duration(text: str, expected: str = "a time is written as 30s, 5m, 2h or 1d") -> float:
    """Returns the seconds in ``30s``, ``5m``, ``2h`` or ``1d``.

    Raises INVALID_ARGUMENT, with ``expected`` as the rule in the message, for any other text.
    """
    match = _DURATION.fullmatch(text)
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not 0 < seconds < math.inf:
        raise invalid(f"{expected}, not {text!r}")
    return seconds


def human_seconds(seconds: float) -> str:
    """Returns a duration with three digits and a unit: ``1.25 ms``, ``41 s``, ``24 h``."""
    for unit, scale, least in _SHOWN_UNITS:
        if seconds >= least:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.0f} ns" if seconds else "0 s"


def human_bytes(count: int | None) -> str:
    """Returns a size with one decimal and a unit: ``3.4 MB``; a question mark for None."""
    if count is None:
        return "?"
    if count < 1000:
        return f"{count} B"
    power = min(int(math.log(count, 1000)), 4)
    return f"{count / 1000**power:.1f} {'kMGT'[power - 1]}B"
