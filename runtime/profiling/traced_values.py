"""The fetches of a traced step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt import dtypes
from ...graphfmt.shapes import Shape
from .html_table import html_table
from .trace_records import trace_html

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..execution.trace import StepTrace

# Values with more elements are abbreviated.
_MOST_SHOWN = 8


class TracedValues(list[Any]):
    """The fetched arrays in order, as ``Session.run`` returns them, with the trace of the step.

    Attributes:
        names: the fetches.
        trace: when each node ran, and what it read and computed.
    """

    def __init__(self, names: Sequence[str], values: Iterable[Any], trace: StepTrace) -> None:
        super().__init__(values)
        self.names = tuple(names)
        self.trace = trace

    def records(self) -> list[dict[str, Any]]:
        """Returns a dictionary per fetch: name, dtype, shape, value. ``pandas.DataFrame`` takes them."""
        return [
            {
                "name": name,
                "dtype": dtypes.of_numpy(value.dtype).name,
                "shape": value.shape,
                "value": value.item() if value.ndim == 0 else value,
            }
            for name, value in zip(self.names, self)
        ]

    def _repr_html_(self) -> str:
        rows = [
            (one["name"], f"{one['dtype']}{Shape(one['shape'])}", _shown(value))
            for one, value in zip(self.records(), self)
        ]
        return html_table(("fetch", "type", "value"), rows) + trace_html(self.trace.events)


def _shown(value: Any) -> str:
    return np.array2string(value, threshold=_MOST_SHOWN, edgeitems=2, precision=4, max_line_width=120)
