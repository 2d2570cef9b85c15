"""TensorList, the immutable list of tensors that a variant tensor holds (kernels/tensor_list.h in TensorFlow).

A variant tensor of rank 0 *is* the list, never an array around it; a variant tensor of another rank is an object
array of lists. A list has ``shape``, ``ndim`` and ``dtype`` like an array of rank 0, so operations that only move
values handle it without change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...numeric import list_elements
from ...numeric.variants import NO_VALUE, Variant
from .persistent_list import PersistentList

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType

# The number of written elements up to which a list records their indices.
_MAX_WRITTEN = 8


class TensorList(Variant, PersistentList):
    """A list of tensors; an element that was never written is None.

    ``limit`` is the maximum number of elements, or negative for none. ``written`` are the indices of the
    written elements if they are few and known, otherwise None. They make additions fast: the gradient of
    reading one element is a list with that one element written, and a loop adds up many of those.
    """

    __slots__ = ("element_dtype", "element_shape", "limit", "written")

    def __init__(
        self, element_dtype: DType, element_shape: Shape, items: list[Any] | None = None, limit: int = -1
    ) -> None:
        """Takes ownership of ``items``."""
        super().__init__([] if items is None else items)
        self.element_dtype = element_dtype
        self.element_shape = element_shape
        self.limit = limit
        self.written: tuple[int, ...] | None = None

    def with_items(self, items: list[Any], shape: Shape | None = None) -> TensorList:
        """Returns a list of the same dtype and limit with other elements, and another element shape if stated."""
        return TensorList(self.element_dtype, shape or self.element_shape, items, self.limit)

    def pushed(self, item: Any) -> TensorList:
        """Returns the list with one more element at its end."""
        successor = self._like()
        self._push(successor, item)
        return successor

    def popped(self) -> TensorList:
        """Returns the list without its last element. The list must not be empty."""
        successor = self._like()
        self._pop(successor)
        return successor

    def replaced(self, index: int, item: Any) -> TensorList:
        """Returns the list with another element at an index in [0, ``length``)."""
        successor = self._like()
        self._set(successor, index, item)
        written = self.written
        if written is not None:
            if index not in written:
                written = (*written, index) if len(written) < _MAX_WRITTEN else None
            successor.written = written
        return successor

    def _like(self) -> TensorList:
        successor = TensorList.__new__(TensorList)
        successor.element_dtype = self.element_dtype
        successor.element_shape = self.element_shape
        successor.limit = self.limit
        successor.written = None
        return successor

    def zeros_like(self) -> TensorList:
        """Returns a list of zeros of the same shapes; elements that were never written stay so."""
        successor = self.with_items(
            [None if x is None else list_elements.zeros_like(x) for x in self.items()]
        )
        successor.written = self.written
        return successor

    def __add__(self, other: Any) -> TensorList:
        """Returns the list of elementwise sums; an element that was never written counts as zeros.

        Raises INVALID_ARGUMENT for lists of different dtypes, lengths or shapes.
        """
        if not isinstance(other, TensorList):
            return NotImplemented
        if self.element_dtype is not other.element_dtype:
            raise invalid(f"lists of {self.element_dtype} and {other.element_dtype} cannot be added")
        if self.length != other.length:
            raise invalid(f"lists of {self.length} and {other.length} elements cannot be added")
        shape = self.element_shape.merge(other.element_shape)
        if other.written is not None and shape == self.element_shape:
            return self._with_sums(other, other.written)
        if self.written is not None and shape == other.element_shape:
            return other._with_sums(self, self.written)
        return self.with_items([_sum(a, b) for a, b in zip(self.items(), other.items())], shape)

    def _with_sums(self, other: TensorList, written: tuple[int, ...]) -> TensorList:
        """Returns the sum with a list that is written only at these indices."""
        successor = self
        for index in written:
            successor = successor.replaced(index, _sum(self.get(index), other.get(index)))
        return successor

    def __repr__(self) -> str:
        return f"<TensorList of {self.length} {self.element_dtype}{self.element_shape}>"


def _sum(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    if a.shape != b.shape:
        raise invalid(
            f"elements of shape {Shape(tuple(a.shape))} and {Shape(tuple(b.shape))} cannot be added"
        )
    return a + b


def as_list(handle: Any, dtype: DType | None = None) -> TensorList:
    """Returns the list that a variant holds. Raises INVALID_ARGUMENT if it holds no list, or one of another
    element dtype."""
    tensor_list: Any = handle[()] if type(handle) is np.ndarray and handle.ndim == 0 else handle
    if type(tensor_list) is not TensorList:
        raise invalid(f"the input must be a TensorList, but is {_described(tensor_list)}")
    if dtype is not None and tensor_list.element_dtype is not dtype:
        raise invalid(f"the list has elements of {tensor_list.element_dtype}, not of {dtype}")
    return tensor_list


def _described(handle: Any) -> str:
    if handle is NO_VALUE:
        return "an empty variant"
    shape = getattr(handle, "shape", ())
    return f"of shape {Shape(tuple(shape))}" if shape else f"a {type(handle).__name__}"


def unwritten_element(xp: Any, tensor_list: TensorList, shape: Shape, *, infer: bool = False) -> Any:
    """Returns zeros for an element that was never written, of the shape that the list and the reader state and,
    with ``infer``, that the other elements have. Raises INVALID_ARGUMENT if that is not fully known."""
    shape = shape.merge(tensor_list.element_shape)
    if infer and not shape.is_fully_known:
        shape = list_elements.merge_shapes(tensor_list.items(), shape)
    if not shape.is_fully_known:
        raise invalid(
            f"an element that was never written is read, and its shape, {shape}, is not fully known"
        )
    return list_elements.zeros(xp, shape.known(), tensor_list.element_dtype)


def check_fits(tensor_list: TensorList, item: Any) -> Any:
    """Returns the element. Raises INVALID_ARGUMENT if its shape does not fit the list's element shape."""
    if not list_elements.is_compatible(tensor_list.element_shape, item):
        raise invalid(
            f"an element of shape {Shape(tuple(item.shape))} does not fit a list of elements of shape "
            f"{tensor_list.element_shape}"
        )
    return item
