"""Variables: the resource behind both VariableV2 (reference edges) and VarHandleOp (resource handles)."""

from __future__ import annotations

import sys
from threading import Lock
from typing import Any

import numpy as np

from ..graphfmt.dtypes import DType
from ..graphfmt.errors import Status, TfgError, invalid
from ..graphfmt.shapes import Shape
from ..graphfmt.tensors import Array

# A variable's own reference to its value, and getrefcount's argument.
_UNSHARED = 2


class Variable:
    """A mutable tensor. A value that somebody has read never changes: an update works in place only while
    nobody else holds the array, and makes a new one otherwise. So a read needs no copy, and a concurrent
    step or a fetched array is never written under.

    ``lock`` is held during every read and update.
    """

    kind = "Variable"
    __slots__ = ("dtype", "lock", "name", "shape", "value")

    def __init__(self, name: str, dtype: DType, shape: Shape) -> None:
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.lock = Lock()
        self.value: Any = None

    def read(self) -> Any:
        """The value. Raises FAILED_PRECONDITION if there is none yet."""
        with self.lock:
            value = self.value
        if value is None:
            raise self.uninitialized()
        return value

    def assign(self, value: Any, *, validate_shape: bool = True) -> None:
        """Takes a copy of a value. Raises INVALID_ARGUMENT where its shape does not fit the variable's."""
        array = np.array(value, self.dtype.numpy)
        if validate_shape and not self.shape.is_compatible(Shape(array.shape)):
            raise invalid(
                f"variable {self.name!r} has shape {self.shape}, and cannot be assigned a value of shape "
                f"{Shape(array.shape)}"
            )
        with self.lock:
            self.value = array

    def writable(self) -> Any:
        """The value as an array that may be written in place; call it with ``lock`` held.

        Raises FAILED_PRECONDITION if there is none yet.
        """
        if self.value is None:
            raise self.uninitialized()
        value = self.value
        # One more for the local name above.
        if sys.getrefcount(value) > _UNSHARED + 1 or not value.flags.writeable:
            value = self.value = value.copy()
        return value

    def uninitialized(self) -> TfgError:
        return TfgError(
            Status.FAILED_PRECONDITION,
            f"Attempting to use uninitialized value {self.name}",
            hint="run the graph's initialiser first, or restore a checkpoint",
        )

    def save(self) -> dict[str, Array]:
        with self.lock:
            return {} if self.value is None else {"value": self.value}

    def load(self, state: dict[str, Array]) -> None:
        if "value" in state:
            self.assign(state["value"])
