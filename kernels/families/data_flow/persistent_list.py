"""Immutable lists whose versions share memory, so that a loop that changes one element after another takes
as long, and as much memory, as one that changes a Python list in place."""

from __future__ import annotations

from threading import Lock
from typing import Any, cast
from weakref import ref

# Held while a version is looked into or made. That takes no time to speak of, so that one lock will do.
_LOCK = Lock()

# An older version with more versions between itself and the newest is not read through them.
_FAR = 64
_COMPACT = 64


class PersistentList:
    """One version of a list. A version is never seen to change.

    All versions on one line share a Python list, which holds the newest one; of each older version that is
    still alive there is what must be undone to have it back. When an older version is changed, it goes on
    as the newest if nobody holds a newer one, and gets a copy otherwise.
    """

    __slots__ = ("__weakref__", "_line", "_place", "length")

    def __init__(self, items: list[Any]) -> None:
        """Takes ``items`` over; nobody else may change it."""
        self.length = len(items)
        self._line = _VersionChain(items, ref(self))
        self._place = 0

    def items(self) -> list[Any]:
        """The elements, for the caller to keep."""
        with _LOCK:
            line = self._line
            return line.state(self._place - line.base)

    def get(self, index: int) -> Any:
        """The element at an index from 0 to below ``length``."""
        with _LOCK:
            line = self._line
            place = self._place - line.base
            if len(line.old) - place > _FAR:
                return self._own().items[index]
            for old in line.old[place:]:
                if index in old.undo:
                    return old.undo[index]
            return line.items[index]

    def _push(self, made: PersistentList, item: Any) -> None:
        """Makes ``made``, which has no state yet, this list with one more element."""
        with _LOCK:
            items = self._own().items
            items.append(item)
            self._give_way(made, {}, self.length + 1)

    def _pop(self, made: PersistentList) -> None:
        """Makes ``made`` this list without its last element."""
        with _LOCK:
            items = self._own().items
            last = items.pop()
            self._give_way(made, {len(items): last}, len(items))

    def _set(self, made: PersistentList, index: int, item: Any) -> None:
        """Makes ``made`` this list with another element at an index."""
        with _LOCK:
            items = self._own().items
            undo = {index: items[index]}
            items[index] = item
            self._give_way(made, undo, self.length)

    def _give_way(self, made: PersistentList, undo: dict[int, Any], length: int) -> None:
        """Becomes an older version; the line holds ``made`` already."""
        line = self._line
        line.forget_dead()
        self._place = line.base + len(line.old)
        line.old.append(_OldVersion(line.newest, self.length, undo))
        made.length = length
        made._line, made._place = line, self._place + 1
        line.newest = ref(made)
        if len(line.old) > line.limit:
            line.compact()
            made._place = line.base + len(line.old)

    def _own(self) -> _VersionChain:
        """The line with this version as its newest; the lock must be held."""
        line = self._line
        place = self._place - line.base
        if place == len(line.old):
            return line
        if line.newest() is None and all(old.version() is None for old in line.old[place + 1 :]):
            while len(line.old) > place:
                line.old.pop().restore(line.items)
            line.newest = cast("ref[PersistentList]", ref(self))
            return line
        split = self._line = _VersionChain(line.state(place), ref(self), line.old[:place], line.base)
        for old in split.old:
            version = old.version()
            if version is not None:
                version._line = split
        line.old = line.old[place + 1 :]
        line.base += place + 1
        return split


class _OldVersion:
    """What makes an older version of the next newer one: its length, and the elements that differ."""

    __slots__ = ("length", "undo", "version")

    def __init__(self, version: ref[PersistentList], length: int, undo: dict[int, Any]) -> None:
        self.version = version
        self.length = length
        self.undo = undo

    def restore(self, items: list[Any]) -> None:
        """Turns the next newer version's elements into this one's."""
        if len(items) > self.length:
            del items[self.length :]
        else:
            items.extend([None] * (self.length - len(items)))
        for index, item in self.undo.items():
            items[index] = item

    def absorb(self, newer: _OldVersion) -> None:
        """Takes over what the next newer version would have undone."""
        for index, item in newer.undo.items():
            if index < self.length:
                self.undo.setdefault(index, item)


class _VersionChain:
    """Versions one after another; ``old[i]`` is the one at place ``base + i``."""

    __slots__ = ("base", "items", "limit", "newest", "old")

    def __init__(
        self,
        items: list[Any],
        newest: ref[PersistentList],
        old: list[_OldVersion] | None = None,
        base: int = 0,
    ) -> None:
        self.items = items
        self.newest = newest
        self.old: list[_OldVersion] = old or []
        self.base = base
        self.limit = max(_COMPACT, 2 * len(self.old))

    def state(self, place: int) -> list[Any]:
        """A copy of the elements of a version."""
        items = list(self.items)
        for old in reversed(self.old[place:]):
            old.restore(items)
        return items

    def forget_dead(self) -> None:
        """Forgets the latest of the older versions, as far as nobody holds them."""
        old = self.old
        while old and old[-1].version() is None:
            dead = old.pop()
            if old:
                old[-1].absorb(dead)

    def compact(self) -> None:
        """Forgets all older versions that nobody holds."""
        alive: list[_OldVersion] = []
        for old in self.old:
            version = old.version()
            if version is not None:
                version._place = self.base + len(alive)  # pyright: ignore[reportPrivateUsage]
                alive.append(old)
            elif alive:
                alive[-1].absorb(old)
        self.old = alive
        self.limit = max(_COMPACT, 2 * len(alive))
