"""Shape functions that many operations share: from a ShapeContext to the shapes of the outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt.errors import invalid
from ...graphfmt.shapes import SCALAR, UNKNOWN, Shape, broadcast, merge_dim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .inference import ShapeContext


def like_input(c: ShapeContext) -> Shape:
    """One output, of the first input's shape."""
    return c.input(0)


def like_all_inputs(c: ShapeContext) -> Shape:
    """One output, of the shape that all inputs must have."""
    shape = c.input(0)
    for other in c.inputs()[1:]:
        shape = shape.merge(other)
    return shape


def broadcast_inputs(c: ShapeContext) -> Shape:
    """One output, of the shape that all inputs broadcast to."""
    shape = c.input(0)
    for other in c.inputs()[1:]:
        shape = broadcast(shape, other)
    return shape


def scalar(c: ShapeContext) -> Shape:
    """One output of rank 0."""
    return SCALAR


def unknown(c: ShapeContext) -> Sequence[Shape]:
    """Outputs of unknown rank."""
    return [UNKNOWN] * len(c.bound.output_types)


def no_outputs(c: ShapeContext) -> Sequence[Shape]:
    return []


def axis_of(axis: int, rank: int, what: str = "axis") -> int:
    """The axis counted from the front. Raises INVALID_ARGUMENT where it is not in [-rank, rank)."""
    if not -rank <= axis < rank:
        raise invalid(f"{what} {axis} is out of range for rank {rank}; it must be in [{-rank}, {rank})")
    return axis + rank if axis < 0 else axis


def matmul(c: ShapeContext) -> Shape:
    """Two matrices, either perhaps transposed (attributes transpose_a, transpose_b)."""
    a, b = c.with_rank(0, 2), c.with_rank(1, 2)
    rows, inner = (a[1], a[0]) if c.attr("transpose_a") else (a[0], a[1])
    other, columns = (b[1], b[0]) if c.attr("transpose_b") else (b[0], b[1])
    merge_dim(inner, other)
    return Shape((rows, columns))
