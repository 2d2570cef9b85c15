"""Tensors as elements of stacks, tensor arrays and tensor lists: unstacking, stacking, zeros, common shapes.

Elements of rank 0 are numpy scalars, or arrays of rank 0 for strings; a variant of rank 0 is the object itself. All
of them have a ``shape``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.errors import invalid
from ...graphfmt.shapes import Shape
from .int_arguments import check_allocation
from .variants import NO_VALUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphfmt.dtypes import DType

# The least memory that an element takes, in bytes.
_SLOT_BYTES = 64


def _is_object(dtype: DType) -> bool:
    return dtype.name in ("variant", "resource")


def unstack(value: Any, dtype: DType) -> list[Any]:
    """Returns the elements of a tensor along its first axis."""
    if value.ndim == 1 and dtype.is_opaque and not _is_object(dtype):
        return [value[i : i + 1].reshape(()) for i in range(value.shape[0])]
    return list(value)


def stack(xp: Any, items: Sequence[Any], shape: tuple[int, ...], dtype: DType) -> Any:
    """Stacks elements, all of the given shape, along a new first axis."""
    if not items:
        return zeros(xp, (0, *shape), dtype)
    if shape == ():
        if dtype.is_opaque:
            array = np.empty(len(items), object)
            for position, item in enumerate(items):
                array[position] = item[()] if isinstance(item, np.ndarray) else item
            return array
        return xp.array(items, dtype.numpy) if xp is np else xp.stack([xp.asarray(x) for x in items])
    if 0 in shape:
        return zeros(xp, (len(items), *shape), dtype)
    return xp.concatenate(items).reshape(len(items), *shape)


def empty_slots(count: int) -> list[Any]:
    """Returns ``count`` times None, for elements to be written later.

    Raises RESOURCE_EXHAUSTED where the memory of this computer cannot hold so many elements.
    """
    check_allocation((count,), _SLOT_BYTES)
    return [None] * count


def zeros(xp: Any, shape: tuple[int, ...], dtype: DType) -> Any:
    """Returns the value of an element that was never written: zeros, empty strings or empty variants."""
    check_allocation(shape, dtype.size)
    if _is_object(dtype):
        if shape == ():
            return NO_VALUE
        return np.full(shape, NO_VALUE, object)
    if dtype.is_opaque:
        return np.full(shape, b"", object)
    array = xp.zeros(shape, dtype.numpy)
    return array if shape else array[()]


def zeros_like(item: Any) -> Any:
    """Returns zeros of the shape and dtype of an element."""
    if getattr(item, "zeros_like", None) is not None:
        return item.zeros_like()
    if item.dtype != object:
        array = np.zeros_like(item)
        return array if item.shape else array[()]
    array = np.empty(item.shape, object)
    flat = array.reshape(-1)
    for position, inner in enumerate(item.reshape(-1).tolist()):
        flat[position] = inner.zeros_like() if hasattr(inner, "zeros_like") else b""
    return array


def is_compatible(shape: Shape, item: Any) -> bool:
    """True if the shape of an element is compatible with ``shape``."""
    dims = shape.dims
    return dims is None or dims == item.shape or shape.is_compatible(Shape(tuple(item.shape)))


def merge_shapes(items: Sequence[Any], shape: Shape) -> Shape:
    """Merges ``shape`` with the shapes of all items that are not None.

    Raises INVALID_ARGUMENT where two of them are not compatible.
    """
    for item in items:
        if item is not None and shape.dims != item.shape:
            item_shape = Shape(tuple(item.shape))
            if not shape.is_compatible(item_shape):
                raise invalid(
                    f"elements must be of one shape, but one of shape {item_shape} is not of {shape}"
                )
            shape = item_shape
    return shape
