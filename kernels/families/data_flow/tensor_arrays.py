"""TensorArrays: tensors by index, each written once and, as a rule, read once."""

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
    """A handle is the array itself, so one lasts as long as somebody holds its handle: a step.

    An element's value is None while nothing is known of it, and its shape alone (a tuple) once it has been
    cleared, or in an array of gradients, where that stands for zeros. Writing to an element of an array of
    gradients again adds to it.

    ``gradients`` are the arrays that hold this one's gradients, one for each computation of gradients.
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
        """A reference to an array is the array."""
        return self

    def size(self) -> int:
        """Raises INVALID_ARGUMENT where the array has been closed."""
        self._check_open()
        return len(self._values)

    def write(self, index: int, value: Any) -> None:
        """Raises INVALID_ARGUMENT for an index out of range, for a shape that does not fit, and where the
        element has been written or read before."""
        with self._lock:
            self._check_open()
            self._write(index, value)

    def write_all(self, indices: Sequence[int], values: Sequence[Any]) -> None:
        """``write`` for many."""
        with self._lock:
            self._check_open()
            for index, value in zip(indices, values):
                self._write(index, value)

    def _write(self, index: int, value: Any) -> None:
        size = len(self._values)
        if index < 0 or (index >= size and not self.dynamic_size):
            raise self._wrong(f"cannot be written at {index}: it has {size} elements, and cannot grow")
        if index >= size:
            self._values.extend(list_elements.empty_slots(index + 1 - size))
            self._states.extend(bytes(index + 1 - size))
        if not list_elements.is_compatible(self.element_shape, value):
            raise self._wrong(
                f"has elements of shape {self.element_shape}, and cannot take one of {_shape_of(value)}"
            )
        state = self._states[index]
        if state == _WRITTEN and self.is_gradient:
            value = self._sum(index, self._values[index], value)
        elif state != _EMPTY:
            raise self._wrong(
                f"cannot be written at {index} again: that was {'written' if state == _WRITTEN else 'read'}"
                " before"
            )
        if self.identical_shapes and not self.element_shape.is_fully_known:
            self.element_shape = _shape_of(value)
        self._values[index] = value
        self._states[index] = _WRITTEN

    def _sum(self, index: int, old: Any, value: Any) -> Any:
        """What an element becomes when a gradient is added to it."""
        shape = _shape_of(old)
        if shape != _shape_of(value):
            raise self._wrong(f"holds a gradient of shape {shape} at {index}, not of {_shape_of(value)}")
        return value if isinstance(old, tuple) else old + value

    def take(self, xp: Any, index: int) -> Any:
        """An element; one that was never written is zeros if the shape of elements is known.

        Raises INVALID_ARGUMENT for an index out of range, for an element that has been read and cleared,
        and for one never written where there is no shape.
        """
        with self._lock:
            self._check_open()
            return self._take(xp, index)

    def take_all(self, xp: Any, indices: Sequence[int], shape: Shape) -> list[Any]:
        """``take`` for many, of elements that are known to have this shape."""
        with self._lock:
            self._check_open()
            self._restrict(shape)
            return [self._take(xp, index) for index in indices]

    def _take(self, xp: Any, index: int) -> Any:
        if not 0 <= index < len(self._values):
            raise self._wrong(f"cannot be read at {index}: it has {len(self._values)} elements")
        state, value = self._states[index], self._values[index]
        if state == _CLEARED:
            raise self._wrong(f"cannot be read at {index} twice: it is cleared after a read")
        if state == _EMPTY:
            if not self.element_shape.is_fully_known:
                raise self._wrong(
                    f"cannot be read at {index}: nothing was written there, and the shape of elements, "
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
            raise self._wrong(f"has elements of shape {self.element_shape}, not {shape}")
        self.element_shape = self.element_shape.merge(shape)

    def gradient(self, source: str, prepended: tuple[int, ...] = ()) -> TensorArray:
        """The array of this one's gradients in the computation ``source``, made when first asked for; from
        then on this array cannot grow. ``prepended`` are dimensions that gradients have in front.

        Raises INVALID_ARGUMENT for an array of gradients.
        """
        with self._lock:
            self._check_open()
            if self.is_gradient:
                raise self._wrong("is an array of gradients, and has no gradients itself")
            found = self.gradients.get(source)
            if found is None:
                self.dynamic_size = False
                found = self.gradients[source] = self._new_gradient(source, prepended)
            return found

    def _new_gradient(self, source: str, prepended: tuple[int, ...]) -> TensorArray:
        dims = self.element_shape.dims
        made = TensorArray(
            f"{self.name}@{source}",
            self.dtype,
            len(self._values),
            Shape(None if dims is None else prepended + dims),
            identical_shapes=self.identical_shapes,
            is_gradient=True,
        )
        for index, value in enumerate(self._values):
            if value is not None:
                made._values[index] = prepended + _shape_of(value).known()
                made._states[index] = _WRITTEN
        return made

    def close(self) -> None:
        """Gives all elements up; nothing else can be done with the array any more."""
        with self._lock:
            self._closed = True
            self._values = []
            self._states = bytearray()

    def _check_open(self) -> None:
        if self._closed:
            raise self._wrong("has been closed")

    def _wrong(self, what: str) -> TfgError:
        return invalid(f"TensorArray {self.name!r} {what}")

    def no_shape(self) -> TfgError:
        """What is said of an array without elements that is to be put together."""
        return TfgError(
            Status.UNIMPLEMENTED,
            f"TensorArray {self.name!r} has size zero, and the shape of elements is not fully known",
        )


def _shape_of(value: Any) -> Shape:
    return Shape(value if isinstance(value, tuple) else tuple(value.shape))
