"""Durations and sizes as people write and read them."""

from __future__ import annotations

import math
import re

from .errors import invalid

_SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(us|µs|ms|s|min|m|h|d)")

# Unit, its seconds, and the least duration that is shown in it.
_SHOWN_UNITS = (
    ("h", 3600.0, 7200.0),
    ("min", 60.0, 120.0),
    ("s", 1.0, 1.0),
    ("ms", 1e-3, 1e-3),
    ("µs", 1e-6, 1e-6),
)


def parse_duration(text: str, expected: str = "a time is written as 30s, 5m, 2h or 1d") -> float:
    """Returns the seconds in ``30s``, ``5m``, ``2h`` or ``1d``, or in ``20ms`` or ``70us``.

    Raises INVALID_ARGUMENT, with ``expected`` as the rule in the message, for any other text.
    """
    match = _DURATION.fullmatch(text)
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not 0 < seconds < math.inf:
        raise invalid(f"{expected}, not {text!r}")
    return seconds


_BYTES = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*([kmgt]i?b|b|)", re.IGNORECASE)
# Bytes by unit, in lower case.
SIZE_UNITS = {"": 1, "b": 1} | {
    f"{prefix}{kind}": base**power
    for power, prefix in enumerate("kmgt", 1)
    for kind, base in (("b", 1000), ("ib", 1024))
}


def parse_bytes(text: str) -> int:
    """Returns the bytes in ``2GiB``, ``512 MB`` or ``1048576``. Raises INVALID_ARGUMENT for other texts and for 0."""
    match = _BYTES.fullmatch(text.strip())
    size = int(float(match[1]) * SIZE_UNITS[match[2].lower()]) if match else 0
    if not size:
        raise invalid(f"a size is written as 2GiB, 512MB or a number of bytes, not {text!r}")
    return size


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
