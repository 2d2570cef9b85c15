"""Fetched values, as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import numpy as np

from ...graphfmt import dtypes
from ...graphfmt.arrays import jsonable
from ...graphfmt.shapes import Shape
from . import console

if TYPE_CHECKING:
    from collections.abc import Sequence


# Arrays with more elements are abbreviated.
_MAX_PRINTED = 1000


def print_step(names: Sequence[str], values: Sequence[Any]) -> None:
    """Prints ``loss = 0.25`` for a scalar; dtype, shape and elements for an array."""
    for name, value in zip(names, values):
        if value.ndim == 0:
            click.echo(f"{name} = {_scalar(value)}")
        else:
            click.echo(f"{name} = {dtypes.of_numpy(value.dtype)}{Shape(value.shape)}")
            width = min(console.terminal_width() or 79, 79)
            formatter: Any = {"object": element_text}
            click.echo(
                np.array2string(value, threshold=_MAX_PRINTED, max_line_width=width, formatter=formatter)
            )


def _scalar(value: Any) -> str:
    return element_text(value[()])


def element_text(item: Any) -> str:
    """Returns an element as text: a string in quotes, its control characters and bytes that are not UTF-8 escaped."""
    if not isinstance(item, bytes):
        return str(item)
    text = item.replace(b"\\", b"\\\\").replace(b'"', b'\\"').decode("utf-8", "backslashreplace")
    return f'"{console.escaped(text)}"'


def print_step_json(step: int, names: Sequence[str], values: Sequence[Any]) -> None:
    """Prints a step as a JSON document: ``{"version", "step", "values": {name: {"dtype", "shape", "value"}}}``."""
    console.print_json({"step": step, "values": {name: _field(value) for name, value in zip(names, values)}})


def _field(value: Any) -> dict[str, Any]:
    return {
        "dtype": dtypes.of_numpy(value.dtype).name,
        "shape": list(value.shape),
        "value": jsonable(value),
    }
