"""Values of options that have a unit: times, sizes, rates and shares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from ...graphfmt.errors import TfgError
from ...graphfmt.units import parse_bytes, parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable

_PERCENT = re.compile(r"(\d{1,6}(?:\.\d{1,9})?)\s*(%?)")


def parse_time(text: str) -> float:
    """Returns the seconds in ``20ms``, ``30s`` or ``0``. Raises INVALID_ARGUMENT for other texts."""
    return 0.0 if text == "0" else parse_duration(text, "a time is written as 20ms, 30s, 5m or 2h")


def _size(text: str) -> int:
    return 0 if text == "0" else parse_bytes(text)


def _rate(text: str) -> float:
    return float(parse_bytes(text.strip().removesuffix("/s")))


def parse_share(text: str) -> float:
    """Returns the number in ``3%`` or ``0.03``. Raises ValueError for other texts."""
    match = _PERCENT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"a share is written as 3% or 0.03, not {text!r}")
    return float(match[1]) / (100 if match[2] else 1)


def _callback(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    def convert(context: click.Context, option: click.Parameter, text: str | None) -> Any:
        if text is None:
            return None
        try:
            return parse(text)
        except (TfgError, ValueError) as error:
            reason = error.message if isinstance(error, TfgError) else str(error)
            raise click.BadParameter(reason, context, option) from None

    return convert


# Callbacks of options: seconds, bytes, bytes a second, and shares.
time = _callback(parse_time)
size = _callback(_size)
rate = _callback(_rate)
share = _callback(parse_share)
