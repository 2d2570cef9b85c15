"""Variable, the resource of both VariableV2 (reference edges) and VarHandleOp (resource handles)."""

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
    """A mutable tensor with copy on write. An update works in place only while no other reference to the array
    exists, and copies it otherwise. A read therefore needs no copy, and the arrays of concurrent steps and of
    fetches never change.

    ``lock`` is held during every read and update. ``value`` is None until the first assignment, then an array of
    ``xp`` that owns its memory.
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
        """Returns the value, a numpy scalar if of rank 0. Raises FAILED_PRECONDITION if it is uninitialized."""
        with self.lock:
            value = self.value
            if value is None:
                raise self.uninitialized()
            # A scalar is a copy, and cheaper to compute with than an array of rank 0.
            return value if value.shape or value.dtype.hasobject else value[()]

    def assign(self, value: Any, *, validate_shape: bool = True, xp: Any = np) -> None:
        """Assigns a copy of a value. With ``validate_shape``, raises INVALID_ARGUMENT if its shape differs
        from that of the present value, or, without one, does not fit the declared shape."""
        with self.lock:
            self.replace(value, validate_shape=validate_shape, xp=xp)

    def replace(self, value: Any, *, validate_shape: bool = True, xp: Any = np) -> None:
        """Assigns a copy of a value, as ``assign`` does; the caller holds ``lock``."""
        if validate_shape:
            self.check_shape(value.shape)
        # Before this frame adds a reference to the array.
        unshared = not self.is_shared()
        if unshared and type(self.value) is xp.ndarray and self.value.shape == value.shape:
            # Writing to mapped memory is faster than to newly allocated pages.
            xp.copyto(self.value, value)
        else:
            self.value = xp.array(value, self.dtype.numpy)

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raises INVALID_ARGUMENT if a value of this shape cannot be assigned."""
        expected = self.shape if self.value is None else Shape(tuple(self.value.shape))
        if not expected.is_compatible(Shape(tuple(shape))):
            raise invalid(
                f"variable {self.name!r} has shape {expected}, and cannot be assigned a value of shape "
                f"{Shape(tuple(shape))}"
            )

    def writable(self) -> Any:
        """Returns the value as an array that may be written in place, copied if it is shared; the caller
        holds ``lock``.

        Raises FAILED_PRECONDITION if it is uninitialized.
        """
        if self.value is None:
            raise self.uninitialized()
        if self.is_shared():
            self.value = self.value.copy()
        return self.value

    def is_shared(self) -> bool:
        """True if there are other references to the value's array, or a view of it."""
        value = self.value
        return sys.getrefcount(value) > _UNSHARED

    def clear(self) -> None:
        """Makes the variable uninitialized."""
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
        """Restores a saved value. An array that owns its memory is used without a copy; copy on write
        protects other references to it."""
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
    """Copies a value to numpy, after waiting for the device."""
    value.device.synchronize()
    return value.get()


def _count_unshared() -> int:
    """Returns the reference count that ``is_shared`` sees for a value referenced by its variable only. It
    is measured, because interpreters differ in how they count locals and arguments."""
    probe = Variable("", dtypes.float32, Shape(()))
    probe.value = np.zeros(())
    value = probe.value
    return sys.getrefcount(value)


_UNSHARED = _count_unshared()
