"""The text that a graph was read from, kept to locate errors by line and column.

The reader stores only the offset of each node. The location of an input or attribute is found by reading that node
again when an error needs it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from ..errors import Location


@dataclass(frozen=True)
class SourceText:
    """A file's name and text. Offsets count characters."""

    name: str
    text: str

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *accumulate(len(line) + 1 for line in self.text.split("\n"))]

    def position(self, offset: int) -> Location:
        """Returns the line and column of a character."""
        line = bisect_right(self._line_starts, offset)
        return Location(self.name, line, offset - self._line_starts[line - 1] + 1)

    def locate(self, offset: int, *, input: int | None = None, attr: str | None = None) -> Location:
        """Returns the location of the node at ``offset``, or of one of its inputs or attributes."""
        if input is None and attr is None:
            return self.position(offset)
        from .locations import find_in_node

        return self.position(find_in_node(self.text, offset, input=input, attr=attr))
