"""Static facts of tensors: dtype, shape and, where known, values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt import dtypes
from ...graphfmt.shapes import UNKNOWN, Dim, Shape

if TYPE_CHECKING:
    from ...graphfmt.dtypes import DType
    from ...graphfmt.tensors import Array

# Larger constants are not looked into while shapes are inferred.
MAX_ELEMENTS = 1024


class Handle(NamedTuple):
    """The variable that a resource handle refers to: dtype and static shape of its value."""

    dtype: DType
    shape: Shape


class Fact(NamedTuple):
    """``constant`` is the value where it is known; ``elements`` the flattened elements of a small integer
    tensor, None where unknown, so that ``[batch, 784]`` is of use while the batch is not known yet."""

    dtype: DType
    shape: Shape = UNKNOWN
    constant: Array | None = None
    elements: tuple[Dim, ...] | None = None
    handle: Handle | None = None


def constant_fact(array: Array, dtype: DType) -> Fact:
    """Returns the fact of a known value."""
    elements = None
    if dtype in (dtypes.int32, dtypes.int64) and array.size <= MAX_ELEMENTS and array.ndim <= 1:
        elements = tuple(array.reshape(-1).tolist())
    return Fact(dtype, Shape(tuple(array.shape)), array, elements)


def carries_gradient(dtype: DType) -> bool:
    """True if tensors of a dtype have gradients, or lead to tensors that have (handles, references, lists)."""
    return dtype.base.is_differentiable or dtype.base.name in ("resource", "variant")
