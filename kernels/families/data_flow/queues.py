"""Queues as state machines without threads: attempts to enqueue and dequeue wait in order, and elements move between
them (queue_base.cc, fifo_queue.cc and their relatives in TensorFlow).

An attempt that cannot be completed at once waits in the queue, and its callback is called when it can be, from whatever
thread completes it. A waiting attempt holds no thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Shape
from .element_orders import Element, ElementOrder

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ....graphfmt.tensors import Array

# Takes the result of an attempt: a list of values, or a TfgError.
Done = Callable[[Any], None]


class QueueAttempt:
    """A request that waits: ``wanted`` elements are still to be moved; ``elements`` are those to enqueue, or those that
    were taken.

    ``is_batch`` dequeues stack their elements; ``takes_fewer`` allows a smaller batch from a closed queue. An attempt
    to close waits among those to enqueue, and has no elements.
    """

    __slots__ = ("closes", "done", "elements", "is_batch", "requested", "takes_fewer", "wanted")

    def __init__(self, wanted: int, done: Done, elements: deque[Element], *, closes: bool = False) -> None:
        self.wanted = self.requested = wanted
        self.done = done
        self.elements = elements
        self.closes = closes
        self.is_batch = False
        self.takes_fewer = False


class Queue:
    """A queue of tuples of tensors, with at most ``capacity`` elements unless that is negative.

    Attributes:
        op: the operation that made it, by its name without version.
        types: the dtypes of a tuple's components.
        shapes: their shapes, empty if they may have any.
        least: the number of elements that stay in it, until it is closed, to mix with later ones.
    """

    kind = "Queue"

    def __init__(
        self,
        op: str,
        name: str,
        types: Sequence[DType],
        shapes: Sequence[Shape],
        capacity: int,
        order: ElementOrder,
        least: int = 0,
    ) -> None:
        self.op = op
        self.name = name
        self.types = tuple(types)
        self.shapes = tuple(shapes)
        self.capacity = capacity
        self.least = least
        self.is_closed = False
        self._order = order
        self._enqueues: deque[QueueAttempt] = deque()
        self._dequeues: deque[QueueAttempt] = deque()
        self._lock = Lock()

    def read(self) -> Queue:
        """Returns the queue: the value of a reference to it."""
        return self

    @property
    def size(self) -> int:
        return len(self._order)

    def describe(self) -> str:
        """Returns a description for people: kind, name, size and capacity, and whether it is closed."""
        limit = "" if self.capacity < 0 else f" of {self.capacity}"
        closed = ", closed" if self.is_closed else ""
        return f"{self.op} {self.name!r} ({self.size}{limit} elements{closed})"

    def enqueue(self, elements: Sequence[Element], done: Done) -> QueueAttempt | None:
        """Adds elements, in order, as there is room; ``done`` is called with an empty list when all are added, or with
        CANCELLED if the queue is closed."""
        if not elements:
            done([])
            return None
        return self._begin(self._enqueues, QueueAttempt(len(elements), done, deque(elements)))

    def dequeue(self, done: Done) -> QueueAttempt | None:
        """Takes one element; ``done`` is called with its components, or with OUT_OF_RANGE if the queue is closed and
        empty."""
        return self._begin(self._dequeues, QueueAttempt(1, done, deque()))

    def dequeue_many(self, count: int, done: Done, *, takes_fewer: bool = False) -> QueueAttempt | None:
        """Takes several elements, stacked. From a closed queue, fewer if ``takes_fewer`` and any are left; else
        ``done`` is called with OUT_OF_RANGE."""
        attempt = QueueAttempt(count, done, deque())
        attempt.is_batch, attempt.takes_fewer = True, takes_fewer
        if count == 0:
            done(self._stacked([]))
            return None
        return self._begin(self._dequeues, attempt)

    def close(self, done: Done, *, cancels_pending: bool) -> QueueAttempt | None:
        """Closes the queue, once the attempts to enqueue that wait are completed, or after cancelling them. ``done`` is
        called with CANCELLED if it is closed already."""
        cancelled: list[QueueAttempt] = []
        if cancels_pending:
            with self._lock:
                cancelled = list(self._enqueues)
                self._enqueues.clear()
        for attempt in cancelled:
            attempt.done(self._closed_error())
        return self._begin(self._enqueues, QueueAttempt(0, done, deque(), closes=True))

    def cancel(self, attempt: QueueAttempt) -> bool:
        """Takes an attempt that waits out of the queue; elements that it has taken go back to the front. Returns False
        if it waits no longer."""
        waits = False
        with self._lock:
            for attempts in (self._enqueues, self._dequeues):
                if attempt in attempts:
                    waits = True
                    attempts.remove(attempt)
                    if attempts is self._dequeues:
                        self._order.give_back(attempt.elements)
            finished = self._flush()
        _report(finished)
        return waits

    def _begin(self, attempts: deque[QueueAttempt], attempt: QueueAttempt) -> QueueAttempt | None:
        """Lets an attempt wait behind the others, and completes what can be; returns None if it is completed."""
        with self._lock:
            attempts.append(attempt)
            finished = self._flush()
            waits = attempt in attempts
        _report(finished)
        return attempt if waits else None

    def _flush(self) -> list[tuple[QueueAttempt, Any]]:
        """Moves elements as long as the first attempt of either kind makes progress; returns the completed ones."""
        finished: list[tuple[QueueAttempt, Any]] = []
        progress = True
        while progress:
            progress = False
            for attempts, move in ((self._enqueues, self._add), (self._dequeues, self._take)):
                if attempts:
                    before = attempts[0].wanted
                    result = move(attempts[0])
                    if result is not None:
                        finished.append((attempts.popleft(), result))
                        progress = True
                    elif attempts[0].wanted != before:
                        progress = True
        return finished

    def _add(self, attempt: QueueAttempt) -> Any:
        """Moves elements of an attempt into the queue; returns its result once it is completed."""
        if attempt.closes:
            if self.is_closed:
                return TfgError(Status.CANCELLED, f"Queue {self.name!r} is already closed.")
            self.is_closed = True
            return []
        if self.is_closed:
            return self._closed_error()
        while attempt.elements and (self.capacity < 0 or self.size < self.capacity):
            self._order.add(attempt.elements.popleft())
            attempt.wanted -= 1
        return None if attempt.elements else []

    def _take(self, attempt: QueueAttempt) -> Any:
        """Moves elements from the queue to an attempt; returns its result once it is completed."""
        if self.is_closed and self.size < attempt.wanted:
            return self._take_last(attempt)
        left = self.size if self.is_closed else self.size - self.least
        while left > 0 and attempt.wanted:
            attempt.elements.append(self._order.take())
            attempt.wanted -= 1
            left -= 1
        return None if attempt.wanted else self._result(attempt)

    def _take_last(self, attempt: QueueAttempt) -> Any:
        """Completes an attempt that a closed queue has too few elements for."""
        self._order.give_back(attempt.elements)
        attempt.elements.clear()
        attempt.wanted = attempt.requested
        if self.size >= attempt.wanted:
            return None
        if attempt.takes_fewer and self.size:
            while self.size:
                attempt.elements.append(self._order.take())
            return self._result(attempt)
        return TfgError(
            Status.OUT_OF_RANGE,
            f"{self.op} {self.name!r} is closed and has insufficient elements (requested {attempt.requested}, "
            f"current size {self.size})",
        )

    def _result(self, attempt: QueueAttempt) -> list[Any]:
        if not attempt.is_batch:
            return list(attempt.elements[0])
        return self._stacked(list(attempt.elements))

    def _stacked(self, elements: Sequence[Element]) -> list[Any]:
        """Returns the components of several elements, each as one array; shapes that differ are padded."""
        return [
            _stack([element[i] for element in elements], dtype, shape)
            for i, (dtype, shape) in enumerate(zip(self.types, self.shapes))
        ]

    def _closed_error(self) -> TfgError:
        return TfgError(Status.CANCELLED, f"{self.op} {self.name!r} is closed.")

    def check_components(self, components: Sequence[Any], *, is_batch: bool) -> list[Element]:
        """Returns the elements of a tuple, or of a batch of tuples.

        Raises INVALID_ARGUMENT for shapes other than the queue's, and for components of different lengths.
        """
        arrays = [np.asarray(value) for value in components]
        if is_batch:
            if any(array.ndim == 0 for array in arrays):
                raise invalid("a batch of elements needs components of rank 1 or more, not scalars")
            if len({len(array) for array in arrays}) > 1:
                lengths = ", ".join(str(len(array)) for array in arrays)
                raise invalid(f"the components of a batch differ in their first dimension: {lengths}")
        for number, (array, shape) in enumerate(zip(arrays, self.shapes)):
            own = Shape(tuple(array.shape[1:] if is_batch else array.shape))
            if not _fits(own, shape):
                raise invalid(f"Shape mismatch in tuple component {number}. Expected {shape}, got {own}")
        if not is_batch:
            return [tuple(arrays)]
        return list(zip(*map(_rows, arrays)))

    def save(self) -> dict[str, Array]:
        """Returns its elements, in their order, and what decides on the next ones."""
        with self._lock:
            elements = [
                *(element for attempt in self._dequeues for element in attempt.elements),
                *self._order.all(),
            ]
            state = {
                f"{number:08d}/{component}": np.array(value)
                for number, element in enumerate(elements)
                for component, value in enumerate(element)
            }
            return {**state, "closed": np.array(self.is_closed), **self._order.save()}

    def load(self, state: dict[str, Array]) -> None:
        """Takes the saved elements in place of its own."""
        with self._lock:
            self.is_closed = bool(state["closed"])
            self._order.load(state)
            self._order.clear()
            rows: dict[int, dict[int, Any]] = {}
            for key, value in state.items():
                number, slash, component = key.partition("/")
                if not slash:
                    continue
                rows.setdefault(int(number), {})[int(component)] = value
            for _, row in sorted(rows.items()):
                self._order.add(tuple(row[i] for i in sorted(row)))


def _report(finished: Sequence[tuple[QueueAttempt, Any]]) -> None:
    # Not under the lock: a callback may use the queue.
    for attempt, result in finished:
        attempt.done(result)


def _fits(shape: Shape, wanted: Shape) -> bool:
    return shape.is_compatible(wanted)


def _rows(array: Any) -> Sequence[Any]:
    """The rows of an array: views, or numbers. Strings stay arrays of rank 0, as components are."""
    if array.ndim == 1 and array.dtype.kind == "O":
        return [array[row, ...] for row in range(len(array))]
    return list(array)


def _stack(values: Sequence[Any], dtype: DType, shape: Shape) -> Any:
    if not values:
        known = () if shape.dims is None else tuple(size or 0 for size in shape.dims)
        return np.zeros((0, *known), dtype.numpy)
    shapes = {value.shape for value in values}
    if len(shapes) == 1:
        (own,) = shapes
        if dtype.numpy.kind != "O":
            rows = np.concatenate(values) if own else np.array(values, dtype.numpy)
            return rows.reshape(len(values), *own)
        stacked = np.empty((len(values), *own), dtype.numpy)
        for row, value in enumerate(values):
            # With the ellipsis, a string stays one: without, an array of objects would take the array that holds it.
            stacked[row, ...] = value
        return stacked
    largest = tuple(max(sizes) for sizes in zip(*shapes))
    padded = np.zeros((len(values), *largest), dtype.numpy)
    if dtype.name == "string":
        padded[...] = b""
    for row, value in enumerate(values):
        padded[(row, *map(slice, value.shape), ...)] = value
    return padded
