"""Variables: the resource behind both VariableV2 (reference edges) and VarHandleOp (resource handles)."""

from __future__ import annotations

import sys
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Shape

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ....graphfmt.tensors import Array


class Variable:
    """A mutable tensor. A value that somebody has read never changes: an update works in place only while
    nobody else holds the array, and makes a new one otherwise. So a read needs no copy, and a concurrent
    step or a fetched array is never written under.

    ``lock`` is held during every read and update. ``value`` is None until the first assignment, and always
    an array of ``xp`` that owns its memory.
    """

    kind = "Variable"
    __slots__ = ("dtype", "lock", "name", "shape", "value", "xp")

    def __init__(self, name: str, dtype: DType, shape: Shape, xp: Any = np) -> None:
        self.xp = xp
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.lock = Lock()
        self.value: Any = None

    def read(self) -> Any:
        """The value; of rank 0 it is a scalar. Raises FAILED_PRECONDITION if there is none yet."""
        with self.lock:
            value = self.value
            if value is None:
                raise self.uninitialized()
            # A scalar is a copy, and cheaper to compute with than an array of rank 0.
            return value if value.shape or value.dtype.hasobject else value[()]

    def assign(self, value: Any, *, validate_shape: bool = True, xp: Any = np) -> None:
        """Takes a copy of a value. Raises INVALID_ARGUMENT where its shape is not that of the present value,
        or does not fit the shape the variable was declared with."""
        with self.lock:
            self.replace(value, validate_shape=validate_shape, xp=xp)

    def replace(self, value: Any, *, validate_shape: bool = True, xp: Any = np) -> None:
        """``assign`` for a caller who holds ``lock``."""
        if validate_shape:
            self.check_shape(value.shape)
        # Counted before this frame holds the array too.
        unshared = not self.is_shared()
        if unshared and type(self.value) is xp.ndarray and self.value.shape == value.shape:
            # Memory that is mapped already is written at full speed.
            xp.copyto(self.value, value)
        else:
            self.value = xp.array(value, self.dtype.numpy)

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raises INVALID_ARGUMENT where a value of this shape would not fit."""
        expected = self.shape if self.value is None else Shape(tuple(self.value.shape))
        if not expected.is_compatible(Shape(tuple(shape))):
            raise invalid(
                f"variable {self.name!r} has shape {expected}, and cannot be assigned a value of shape "
                f"{Shape(tuple(shape))}"
            )

    def writable(self) -> Any:
        """The value as an array that may be written in place; call it with ``lock`` held.

        Raises FAILED_PRECONDITION if there is none yet.
        """
        if self.value is None:
            raise self.uninitialized()
        if self.is_shared():
            self.value = self.value.copy()
        return self.value

    def is_shared(self) -> bool:
        """Whether anybody outside holds the value's array, or a view of it."""
        value = self.value
        return sys.getrefcount(value) > _UNSHARED

    def clear(self) -> None:
        """Forgets the value."""
        with self.lock:
            self.value = None

    def uninitialized(self) -> TfgError:
        return TfgError(
            Status.FAILED_PRECONDITION,
            f"Attempting to use uninitialized value {self.name}",
            hint="run the graph's initialiser first (tfg run --init NODE)",
        )

    def save(self) -> dict[str, Array]:
        with self.lock:
            value = self.value
        if value is None:
            return {}
        return {"value": value if self.xp is np else _from_device(value)}

    def load(self, state: dict[str, Array]) -> None:
        """Takes the value as it is where it may: whoever else holds the array will not see it change."""
        if "value" not in state:
            self.clear()
            return
        value = np.asarray(state["value"])
        if value.dtype != self.dtype.numpy:
            held = dtypes.of_numpy(value.dtype)
            raise invalid(f"variable {self.name!r} is {self.dtype}, but the saved value is {held}")
        flags = value.flags
        with self.lock:
            self.value = None
            self.check_shape(value.shape)
            is_own = flags.owndata and flags.writeable and flags.c_contiguous
            self.value = value if is_own and self.xp is np else self.xp.array(value, order="C")


def _from_device(value: Any) -> Array:
    """A value as numpy's, once the device has done all that it was asked to."""
    value.device.synchronize()
    return value.get()


def _count_unshared() -> int:
    """What ``is_shared`` counts for a value that only its variable holds; interpreters differ in what they
    count of locals and arguments."""
    probe = Variable("", dtypes.float32, Shape(()))
    probe.value = np.zeros(())
    value = probe.value
    return sys.getrefcount(value)


_UNSHARED = _count_unshared()
