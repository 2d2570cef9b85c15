"""A persistent list (Baker: Shallow binding makes functional arrays fast. SIGPLAN Notices 26/8, 1991).

Lists are immutable, but the versions of one list share memory: a loop that replaces one element per iteration takes
the time and memory of a loop that changes a Python list in position.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, cast
from weakref import ref

# Held while a version is read or created. Both are short, so one lock for all lists is enough.
_LOCK = Lock()

# A version further than this from the newest is not read through the undo records in between, but copied.
_MAX_UNDO = 64
# A chain forgets its dead versions when it has this many older versions, or twice those that were alive before.
_COMPACT = 64


class PersistentList:
    """One version of a list; it never changes for its holder.

    The versions of a chain share a Python list, which has the elements of the newest. Every older version that
    is still referenced has an undo record that leads back from the next newer one. An update of an older
    version rewinds the chain if no newer version is referenced, and copies the elements otherwise.
    """

    __slots__ = ("__weakref__", "_chain", "_position", "length")

    def __init__(self, items: list[Any]) -> None:
        """Takes ownership of ``items``."""
        self.length = len(items)
        self._chain = _VersionChain(items, ref(self))
        self._position = 0

    def items(self) -> list[Any]:
        """Returns the elements in a new list."""
        with _LOCK:
            chain = self._chain
            return chain.elements(self._position - chain.base)

    def get(self, index: int) -> Any:
        """Returns the element at an index in [0, ``length``)."""
        with _LOCK:
            chain = self._chain
            position = self._position - chain.base
            if len(chain.old) - position > _MAX_UNDO:
                return self._as_newest().items[index]
            for old in chain.old[position:]:
                if index in old.undo:
                    return old.undo[index]
            return chain.items[index]

    def _push(self, successor: PersistentList, item: Any) -> None:
        """Initialises ``successor`` as this list with one more element."""
        with _LOCK:
            items = self._as_newest().items
            items.append(item)
            self._succeed_by(successor, {}, self.length + 1)

    def _pop(self, successor: PersistentList) -> None:
        """Initialises ``successor`` as this list without its last element."""
        with _LOCK:
            items = self._as_newest().items
            last = items.pop()
            self._succeed_by(successor, {len(items): last}, len(items))

    def _set(self, successor: PersistentList, index: int, item: Any) -> None:
        """Initialises ``successor`` as this list with another element at an index."""
        with _LOCK:
            items = self._as_newest().items
            undo = {index: items[index]}
            items[index] = item
            self._succeed_by(successor, undo, self.length)

    def _succeed_by(self, successor: PersistentList, undo: dict[int, Any], length: int) -> None:
        """Makes ``successor``, whose elements the chain has already, the newest version, and this one an
        older one."""
        chain = self._chain
        chain.forget_dead()
        self._position = chain.base + len(chain.old)
        chain.old.append(_OldVersion(chain.newest, self.length, undo))
        successor.length = length
        successor._chain, successor._position = chain, self._position + 1
        chain.newest = ref(successor)
        if len(chain.old) > chain.limit:
            chain.compact()
            successor._position = chain.base + len(chain.old)

    def _as_newest(self) -> _VersionChain:
        """Returns a chain with this version as its newest. The lock must be held."""
        chain = self._chain
        position = self._position - chain.base
        if position == len(chain.old):
            return chain
        if chain.newest() is None and all(old.version() is None for old in chain.old[position + 1 :]):
            while len(chain.old) > position:
                chain.old.pop().restore(chain.items)
            chain.newest = cast("ref[PersistentList]", ref(self))
            return chain
        split = self._chain = _VersionChain(
            chain.elements(position), ref(self), chain.old[:position], chain.base
        )
        for old in split.old:
            version = old.version()
            if version is not None:
                version._chain = split
        chain.old = chain.old[position + 1 :]
        chain.base += position + 1
        return split


class _OldVersion:
    """An undo record: the length of an older version, and its elements that differ from the next newer one."""

    __slots__ = ("length", "undo", "version")

    def __init__(self, version: ref[PersistentList], length: int, undo: dict[int, Any]) -> None:
        self.version = version
        self.length = length
        self.undo = undo

    def restore(self, items: list[Any]) -> None:
        """Changes the elements of the next newer version to those of this one."""
        if len(items) > self.length:
            del items[self.length :]
        else:
            items.extend([None] * (self.length - len(items)))
        for index, item in self.undo.items():
            items[index] = item

    def absorb(self, newer: _OldVersion) -> None:
        """Merges the undo record of the next newer version, which is dropped, into this one."""
        for index, item in newer.undo.items():
            if index < self.length:
                self.undo.setdefault(index, item)


class _VersionChain:
    """Consecutive versions and their shared elements; ``old[i]`` is the version at position ``base + i``."""

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

    def elements(self, position: int) -> list[Any]:
        """Returns a copy of the elements of the version ``old[position]``."""
        items = list(self.items)
        for old in reversed(self.old[position:]):
            old.restore(items)
        return items

    def forget_dead(self) -> None:
        """Drops the most recent of the older versions up to the first that is still referenced."""
        old = self.old
        while old and old[-1].version() is None:
            dead = old.pop()
            if old:
                old[-1].absorb(dead)

    def compact(self) -> None:
        """Drops all older versions that are no longer referenced."""
        alive: list[_OldVersion] = []
        for old in self.old:
            version = old.version()
            if version is not None:
                version._position = self.base + len(alive)  # pyright: ignore[reportPrivateUsage]
                alive.append(old)
            elif alive:
                alive[-1].absorb(old)
        self.old = alive
        self.limit = max(_COMPACT, 2 * len(alive))
