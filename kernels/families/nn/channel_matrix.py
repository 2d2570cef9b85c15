"""Tensors as matrices with one column per channel, and the checks of vectors with one element per channel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

# The number of elements of a block of rows: a few blocks of float fit the second-level cache.
_CACHED_ELEMENTS = 1 << 17


def channel_axis(rank: int, data_format: str) -> int:
    """Returns the axis of channels of a tensor of that rank."""
    return 1 if data_format.startswith("NC") else rank - 1


def with_channels(x: Shape, axis: int, channels: Any) -> Shape:
    """Returns the shape x with another size along the channel axis."""
    assert x.dims is not None
    return Shape((*x.dims[:axis], channels, *x.dims[axis + 1 :]))


def check_per_channel(x: Any, data_format: str, vectors: dict[str, Any]) -> int:
    """Returns the channel axis of x.

    Raises INVALID_ARGUMENT where x has a wrong rank, or one of the vectors not one element per channel.
    """
    rank = len(data_format)
    if x.ndim not in (rank, 4, 5):
        raise invalid(f"x must be of rank {rank} for data format {data_format}, but has shape {x.shape}")
    axis = channel_axis(x.ndim, data_format)
    for name, value in vectors.items():
        if value.shape != (x.shape[axis],):
            raise invalid(
                f"{name} must have {x.shape[axis]} elements, one per channel, but has shape {value.shape}"
            )
    return axis


@dataclass(frozen=True, slots=True)
class ChannelMatrix:
    """A tensor as a float32 matrix with one column per channel, and the layout to restore."""

    matrix: Any
    axis: int
    moved: tuple[int, ...]

    def restore(self, xp: Any, matrix: Any, dtype: Any) -> Any:
        """Returns a matrix of the same shape as a tensor in the original layout."""
        value = matrix.reshape(self.moved)
        if self.axis != len(self.moved) - 1:
            value = xp.ascontiguousarray(xp.moveaxis(value, -1, self.axis))
        return value.astype(dtype, copy=False)


def to_channel_matrix(xp: Any, x: Any, axis: int) -> ChannelMatrix:
    """Returns the tensor as a float32 matrix with one column per channel."""
    last = x if axis == x.ndim - 1 else xp.moveaxis(x, axis, -1)
    return ChannelMatrix(
        last.reshape(math.prod(last.shape[:-1]), last.shape[-1]).astype(np.float32, copy=False),
        axis,
        last.shape,
    )


def row_blocks(xp: Any, *matrices: Any) -> Iterator[tuple[Any, ...]]:
    """Yields the same few rows of each matrix at a time, so that they stay in the cache; all of them on a GPU."""
    rows, columns = matrices[0].shape
    step = rows if xp is not np else max(1, _CACHED_ELEMENTS // max(1, columns))
    for first in range(0, rows, max(step, 1)):
        yield tuple(matrix[first : first + step] for matrix in matrices)


def column_sums(xp: Any, block: Any) -> Any:
    """Sums the rows of a block by BLAS, which is several times as fast as numpy's sum."""
    return xp.ones(block.shape[0], block.dtype) @ block
