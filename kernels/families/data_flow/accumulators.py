"""Accumulators of gradients as state machines without threads: dense ones and those of IndexedSlices
(conditional_accumulator_base.cc and its relatives in TensorFlow; [OSDI] 4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from .attempts import NOT_YET, Attempts

if TYPE_CHECKING:
    from collections.abc import Callable

    from ....graphfmt.dtypes import DType
    from ....graphfmt.tensors import Array
    from ...core.context import Pending
    from .attempts import Done


class Accumulator:
    """The common part: how many gradients of the current global step there are, and who waits to take them.

    Attributes:
        shape: that of the gradients, perhaps unknown.
        reduction: ``MEAN`` or ``SUM``.
    """

    op = "accumulator"

    def __init__(self, name: str, dtype: DType, shape: Shape, reduction: str) -> None:
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.reduction = reduction
        self.count = 0
        self.global_step = 0
        self._attempts = Attempts()

    def read(self) -> Accumulator:
        """Returns the accumulator: the value of a reference to it."""
        return self

    def describe(self) -> str:
        """Returns a description for people."""
        return f"{self.op} {self.name!r} ({self.count} gradients of step {self.global_step})"

    def take(self, required: int, done: Done) -> Pending | None:
        """Takes the mean or sum once there are so many gradients. Raises INVALID_ARGUMENT for a number below 1."""
        if required <= 0:
            raise invalid(f"Argument num_required must be positive, but is {required}")
        return self._attempts.begin(self, lambda: self._taken(required), done)

    def apply(self, local_step: int, add: Callable[[], None]) -> None:
        """Adds a gradient, unless it is of an earlier step than the current one: then it is dropped."""
        with self._attempts.lock:
            if local_step < self.global_step:
                return
            add()
            self.count += 1
        self._attempts.retry()

    def set_global_step(self, step: int) -> None:
        """Sets the current step, which may become smaller, as in TensorFlow."""
        with self._attempts.lock:
            self.global_step = step

    def _taken(self, required: int) -> Any:
        if self.count < required:
            return NOT_YET
        result = self._result()
        self.count = 0
        self.global_step += 1
        return result

    def _result(self) -> Any:
        raise NotImplementedError

    def save(self) -> dict[str, Array]:
        with self._attempts.lock:
            own = {
                "count": np.array(self.count, np.int64),
                "global_step": np.array(self.global_step, np.int64),
            }
            return {**own, **self._sums()}

    def _sums(self) -> dict[str, Array]:
        raise NotImplementedError

    def load(self, state: dict[str, Array]) -> None:
        with self._attempts.lock:
            self.count = int(state["count"])
            self.global_step = int(state["global_step"])
            self._take_sums(state)

    def _take_sums(self, state: dict[str, Array]) -> None:
        raise NotImplementedError


class DenseAccumulator(Accumulator):
    """Adds gradients up in their dtype."""

    kind = "ConditionalAccumulator"
    op = "ConditionalAccumulator"

    def __init__(self, name: str, dtype: DType, shape: Shape, reduction: str) -> None:
        super().__init__(name, dtype, shape, reduction)
        self._sum: Any = None

    def add(self, gradient: Any) -> None:
        """Adds a gradient. Raises INVALID_ARGUMENT for a shape other than that of the accumulator or of the sum."""
        own = Shape(tuple(gradient.shape))
        expected = Shape(tuple(self._sum.shape)) if self.count else self.shape
        if not self.shape.is_compatible(own) or not expected.is_compatible(own):
            raise invalid(f"Shape mismatch: expected {expected}, got {own}")
        self._sum = self._sum + gradient if self.count else gradient

    def _result(self) -> Any:
        total, self._sum = self._sum, None
        return [total / self.dtype.numpy.type(self.count) if self.reduction == "MEAN" else total]

    def _sums(self) -> dict[str, Array]:
        return {} if self._sum is None else {"sum": np.array(self._sum)}

    def _take_sums(self, state: dict[str, Array]) -> None:
        self._sum = state.get("sum")


class SparseAccumulator(Accumulator):
    """Adds IndexedSlices up, row by row; each row has a count of its own, by which its mean is formed."""

    kind = "SparseConditionalAccumulator"
    op = "SparseConditionalAccumulator"

    def __init__(self, name: str, dtype: DType, shape: Shape, reduction: str) -> None:
        super().__init__(name, dtype, shape, reduction)
        self._clear()

    def _clear(self) -> None:
        self._indices: Any = np.zeros(0, np.int64)
        self._values: Any = np.zeros(0, self.dtype.numpy)
        self._counts: Any = np.zeros(0, np.int64)

    def add(self, indices: Any, values: Any, shape: Any | None) -> None:
        """Adds slices; ``shape`` is that of the dense gradient, if it is known. Raises INVALID_ARGUMENT."""
        self._check(indices, values, shape)
        if not self.count:
            self._indices, self._values = indices, values
            self._counts = np.ones(len(indices), np.int64)
            return
        left, right = _merged(self._indices.tolist(), indices.tolist())
        merged = np.zeros((len(left), *values.shape[1:]), values.dtype)
        both = (left >= 0) & (right >= 0)
        only_left, only_right = (left >= 0) & ~both, (right >= 0) & ~both
        merged[only_left] = self._values[left[only_left]]
        merged[only_right] = values[right[only_right]]
        merged[both] = self._values[left[both]] + values[right[both]]
        counts = np.where(left >= 0, self._counts[left] if len(self._counts) else 0, 0) + (right >= 0)
        found = self._indices[left] if len(self._indices) else np.zeros(len(left), np.int64)
        added = indices[right] if len(indices) else found
        self._indices = np.where(left >= 0, found, added)
        self._values, self._counts = merged, counts

    def _check(self, indices: Any, values: Any, shape: Any | None) -> None:
        if indices.ndim != 1:
            raise invalid(f"Input indices should be vector but received shape: {Shape(tuple(indices.shape))}")
        if not values.ndim:
            raise invalid("Values cannot be 0-dimensional.")
        if len(indices) != len(values):
            raise invalid(f"Expected {len(indices)} non-empty input values, got {len(values)}")
        dims = self.shape.dims or ()
        if shape is not None:
            _check_dense_shape(dims, shape.reshape(-1).tolist())
        if dims and dims[0] is not None:
            beyond = np.flatnonzero(indices >= dims[0])
            if len(beyond):
                raise invalid(
                    f"Shape mismatch: index of slice {beyond[0]} exceeded limits of shape; index is "
                    f"{indices[beyond[0]]} exceeded {dims[0]}"
                )
        self._check_values(values)

    def _check_values(self, values: Any) -> None:
        dims = self.shape.dims or ()
        if self.count:
            if self._values.ndim != values.ndim:
                raise invalid(f"Shape mismatch: expected values rank {self._values.ndim}, got {values.ndim}")
            dims = self._values.shape
        elif len(dims) > values.ndim:
            raise invalid(f"Shape mismatch: expected values rank at least {len(dims)}, got {values.ndim}")
        for axis in range(1, len(dims)):
            if dims[axis] is not None and dims[axis] != values.shape[axis]:
                raise invalid(
                    f"Shape mismatch: expected values dim {axis} to be {dims[axis]}, got {values.shape[axis]}"
                )

    def _result(self) -> Any:
        indices, values, counts = self._indices, self._values, self._counts
        self._clear()
        if self.reduction == "MEAN" and len(values):
            divisors = counts.astype(values.dtype).reshape(-1, *(1,) * (values.ndim - 1))
            values = values / divisors
        dims = self.shape.dims
        rows = -1 if not dims or dims[0] is None else dims[0]
        return [indices, values, np.array([rows, *values.shape[1:]], np.int64)]

    def _sums(self) -> dict[str, Array]:
        return {"indices": self._indices, "values": self._values, "counts": self._counts}

    def _take_sums(self, state: dict[str, Array]) -> None:
        self._indices, self._values, self._counts = state["indices"], state["values"], state["counts"]


def _check_dense_shape(dims: tuple[Any, ...], given: list[int]) -> None:
    if len(dims) > len(given):
        raise invalid(f"Shape mismatch: expected shape rank at least {len(dims)}, got {len(given)}")
    for axis, (expected, size) in enumerate(zip(dims, given)):
        if expected is not None and expected != size:
            raise invalid(f"Shape mismatch: expected shape dim {axis} to be {expected}, got {size}")


def _merged(left: list[int], right: list[int]) -> tuple[Array, Array]:
    """Merges two lists of row numbers as if both were sorted; returns the places in either, -1 for none.

    One number after the other, as TensorFlow does, because what becomes of unsorted lists depends on it.
    """
    places: list[tuple[int, int]] = []
    i = j = 0
    while i < len(left) and j < len(right):
        first, second = left[i], right[j]
        places.append((i if first <= second else -1, j if second <= first else -1))
        i += first <= second
        j += second <= first
    places += [(place, -1) for place in range(i, len(left))]
    places += [(-1, place) for place in range(j, len(right))]
    both = np.array(places, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]
