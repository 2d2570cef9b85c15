"""Integer arguments of operations (shapes, sizes, axes): read from tensors, checked, and refused with one wording."""

from __future__ import annotations

import os
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.errors import Status, TfgError, invalid
from ...graphfmt.shapes import LARGEST_ITEM, MAX_RANK, UNKNOWN, Dim, Shape, check_bytes
from ..core import facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.inference import ShapeContext

# Allocations below this many bytes are not compared with the memory of the computer.
_SMALL = 2**30
# The rank that numpy's arrays have at most.
_LARGEST_RANK = 64 if int(np.__version__.partition(".")[0]) >= 2 else 32


def check_integers(values: Any, what: str) -> None:
    """Raises INVALID_ARGUMENT for an array of anything but integers."""
    if values.dtype.kind not in "iu":
        raise invalid(f"{what} must be of integers, but is of dtype {values.dtype}")


def int_vector(values: Any, what: str) -> tuple[int, ...]:
    """Returns the elements of a vector or scalar of integers. Raises INVALID_ARGUMENT for higher ranks."""
    check_integers(values, what)
    if values.ndim > 1:
        raise invalid(f"{what} must be a vector, but has shape {Shape(values.shape)}")
    elements = values.tolist()
    return tuple(elements) if values.ndim else (elements,)


def int_scalar(value: Any, what: str) -> int:
    """Returns the only element of a tensor. Raises INVALID_ARGUMENT unless it has exactly one."""
    check_integers(value, what)
    if value.size != 1:
        raise invalid(f"{what} must be a scalar, but has shape {Shape(value.shape)}")
    return int(value.item())


def bool_scalar(value: Any, what: str) -> bool:
    """Returns a boolean. Raises INVALID_ARGUMENT for a tensor of another rank than 0."""
    dims = getattr(value, "shape", ())
    if dims:
        raise invalid(f"{what} must be a scalar, but has shape {list(dims)}")
    return bool(value)


def nonnegative_scalar(value: Any, what: str) -> int:
    """Returns a scalar that states a size. Raises INVALID_ARGUMENT for other ranks and negative values."""
    check_integers(value, what)
    if value.ndim:
        raise invalid(f"{what} must be a scalar, but has shape {list(value.shape)}")
    size = int(value)
    if size < 0:
        raise invalid(f"{what} must not be negative, but is {size}")
    return size


def known_shape(value: Any) -> tuple[int, ...]:
    """Reads a shape from an integer vector.

    Raises INVALID_ARGUMENT for other ranks and negative or too large sizes.
    """
    check_integers(value, "a shape")
    if value.ndim != 1:
        raise invalid(f"a shape must be a vector, but has shape {list(value.shape)}")
    dims = tuple(value.tolist())
    if any(dim < 0 for dim in dims):
        raise invalid(f"a shape must not have negative dimensions, but is {list(dims)}")
    check_bytes(dims, 1)
    _check_rank(len(dims))
    return dims


def partial_shape(value: Any) -> Shape:
    """Reads a shape from a vector in which -1 is an unknown size, or from the scalar -1, an unknown rank.

    Raises INVALID_ARGUMENT for anything else.
    """
    check_integers(value, "a shape")
    if value.ndim == 0:
        if value.item() != -1:
            raise invalid(f"a scalar shape must be -1 (unknown rank), but is {value.item()}")
        return UNKNOWN
    if value.ndim != 1:
        raise invalid(f"a shape must be a vector, but has shape {Shape(tuple(value.shape))}")
    dims = value.tolist()
    if any(dim < -1 for dim in dims):
        raise invalid(f"a dimension must not be negative, but the shape is {dims}")
    return Shape(tuple(None if dim == -1 else dim for dim in dims))


def normalize_axis(axis: int, rank: int, what: str = "axis") -> int:
    """Returns the axis counted from the front. Raises INVALID_ARGUMENT where it is not in [-rank, rank)."""
    if not -rank <= axis < rank:
        raise invalid(f"{what} {axis} is out of range for rank {rank}; it must be in [{-rank}, {rank})")
    return axis + rank if axis < 0 else axis


def static_axis(c: ShapeContext, key: int | str) -> int | None:
    """Returns the value of an axis input during shape inference, None where unknown.

    Raises INVALID_ARGUMENT where the input is not a scalar.
    """
    c.with_rank(key, 0)
    elements = c.elements(key)
    return None if elements is None else elements[0]


def check_dims(dims: Sequence[int], what: str = "shape") -> tuple[int, ...]:
    """Returns the dimensions of a tensor as a tuple.

    Raises INVALID_ARGUMENT for negative sizes and for more than MAX_ELEMENTS elements.
    """
    for size in dims:
        if size < 0:
            raise invalid(f"{what} {list(dims)} has the negative dimension {size}")
    check_bytes(dims, LARGEST_ITEM)
    _check_rank(len(dims))
    return tuple(dims)


def _check_rank(rank: int) -> None:
    """Raises INVALID_ARGUMENT for a rank that TensorFlow refuses, UNIMPLEMENTED for one that numpy cannot hold."""
    if rank <= _LARGEST_RANK:
        return
    if rank >= MAX_RANK:
        raise invalid(f"too many dimensions: must be < {MAX_RANK}, but received {rank}")
    raise TfgError(
        Status.UNIMPLEMENTED, f"tensors have at most {_LARGEST_RANK} dimensions, but {rank} are asked for"
    )


def check_allocation(dims: Sequence[int], itemsize: int, what: str = "shape") -> tuple[int, ...]:
    """Checks the dimensions of a tensor before it is allocated, and returns them.

    Raises INVALID_ARGUMENT for impossible dimensions, and RESOURCE_EXHAUSTED for more bytes than the computer has
    memory.
    """
    checked = check_dims(dims, what)
    size = prod(checked) * itemsize
    if size > _SMALL and size > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        raise TfgError(
            Status.RESOURCE_EXHAUSTED, f"no memory for a tensor of shape {list(checked)}: {size} bytes"
        )
    return checked


def static_elements(c: ShapeContext, key: int) -> tuple[Dim, ...] | None:
    """Returns the elements of a scalar or vector input during shape inference, each None where unknown.

    Returns None where even their number is unknown.
    """
    elements = c.elements(key)
    if elements is not None:
        return elements
    shape = c.input(key)
    if shape.dims is None or len(shape.dims) > 1 or None in shape.dims:
        return None
    return None if shape.size is None or shape.size > facts.MAX_ELEMENTS else (None,) * shape.size
