"""TensorArray, the resource of the TensorArray operations: tensors by index, each written once and usually
read once (kernels/tensor_array.h in TensorFlow)."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Shape
from ...numeric import list_elements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType

_EMPTY, _WRITTEN, _READ, _CLEARED = range(4)


class TensorArray:
    """An array of tensors of one dtype. A handle is the array itself, so an array lives as long as the step that
    has its handle.

    The value of an element is None if it was never written, and its shape (a tuple) if it has been read and
    cleared. In an array of gradients a shape stands for zeros, and a second write to an element adds to it.

    ``gradients`` are the arrays of this one's gradients, by the name of the gradient computation.
    """

    kind = "TensorArray"
    __slots__ = (
        "_closed",
        "_lock",
        "_states",
        "_values",
        "clear_after_read",
        "dtype",
        "dynamic_size",
        "element_shape",
        "gradients",
        "identical_shapes",
        "is_gradient",
        "name",
    )

    def __init__(
        self,
        name: str,
        dtype: DType,
        size: int,
        element_shape: Shape,
        *,
        dynamic_size: bool = False,
        clear_after_read: bool = True,
        identical_shapes: bool = False,
        is_gradient: bool = False,
    ) -> None:
        self.name = name
        self.dtype = dtype
        self.element_shape = element_shape
        self.dynamic_size = dynamic_size
        self.clear_after_read = clear_after_read
        self.identical_shapes = identical_shapes
        self.is_gradient = is_gradient
        self.gradients: dict[str, TensorArray] = {}
        self._closed = False
        self._lock = Lock()
        self._values = list_elements.empty_slots(size)
        self._states = bytearray(size)

    def read(self) -> TensorArray:
        """Returns the array: the value of a reference to it."""
        return self

    def size(self) -> int:
        """Returns the number of elements. Raises INVALID_ARGUMENT if the array has been closed."""
        self._check_open()
        return len(self._values)

    def write(self, index: int, value: Any) -> None:
        """Writes an element. Raises INVALID_ARGUMENT for an index out of range, for a shape that does not fit, and
        for an element that has been written or read before."""
        with self._lock:
            self._check_open()
            self._write(index, value)

    def write_all(self, indices: Sequence[int], values: Sequence[Any]) -> None:
        """Writes several elements, as ``write`` does."""
        with self._lock:
            self._check_open()
            for index, value in zip(indices, values):
                self._write(index, value)

    def _write(self, index: int, value: Any) -> None:
        size = len(self._values)
        if index < 0 or (index >= size and not self.dynamic_size):
            raise self._fault(f"cannot be written at index {index}: it has {size} elements and a fixed size")
        if index >= size:
            self._values.extend(list_elements.empty_slots(index + 1 - size))
            self._states.extend(bytes(index + 1 - size))
        if not list_elements.is_compatible(self.element_shape, value):
            raise self._fault(f"has elements of shape {self.element_shape}, not of {_shape_of(value)}")
        state = self._states[index]
        if state == _WRITTEN and self.is_gradient:
            value = self._sum(index, self._values[index], value)
        elif state != _EMPTY:
            raise self._fault(
                f"cannot be written at index {index} twice: the element was "
                f"{'written' if state == _WRITTEN else 'read'} before"
            )
        if self.identical_shapes and not self.element_shape.is_fully_known:
            self.element_shape = _shape_of(value)
        self._values[index] = value
        self._states[index] = _WRITTEN

    def _sum(self, index: int, old: Any, value: Any) -> Any:
        """Returns the sum of an element of an array of gradients and a further gradient."""
        shape = _shape_of(old)
        if shape != _shape_of(value):
            raise self._fault(
                f"has a gradient of shape {shape} at index {index}, to which one of shape {_shape_of(value)} cannot "
                "be added"
            )
        return value if isinstance(old, tuple) else old + value

    def take(self, xp: Any, index: int) -> Any:
        """Reads an element, and clears it if ``clear_after_read``. One that was never written is zeros if the
        element shape is known.

        Raises INVALID_ARGUMENT for an index out of range, for an element that has been cleared, and for one
        that was never written if the element shape is not fully known.
        """
        with self._lock:
            self._check_open()
            return self._take(xp, index)

    def take_all(self, xp: Any, indices: Sequence[int], shape: Shape) -> list[Any]:
        """Reads several elements, as ``take`` does. ``shape`` restricts the element shape of the array."""
        with self._lock:
            self._check_open()
            self._restrict(shape)
            return [self._take(xp, index) for index in indices]

    def _take(self, xp: Any, index: int) -> Any:
        if not 0 <= index < len(self._values):
            raise self._fault(f"cannot be read at index {index}: it has {len(self._values)} elements")
        state, value = self._states[index], self._values[index]
        if state == _CLEARED:
            raise self._fault(f"cannot be read at index {index} twice: clear_after_read is set")
        if state == _EMPTY:
            if not self.element_shape.is_fully_known:
                raise self._fault(
                    f"cannot be read at index {index}: the element was never written, and the element shape, "
                    f"{self.element_shape}, is not fully known"
                )
            value = list_elements.zeros(xp, self.element_shape.known(), self.dtype)
        elif isinstance(value, tuple):
            value = list_elements.zeros(xp, value, self.dtype)
        self._states[index] = _READ
        if self.clear_after_read:
            self._states[index] = _CLEARED
            self._values[index] = tuple(value.shape)
        return value

    def _restrict(self, shape: Shape) -> None:
        if not self.element_shape.is_compatible(shape):
            raise self._fault(f"has elements of shape {self.element_shape}, not {shape}")
        self.element_shape = self.element_shape.merge(shape)

    def gradient(self, source: str, prepended: tuple[int, ...] = ()) -> TensorArray:
        """Returns the array of this one's gradients for the computation ``source``, which is created on first use;
        from then on this array has a fixed size. ``prepended`` are further dimensions of the gradients in front.

        Raises INVALID_ARGUMENT for an array of gradients.
        """
        with self._lock:
            self._check_open()
            if self.is_gradient:
                raise self._fault("is an array of gradients, which has no gradients itself")
            gradient = self.gradients.get(source)
            if gradient is None:
                self.dynamic_size = False
                gradient = self.gradients[source] = self._new_gradient(source, prepended)
            return gradient

    def _new_gradient(self, source: str, prepended: tuple[int, ...]) -> TensorArray:
        dims = self.element_shape.dims
        gradient = TensorArray(
            f"{self.name}@{source}",
            self.dtype,
            len(self._values),
            Shape(None if dims is None else prepended + dims),
            identical_shapes=self.identical_shapes,
            is_gradient=True,
        )
        for index, value in enumerate(self._values):
            if value is not None:
                gradient._values[index] = prepended + _shape_of(value).known()
                gradient._states[index] = _WRITTEN
        return gradient

    def close(self) -> None:
        """Releases all elements. Every later use of the array raises INVALID_ARGUMENT."""
        with self._lock:
            self._closed = True
            self._values = []
            self._states = bytearray()

    def _check_open(self) -> None:
        if self._closed:
            raise self._fault("has been closed")

    def _fault(self, message: str) -> TfgError:
        return invalid(f"TensorArray {self.name!r} {message}")

    def unknown_shape_error(self) -> TfgError:
        """The UNIMPLEMENTED error of stacking an array without elements whose element shape is not fully known."""
        return TfgError(
            Status.UNIMPLEMENTED,
            f"TensorArray {self.name!r} has size 0, and its element shape is not fully known",
        )


def _shape_of(value: Any) -> Shape:
    return Shape(value if isinstance(value, tuple) else tuple(value.shape))
