"""The text a graph was read from, kept to say at which line and column something stands.

Only a node's offset is remembered while reading. Where its third input or an attribute stands is found by
reading that one node again, when an error asks.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from ..errors import Location


@dataclass(frozen=True)
class SourceText:
    """A file's name and text. ``offset``s count characters."""

    name: str
    text: str

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *accumulate(len(line) + 1 for line in self.text.split("\n"))]

    def position(self, offset: int) -> Location:
        """Line and column of a character."""
        line = bisect_right(self._line_starts, offset)
        return Location(self.name, line, offset - self._line_starts[line - 1] + 1)

    def locate(self, offset: int, *, input: int | None = None, attr: str | None = None) -> Location:
        """Where the node at ``offset`` begins, or its given input or attribute."""
        if input is None and attr is None:
            return self.position(offset)
        from .reader import find_in_node

        return self.position(find_in_node(self.text, offset, input=input, attr=attr))
