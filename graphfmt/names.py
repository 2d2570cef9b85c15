"""Names of nodes, and what to say when there is none by that name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .errors import Status, TfgError

if TYPE_CHECKING:
    from collections.abc import Iterable

# Names that begin with an underscore are for operations the runtime itself adds.
NODE_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\-/]*")
INTERNAL_NODE_NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.\-/]*")
ATTR_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that is most like a name, or None if none is like it."""
    import difflib

    pool = list(candidates)
    if len(pool) > 20_000:
        head = name[:3].lower()
        pool = [c for c in pool if c[:3].lower() == head][:20_000]
    by_lower = {c.lower(): c for c in pool}
    if name.lower() in by_lower:
        return by_lower[name.lower()]
    close = difflib.get_close_matches(name, pool, n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str | None:
    """A hint for an error about a name nobody knows."""
    found = nearest(name, candidates)
    return f"did you mean {found!r}?" if found else None


class Hints:
    """Hints for many errors. Looking for what a name may have meant takes longer than all else, so a file
    full of unknown names gets hints for the first of them only."""

    def __init__(self, most: int = 20) -> None:
        self._left = most

    def did_you_mean(self, name: str, candidates: Iterable[str]) -> str | None:
        self._left -= 1
        return did_you_mean(name, candidates) if self._left >= 0 else None


def counted(count: int, noun: str) -> str:
    """``1 node``, ``2 nodes``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def nothing_called(what: str, name: str, candidates: Iterable[str]) -> TfgError:
    """A NOT_FOUND error with the nearest name as its hint."""
    return TfgError(
        Status.NOT_FOUND, f"the graph has no {what} called {name!r}", hint=did_you_mean(name, candidates)
    )
