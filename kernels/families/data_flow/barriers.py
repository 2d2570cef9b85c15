"""Barriers as state machines without threads: tuples by key, whose components arrive one by one (barrier_ops.cc in
TensorFlow). Those that are complete go to a queue, in the order in which their keys first came."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Shape
from ...core.context import Pending
from .element_orders import ByPriority
from .queues import Queue
from .tuple_states import load_tuple, save_tuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.tensors import Array
    from .queues import Done

_FIRST_INDEX = -(2**63)
# The components of a tuple that is not complete, None for those that have not come; before them its index.
_Incomplete = tuple[int, list[Any]]


class Barrier:
    """Tuples by key. ``types`` and ``shapes`` are those of the components."""

    kind = "Barrier"
    op = "Barrier"

    def __init__(self, name: str, types: Sequence[DType], shapes: Sequence[Shape]) -> None:
        self.name = name
        self.types = tuple(types)
        self.shapes = tuple(shapes)
        self.is_closed = False
        self._cancels_pending = False
        self._next_index = _FIRST_INDEX
        self._incomplete: dict[bytes, _Incomplete] = {}
        scalar = Shape(())
        self._ready = Queue(
            "PriorityQueue",
            f"{name}_queue",
            (dtypes.int64, dtypes.string, *types),
            (scalar, scalar, *shapes),
            -1,
            ByPriority(),
        )
        self._lock = RLock()

    def read(self) -> Barrier:
        """Returns the barrier: the value of a reference to it."""
        return self

    @property
    def ready_size(self) -> int:
        return self._ready.size

    @property
    def incomplete_size(self) -> int:
        return len(self._incomplete)

    def describe(self) -> str:
        """Returns a description for people."""
        closed = ", closed" if self.is_closed else ""
        return (
            f"Barrier {self.name!r} ({self.ready_size} complete, {self.incomplete_size} incomplete{closed})"
        )

    def insert(self, keys: Sequence[bytes], component: int, values: Any, done: Done) -> None:
        """Gives keys their values of a component, rows of an array.

        Raises INVALID_ARGUMENT for a component that a key has already, and for a shape that is not the barrier's;
        CANCELLED if it is closed, unless the keys have come before.
        """
        if keys and not values.size:
            raise invalid(
                f"Tensors with no elements are not supported {self.name}: received shape {Shape(values.shape)}"
            )
        with self._lock:
            self._check_open(len(keys))
            ready, is_new = [], False
            try:
                for key, value in zip(keys, values):
                    is_new = self._insert_one(key, component, value, ready) or is_new
            finally:
                self._next_index += is_new
            closes = self.is_closed and not self._incomplete
        self._ready.enqueue(ready, done)
        if closes:
            self._ready.close(_ignore, cancels_pending=False)

    def _check_open(self, count: int) -> None:
        if self.is_closed and (self._cancels_pending or (count and not self._incomplete)):
            raise TfgError(
                Status.CANCELLED,
                f"Barrier {self.name} is closed.  Pending enqueues cancelled: {int(self._cancels_pending)}.  Number of "
                f"new insertions: {count}.  Number of incomplete keys: {len(self._incomplete)}.",
            )

    def _insert_one(self, key: bytes, component: int, value: Any, ready: list[Any]) -> bool:
        """Returns True if the key is new; a tuple that becomes complete is added to ``ready``."""
        found = self._incomplete.get(key)
        if found is None and self.is_closed:
            raise TfgError(
                Status.CANCELLED,
                f"Barrier {self.name} is closed, but attempted to insert a brand new key: {_text(key)}.",
            )
        index, parts = found or (self._next_index, [None] * len(self.types))
        if parts[component] is not None:
            raise invalid(
                f"Key {_text(key)} already has a value for component {component} in barrier {self.name}"
            )
        own, expected = Shape(tuple(np.shape(value))), self.shapes[component]
        if not own.is_compatible(expected):
            raise invalid(
                f"Shape mismatch in tuple component {component + 2}. Expected {expected}, got {own}"
            )
        parts[component] = np.array(value)
        if any(part is None for part in parts):
            self._incomplete[key] = (index, parts)
        else:
            self._incomplete.pop(key, None)
            ready.append((np.array(index, np.int64), _string(key), *parts))
        return found is None

    def take(self, count: int, done: Done, *, takes_fewer: bool) -> Pending | None:
        """Takes complete tuples: their indices, keys and components. Raises OUT_OF_RANGE if the barrier is closed and
        there cannot be so many any more."""
        wanted = count
        with self._lock:
            if self.is_closed:
                available = self.ready_size
                if takes_fewer:
                    wanted = min(count, available)
                else:
                    available += self.incomplete_size
                if available < max(wanted, 1):
                    raise TfgError(
                        Status.OUT_OF_RANGE,
                        f"Barrier {self.name!r} is closed and has insufficient elements (requested {wanted}, total "
                        f"size {available})",
                    )
        attempt = self._ready.dequeue_many(wanted, done, takes_fewer=takes_fewer)
        return None if attempt is None else Pending(lambda: self._ready.cancel(attempt), self)

    def close(self, *, cancels_pending: bool) -> None:
        """Closes the barrier: no new keys can come. Cancelling drops the tuples that are not complete. Raises CANCELLED
        if it is closed already, but for a first cancellation."""
        with self._lock:
            if self.is_closed and (self._cancels_pending or not cancels_pending):
                raise TfgError(Status.CANCELLED, f"Barrier {self.name!r} is already closed.")
            self.is_closed, self._cancels_pending = True, cancels_pending
            if cancels_pending:
                self._incomplete.clear()
            is_complete = not self._incomplete
        if is_complete:
            self._ready.close(_ignore, cancels_pending=cancels_pending)

    def save(self) -> dict[str, Array]:
        with self._lock:
            state = {f"ready_{name}": value for name, value in self._ready.save().items()}
            state["flags"] = np.array([self.is_closed, self._cancels_pending])
            state["next_index"] = np.array(self._next_index, np.int64)
            for number, (key, (index, parts)) in enumerate(self._incomplete.items()):
                state[f"key_{number:08d}"] = _string(key)
                state[f"index_{number:08d}"] = np.array(index, np.int64)
                state |= save_tuple(f"parts_{number:08d}", parts)
            return state

    def load(self, state: dict[str, Array]) -> None:
        with self._lock:
            ready = {name.removeprefix("ready_"): v for name, v in state.items() if name.startswith("ready_")}
            self._ready.load(ready)
            self.is_closed, self._cancels_pending = (bool(flag) for flag in state["flags"])
            self._next_index = int(state["next_index"])
            numbers = sorted(name.removeprefix("key_") for name in state if name.startswith("key_"))
            self._incomplete = {
                state[f"key_{number}"].item(): (
                    int(state[f"index_{number}"]),
                    load_tuple(f"parts_{number}", state, len(self.types)),
                )
                for number in numbers
            }


def _string(text: bytes) -> Array:
    array = np.empty((), object)
    array[()] = text
    return array


def _text(key: bytes) -> str:
    return key.decode(errors="replace")


def _ignore(result: object) -> None:
    pass
