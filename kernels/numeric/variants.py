"""Tensors as elements of stacks, arrays and lists: taken out of larger tensors and put together again.

Elements of rank 0 are numpy scalars, or arrays of rank 0 for strings; a variant of rank 0 is the object
itself. All of them have a ``shape``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.errors import Status, TfgError, invalid
from ...graphfmt.shapes import UNKNOWN, Shape
from .dims import claim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphfmt.dtypes import DType

# What an element takes at least, in bytes.
_SLOT = 64


class Variant:
    """What a variant tensor of rank 0 is. It passes for an array of rank 0 where it is but moved about."""

    shape = ()
    ndim = 0
    size = 1
    dtype = np.dtype(object)
    __slots__ = ()

    def reshape(self, *shape: Any) -> Any:
        """An array of the one variant."""
        made = np.empty((), object)
        made[()] = self
        return made.reshape(*shape)


class NoValue(Variant):
    """The variant that holds nothing, which is what zero is among variants."""

    __slots__ = ()

    def zeros_like(self) -> Any:
        raise invalid("an empty variant has no zeros_like")

    def __add__(self, other: Any) -> Any:
        raise TfgError(Status.INTERNAL, "an empty variant cannot be added to anything")

    __radd__ = __add__


NO_VALUE = NoValue()


def _is_object(dtype: DType) -> bool:
    return dtype.name in ("variant", "resource")


def rows(value: Any, dtype: DType) -> list[Any]:
    """The elements along the first axis."""
    if value.ndim == 1 and dtype.is_opaque and not _is_object(dtype):
        return [value[i : i + 1].reshape(()) for i in range(value.shape[0])]
    return list(value)


def stack(xp: Any, items: Sequence[Any], shape: tuple[int, ...], dtype: DType) -> Any:
    """One tensor of elements that all have this shape."""
    if not items:
        return zeros(xp, (0, *shape), dtype)
    if shape == ():
        if dtype.is_opaque:
            made = np.empty(len(items), object)
            for position, item in enumerate(items):
                made[position] = item[()] if isinstance(item, np.ndarray) else item
            return made
        return xp.array(items, dtype.numpy) if xp is np else xp.stack([xp.asarray(x) for x in items])
    if 0 in shape:
        return zeros(xp, (len(items), *shape), dtype)
    return xp.concatenate(items).reshape(len(items), *shape)


def slots(count: int) -> list[Any]:
    """Places for elements that are not there yet. Raises RESOURCE_EXHAUSTED for more than memory can hold
    with anything in them."""
    claim((count,), _SLOT)
    return [None] * count


def zeros(xp: Any, shape: tuple[int, ...], dtype: DType) -> Any:
    """What an element that was never written reads as."""
    claim(shape, dtype.size)
    if _is_object(dtype):
        if shape == ():
            return NO_VALUE
        return np.full(shape, NO_VALUE, object)
    if dtype.is_opaque:
        return np.full(shape, b"", object)
    made = xp.zeros(shape, dtype.numpy)
    return made if shape else made[()]


def zeros_like(item: Any) -> Any:
    """Zeros of an element's shape and dtype."""
    if getattr(item, "zeros_like", None) is not None:
        return item.zeros_like()
    if item.dtype != object:
        made = np.zeros_like(item)
        return made if item.shape else made[()]
    made = np.empty(item.shape, object)
    flat = made.reshape(-1)
    for position, inner in enumerate(item.reshape(-1).tolist()):
        flat[position] = inner.zeros_like() if hasattr(inner, "zeros_like") else b""
    return made


def fits(shape: Shape, item: Any) -> bool:
    """Whether an element may be of this shape."""
    dims = shape.dims
    return dims is None or dims == item.shape or shape.is_compatible(Shape(tuple(item.shape)))


def scalar(value: Any, what: str) -> int:
    """An integer argument. Raises INVALID_ARGUMENT unless it is of one element."""
    if value.size != 1:
        raise invalid(f"{what} must be a scalar, but has shape {Shape(tuple(value.shape))}")
    return int(value.item())


def shape_argument(value: Any) -> Shape:
    """The shape that an integer tensor states: a vector in which -1 is unknown, or the scalar -1, which is
    an unknown rank. Raises INVALID_ARGUMENT for anything else."""
    if value.ndim == 0:
        if value.item() != -1:
            raise invalid(f"as a shape, a scalar must be -1, for an unknown rank, not {value.item()}")
        return UNKNOWN
    if value.ndim != 1:
        raise invalid(f"a shape must be a vector, but has shape {Shape(tuple(value.shape))}")
    dims = value.tolist()
    if any(dim < -1 for dim in dims):
        raise invalid(f"a dimension must not be negative, but the shape is {dims}")
    return Shape(tuple(None if dim == -1 else dim for dim in dims))


def common_shape(items: Sequence[Any], shape: Shape) -> Shape:
    """The shape of all items that are not None, which must be one and fit. Raises INVALID_ARGUMENT."""
    for item in items:
        if item is not None and shape.dims != item.shape:
            found = Shape(tuple(item.shape))
            if not shape.is_compatible(found):
                raise invalid(f"elements must be of one shape, but one of shape {found} is not of {shape}")
            shape = found
    return shape
