"""Staging areas as state machines without threads: a buffer in order, and maps by key (stage_op.cc and map_stage_op.cc
in TensorFlow). They are bounded by a number of elements and of bytes, 0 for no bound."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from .attempts import NOT_YET, Attempts
from .tuple_states import load_tuple, save_tuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....graphfmt.tensors import Array
    from ...core.context import Pending
    from .attempts import Done

# The components of an element, None for one that is not there (yet, or any more).
Parts = list[Any]


class StagingArea:
    """The common part: what is staged, its size in bytes, and the attempts that wait."""

    op = "StagingArea"

    def __init__(self, name: str, capacity: int, memory_limit: int) -> None:
        self.name = name
        self.capacity = capacity
        self.memory_limit = memory_limit
        self._bytes = 0
        self._attempts = Attempts()

    @property
    def size(self) -> int:
        raise NotImplementedError

    def describe(self) -> str:
        """Returns a description for people."""
        limit = f" of {self.capacity}" if self.capacity else ""
        return f"{self.op} {self.name!r} ({self.size}{limit} elements)"

    def begin(self, attempt: Callable[[], Any], done: Done) -> Pending | None:
        """Makes an attempt now or when the area has changed enough."""
        return self._attempts.begin(self, attempt, done)

    def clear(self) -> None:
        """Drops all elements."""
        with self._attempts.lock:
            self._drop()
            self._bytes = 0
        self._attempts.retry()

    def _drop(self) -> None:
        raise NotImplementedError

    def _has_room(self, size: int, *, elements: int = 1) -> bool:
        """True if an element of this size in bytes fits. Raises RESOURCE_EXHAUSTED if it never could."""
        if self.memory_limit and size > self.memory_limit:
            raise TfgError(
                Status.RESOURCE_EXHAUSTED,
                f"Attempted to insert tensors with combined size of '{size}' bytes into {self.op} {self.name!r} with a "
                f"memory limit of '{self.memory_limit}'.",
            )
        if self.capacity and self.size + elements > self.capacity:
            return False
        return not self.memory_limit or self._bytes + size <= self.memory_limit


class StageBuffer(StagingArea):
    """Tuples of tensors, first in first out."""

    kind = "StageBuffer"
    op = "Staging area"

    def __init__(self, name: str, capacity: int, memory_limit: int) -> None:
        super().__init__(name, capacity, memory_limit)
        self._elements: deque[Parts] = deque()

    @property
    def size(self) -> int:
        return len(self._elements)

    def _drop(self) -> None:
        self._elements.clear()

    def put(self, values: Sequence[Any]) -> Any:
        """Adds an element if there is room."""
        size = bytes_of(values)
        if not self._has_room(size):
            return NOT_YET
        self._elements.append(list(values))
        self._bytes += size
        return []

    def get(self) -> Any:
        """Takes the first element, if there is one."""
        if not self._elements:
            return NOT_YET
        element = self._elements.popleft()
        self._bytes -= bytes_of(element)
        return element

    def peek(self, index: int) -> Any:
        """Returns the element at a place, once there are so many."""
        return list(self._elements[index]) if index < self.size else NOT_YET

    def save(self) -> dict[str, Array]:
        with self._attempts.lock:
            state: dict[str, Array] = {}
            for number, element in enumerate(self._elements):
                state |= save_tuple(f"{number:08d}", element)
            return state

    def load(self, state: dict[str, Array]) -> None:
        with self._attempts.lock:
            names = sorted({key.partition("/")[0] for key in state})
            self._elements = deque(load_tuple(name, state) for name in names)
            self._bytes = sum(map(bytes_of, self._elements))


class StagingMap(StagingArea):
    """Tuples of tensors by key, which may be staged and taken in parts. An element can be taken once it is complete.
    Without a key, the oldest is taken (in TensorFlow, any)."""

    kind = "StagingMap"
    op = "Staging map"

    def __init__(self, name: str, capacity: int, memory_limit: int) -> None:
        super().__init__(name, capacity, memory_limit)
        self._complete: dict[int, Parts] = {}
        self._incomplete: dict[int, Parts] = {}

    @property
    def size(self) -> int:
        return len(self._complete)

    @property
    def incomplete_size(self) -> int:
        return len(self._incomplete)

    def _drop(self) -> None:
        self._complete.clear()
        self._incomplete.clear()

    def put(self, key: int, width: int, indices: Sequence[int], values: Sequence[Any]) -> Any:
        """Adds the components of an element that ``width`` of them complete, if there is room.

        Raises INVALID_ARGUMENT for indices that are not in order, out of bounds, or there already.
        """
        _check_order(indices)
        size = bytes_of(values)
        completes = len(indices) == width
        # Parts of an element that is there already need no room in numbers.
        if not self._has_room(size, elements=int(completes)):
            return NOT_YET
        if completes:
            if key not in self._complete:
                self._complete[key] = list(values)
                self._bytes += size
            return []
        self._put_parts(key, width, indices, values)
        self._bytes += size
        return []

    def _put_parts(self, key: int, width: int, indices: Sequence[int], values: Sequence[Any]) -> None:
        parts = self._incomplete.setdefault(key, [None] * width)
        for index, value in zip(indices, values):
            self._check_index(key, index, len(parts))
            if parts[index] is not None:
                raise invalid(
                    f"The tensor for index '{index}' for key '{key}' was already initialized '{len(parts)}'."
                )
            parts[index] = value
        if all(part is not None for part in parts):
            self._complete.setdefault(key, self._incomplete.pop(key))

    def _check_index(self, key: int, index: int, width: int) -> None:
        if not 0 <= index < width:
            raise invalid(f"Index '{index}' for key '{key}' was out of bounds '{width}'.")

    def get(self, key: int, indices: Sequence[int], *, removes: bool) -> Any:
        """Returns components of an element, once it is complete; with ``removes`` they are taken out, and the element
        goes with its last component. Raises INVALID_ARGUMENT for one that was removed, and for bad indices."""
        _check_order(indices)
        element = self._complete.get(key)
        if element is None:
            return NOT_YET
        values: list[Any] = []
        for index in indices:
            self._check_index(key, index, len(element))
            if element[index] is None:
                raise invalid(f"Tensor at index '{index}' for key '{key}' has already been removed.")
            values.append(element[index])
            if removes:
                self._bytes -= bytes_of([element[index]])
                element[index] = None
        if all(part is None for part in element):
            del self._complete[key]
        return values

    def get_next(self, indices: Sequence[int]) -> Any:
        """Takes components of the next element; returns its key, then the components."""
        if not self._complete:
            return NOT_YET
        key = self._next_key()
        return [np.int64(key), *self.get(key, indices, removes=True)]

    def _next_key(self) -> int:
        return next(iter(self._complete))

    def save(self) -> dict[str, Array]:
        with self._attempts.lock:
            state: dict[str, Array] = {}
            for prefix, elements in (("complete", self._complete), ("incomplete", self._incomplete)):
                state[f"{prefix}_keys"] = np.array(list(elements), np.int64)
                state[f"{prefix}_widths"] = np.array(list(map(len, elements.values())), np.int64)
                for number, element in enumerate(elements.values()):
                    state |= save_tuple(f"{prefix}_{number:08d}", element)
            return state

    def load(self, state: dict[str, Array]) -> None:
        with self._attempts.lock:
            for prefix, elements in (("complete", self._complete), ("incomplete", self._incomplete)):
                elements.clear()
                widths = state[f"{prefix}_widths"].tolist()
                for number, key in enumerate(state[f"{prefix}_keys"].tolist()):
                    elements[key] = load_tuple(f"{prefix}_{number:08d}", state, widths[number])
            everything = (*self._complete.values(), *self._incomplete.values())
            self._bytes = sum(map(bytes_of, everything))


class OrderedStagingMap(StagingMap):
    """A staging map that gives the smallest key out first."""

    kind = "OrderedStagingMap"
    op = "Ordered staging map"

    def _next_key(self) -> int:
        return min(self._complete)


def _check_order(indices: Sequence[int]) -> None:
    if any(left >= right for left, right in pairwise(indices)):
        raise invalid("Indices are not strictly ordered")


def bytes_of(values: Sequence[Any]) -> int:
    """Returns the memory that tensors take; of strings, that of their references."""
    return sum(np.asarray(value).nbytes for value in values if value is not None)
