"""Sparse tensors as coordinates: a row of ``indices`` for each of ``values``, and the dense shape ``dims``."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import MAX_ELEMENTS, Shape, matrix, merge_dim

if TYPE_CHECKING:
    from ....graphfmt.shapes import Dim
    from ...core.inference import ShapeContext


class Coo(NamedTuple):
    """A sparse tensor whose shapes fit each other; ``indices`` is int64[count, rank], ``values`` T[count]."""

    indices: Any
    values: Any
    dims: tuple[int, ...]

    @property
    def rank(self) -> int:
        return len(self.dims)

    def keys(self) -> Any:
        """The position of each value in the flattened dense tensor, int64[count].

        Raises INVALID_ARGUMENT for an index outside of the dense shape.
        """
        return keys_of(self.indices, self.dims)


def coo(indices: Any, values: Any, shape: Any, what: str = "the sparse tensor") -> Coo:
    """Returns a sparse tensor from its three parts.

    Raises INVALID_ARGUMENT where their shapes do not fit each other, or ``shape`` is not one of a tensor.
    """
    if indices.ndim != 2 or values.ndim != 1 or shape.ndim != 1 or indices.shape != (len(values), len(shape)):
        raise invalid(
            f"{what} needs indices [count, rank], values [count] and a shape [rank], but they have shapes "
            f"{Shape(indices.shape)}, {Shape(values.shape)} and {Shape(shape.shape)}"
        )
    dims: tuple[int, ...] = tuple(shape.tolist())
    if any(d < 0 for d in dims) or prod(d or 1 for d in dims) > MAX_ELEMENTS:
        raise invalid(f"{list(dims)} is not the shape of a tensor")
    return Coo(indices, values, dims)


def keys_of(indices: Any, dims: tuple[int, ...]) -> Any:
    """The row-major positions of indices in a tensor of shape ``dims``; raises INVALID_ARGUMENT for one outside."""
    outside = (indices < 0) | (indices >= np.array(dims, np.int64).reshape(1, -1))
    if outside.any():
        row = int(outside.any(axis=1).argmax())
        raise invalid(
            f"indices[{row}] = {indices[row].tolist()} is outside of a tensor of shape {list(dims)}"
        )
    keys = np.zeros(len(indices), np.int64)
    for axis, size in enumerate(dims):
        keys = keys * size + indices[:, axis]
    return keys


def indices_of(keys: Any, dims: tuple[int, ...]) -> Any:
    """The indices, int64[count, rank], of row-major positions in a tensor of shape ``dims``."""
    if not dims:
        return np.zeros((len(keys), 0), np.int64)
    return np.stack(np.unravel_index(keys, dims), axis=1).astype(np.int64, copy=False)


def row_major(indices: Any) -> Any:
    """The stable order that sorts indices row by row."""
    return np.lexsort(indices.T[::-1]) if indices.shape[1] else np.arange(len(indices))


def check_static(c: ShapeContext, indices: int | str, values: int | str, shape: int | str) -> tuple[Dim, Dim]:
    """Returns the number of values and the rank, as far as known; raises INVALID_ARGUMENT where ranks do not fit."""
    of_indices, of_values, of_shape = c.with_rank(indices, 2), c.with_rank(values, 1), c.with_rank(shape, 1)
    return merge_dim(of_indices[0], of_values[0]), merge_dim(of_indices[1], of_shape[0])


def unknown_count(rank: Dim) -> Shape:
    """The shape of the indices of a sparse tensor with an unknown number of values."""
    return matrix(None, rank)
