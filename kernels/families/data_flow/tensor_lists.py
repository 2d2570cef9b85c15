"""TensorLists: the immutable lists of tensors that variants carry through graphs.

A variant tensor of rank 0 *is* the list, never an array around it; a variant tensor of another rank is an
object array of lists. A list passes for an array of rank 0 where only ``shape``, ``ndim`` and ``dtype`` are
looked at, so operations that move values without looking into them take it as it is.
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

# Of how many elements a list remembers that they are all there are.
_FEW = 8


class TensorList(Variant, PersistentList):
    """A list of tensors; None is one that was never written.

    ``limit`` is the most elements that may be pushed, unless negative. ``places`` are the indices of the
    elements that were written, where they are few and known: the gradient of reading one element of a list
    is a list of which that one is written, and a loop adds up many of those.
    """

    __slots__ = ("element_dtype", "element_shape", "limit", "places")

    def __init__(
        self, element_dtype: DType, element_shape: Shape, items: list[Any] | None = None, limit: int = -1
    ) -> None:
        """Takes ``items`` over; nobody else may change it."""
        super().__init__([] if items is None else items)
        self.element_dtype = element_dtype
        self.element_shape = element_shape
        self.limit = limit
        self.places: tuple[int, ...] | None = None

    def with_items(self, items: list[Any], shape: Shape | None = None) -> TensorList:
        """A list like this one with other elements."""
        return TensorList(self.element_dtype, shape or self.element_shape, items, self.limit)

    def pushed(self, item: Any) -> TensorList:
        """The list with one more element at its end."""
        made = self._like()
        self._push(made, item)
        return made

    def popped(self) -> TensorList:
        """The list without its last element, of which there must be one."""
        made = self._like()
        self._pop(made)
        return made

    def replaced(self, index: int, item: Any) -> TensorList:
        """The list with another element at an index within its length."""
        made = self._like()
        self._set(made, index, item)
        places = self.places
        if places is not None:
            made.places = places if index in places else (*places, index) if len(places) < _FEW else None
        return made

    def _like(self) -> TensorList:
        made = TensorList.__new__(TensorList)
        made.element_dtype = self.element_dtype
        made.element_shape = self.element_shape
        made.limit = self.limit
        made.places = None
        return made

    def zeros_like(self) -> TensorList:
        """A list of zeros of the same shapes."""
        made = self.with_items([None if x is None else list_elements.zeros_like(x) for x in self.items()])
        made.places = self.places
        return made

    def __add__(self, other: Any) -> TensorList:
        """The list of sums; an element that was never written counts as zeros.

        Raises INVALID_ARGUMENT for lists of other dtypes, lengths or shapes.
        """
        if not isinstance(other, TensorList):
            return NotImplemented
        if self.element_dtype is not other.element_dtype:
            raise invalid(f"lists of {self.element_dtype} and {other.element_dtype} cannot be added")
        if self.length != other.length:
            raise invalid(f"lists of {self.length} and {other.length} elements cannot be added")
        shape = self.element_shape.merge(other.element_shape)
        if other.places is not None and shape == self.element_shape:
            return self._with_sums(other, other.places)
        if self.places is not None and shape == other.element_shape:
            return other._with_sums(self, self.places)
        return self.with_items([_sum(a, b) for a, b in zip(self.items(), other.items())], shape)

    def _with_sums(self, other: TensorList, places: tuple[int, ...]) -> TensorList:
        """The sum with a list that is written at a few places."""
        made = self
        for place in places:
            made = made.replaced(place, _sum(self.get(place), other.get(place)))
        return made

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
    """The list that a variant is. Raises INVALID_ARGUMENT where it is none, or is of another dtype."""
    found: Any = handle[()] if type(handle) is np.ndarray and handle.ndim == 0 else handle
    if type(found) is not TensorList:
        raise invalid(f"a list is needed, but the input is {_described(found)}")
    if dtype is not None and found.element_dtype is not dtype:
        raise invalid(f"the list is of {found.element_dtype}, but {dtype} is asked of it")
    return found


def _described(handle: Any) -> str:
    if handle is NO_VALUE:
        return "an empty variant"
    shape = getattr(handle, "shape", ())
    return f"of shape {Shape(tuple(shape))}" if shape else f"a {type(handle).__name__}"


def unwritten_element(xp: Any, found: TensorList, shape: Shape, *, infer: bool = False) -> Any:
    """What an element that was never written reads as: zeros of the shape that the list and the reader
    state, and, to ``infer``, the other elements. Raises INVALID_ARGUMENT where that is not fully known."""
    shape = shape.merge(found.element_shape)
    if infer and not shape.is_fully_known:
        shape = list_elements.merge_shapes(found.items(), shape)
    if not shape.is_fully_known:
        raise invalid(
            f"an element that was never written is read, and its shape, {shape}, is not fully known"
        )
    return list_elements.zeros(xp, shape.known(), found.element_dtype)


def check_fits(found: TensorList, item: Any) -> Any:
    """An element that is to go into a list. Raises INVALID_ARGUMENT where its shape does not fit."""
    if not list_elements.is_compatible(found.element_shape, item):
        raise invalid(
            f"an element of shape {Shape(tuple(item.shape))} does not fit a list of elements of shape "
            f"{found.element_shape}"
        )
    return item
