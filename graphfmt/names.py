"""Syntax of names, and hints for unknown ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .errors import Status, TfgError

if TYPE_CHECKING:
    from collections.abc import Iterable

# Names with a leading underscore are reserved for nodes that the runtime adds.
NODE_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\-/]*")
INTERNAL_NODE_NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.\-/]*")
ATTR_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Returns the candidate most similar to a name; None if none is similar."""
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
    """Returns the hint for an unknown name, if a candidate is similar."""
    candidate = nearest(name, candidates)
    return f"did you mean {candidate!r}?" if candidate else None


class Hints:
    """Hints for many errors: only the first ``most`` get one, because the search for a similar name is slow."""

    def __init__(self, most: int = 20) -> None:
        self._left = most

    def did_you_mean(self, name: str, candidates: Iterable[str]) -> str | None:
        self._left -= 1
        return did_you_mean(name, candidates) if self._left >= 0 else None


def counted(count: int, noun: str) -> str:
    """Returns a count with its noun: ``1 node``, ``2 nodes``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def nothing_called(what: str, name: str, candidates: Iterable[str]) -> TfgError:
    """Returns the NOT_FOUND error for a name in a graph, with the most similar name as a hint."""
    return TfgError(
        Status.NOT_FOUND, f"the graph has no {what} called {name!r}", hint=did_you_mean(name, candidates)
    )
