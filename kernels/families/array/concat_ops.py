"""Concatenation of tensors along an axis: Concat, ConcatV2, ParallelConcat, and ConcatOffset for its gradient."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import TfgError, invalid
from ....graphfmt.shapes import UNKNOWN, Dim, Shape
from ...core.registry import Family
from ...core.types import INDEX
from ...numeric.int_arguments import int_scalar, normalize_axis, static_axis, static_elements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.binding import Binding
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="axis concat_dim shape")
op = family.op


def concat_shape(inputs: Sequence[Shape], axis: int | None) -> Shape:
    """Returns the static shape of a concatenation. Raises INVALID_ARGUMENT where other axes differ."""
    known = [s.dims for s in inputs if s.dims is not None]
    if not known:
        return UNKNOWN
    rank = len(known[0])
    if rank == 0:
        raise invalid("scalars cannot be concatenated", hint="use Pack")
    if axis is None:
        for shape in inputs:
            Shape((None,) * rank).merge(shape)
        return Shape((None,) * rank)
    at = normalize_axis(axis, rank, "concatenation axis")
    sizes = [s[at] if s.dims is None or len(s.dims) == rank else None for s in inputs]
    merged = Shape((None,) * rank)
    for shape in inputs:
        merged = merged.merge(shape if shape.dims is None else with_size(shape.dims, at, None))
    total = None if None in sizes else sum(size for size in sizes if size is not None)
    assert merged.dims is not None
    return with_size(merged.dims, at, total)


def with_size(dims: Sequence[Dim], axis: int, size: Dim) -> Shape:
    """Returns the shape of these dimensions with another size along an axis."""
    return Shape(tuple(size if i == axis else d for i, d in enumerate(dims)))


def _mismatch(values: Sequence[Any], axis: int) -> TfgError:
    """Returns the error for tensors that cannot be concatenated."""
    shown = ", ".join(str(Shape(v.shape)) for v in values[:8])
    return invalid(f"tensors of shapes {shown} cannot be concatenated along axis {axis}")


def concatenate(xp: Any, values: Sequence[Any], axis: int) -> Any:
    """Returns the tensors joined along an axis. Raises INVALID_ARGUMENT where they do not fit."""
    try:
        return xp.concatenate(values, axis)
    except (ValueError, IndexError):
        raise _mismatch(values, axis) from None


concat_v2 = op(
    f"ConcatV2(values: N*T, axis: Tidx; N: int >= 2, T: type, Tidx: type in {INDEX} = int32) -> (output: T)",
    shape=lambda c: concat_shape(c.inputs("values"), static_axis(c, "axis")),
    allocates_output=True,
)


@concat_v2.kernel
def _(xp: Any, values: Sequence[Any], axis: Any) -> Any:
    return concatenate(xp, values, int_scalar(axis, "the concatenation axis"))


@concat_v2.bind
def _(b: Binding) -> Any:
    axis = b.inputs[-1].constant
    if axis is None or axis.size != 1:
        return None
    return partial(_concatenate_bound, b.xp, int(axis.item()))


def _concatenate_bound(xp: Any, axis: int, *values: Any) -> Any:
    return concatenate(xp, values[:-1], axis)


def _concat_elements(c: ShapeContext, places: range) -> tuple[Dim, ...] | None:
    """Returns the elements of a concatenation of vectors of sizes, None where unknown."""
    elements: list[Dim] = []
    for place in places:
        part = static_elements(c, place)
        if part is None or c.input(place).rank == 0:
            return None
        elements.extend(part)
    return tuple(elements)


@concat_v2.elements
def _(c: ShapeContext) -> tuple[Dim, ...] | None:
    return _concat_elements(c, range(len(c.facts) - 1))


concat = op(
    "Concat(concat_dim: int32, values: N*T; N: int >= 2, T: type) -> (output: T)",
    shape=lambda c: concat_shape(c.inputs("values"), static_axis(c, 0)),
    allocates_output=True,
)


@concat.kernel
def _(xp: Any, concat_dim: Any, values: Sequence[Any]) -> Any:
    return concatenate(xp, values, int_scalar(concat_dim, "the concatenation axis"))


@concat.elements
def _(c: ShapeContext) -> tuple[Dim, ...] | None:
    return _concat_elements(c, range(1, len(c.facts)))


def _concat_gradient(g: GraphBuilder, values: Sequence[Tensor], axis: Tensor, dy: Tensor) -> list[Tensor]:
    """Returns the parts of dy that belong to each value."""
    where = axis.fact.constant
    if where is not None:
        sizes = [v.shape[int(where.item())] for v in values]
        if None not in sizes:
            return g.SplitV(
                dy, g.constant(np.array(sizes, np.int64)), g.cast(axis, dtypes.int32), num_split=len(sizes)
            )
    extents = g.ShapeN(list(values))
    at = g.cast(axis, dtypes.int32)
    if where is None or where.item() < 0:
        rank = g.Rank(values[0])
        at = g.FloorMod(at, rank)
    offsets = g.ConcatOffset(at, extents)
    return [g.Slice(dy, offset, extent) for offset, extent in zip(offsets, extents)]


@concat_v2.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
    *values, axis = node.inputs
    return [*_concat_gradient(g, values, axis, dy), None]


@concat.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
    axis, *values = node.inputs
    return [None, *_concat_gradient(g, values, axis, dy)]


def _offset_shapes(c: ShapeContext) -> list[Shape]:
    c.with_rank(0, 0)
    return [c.input(i) for i in range(1, len(c.facts))]


concat_offset = op(
    "ConcatOffset(concat_dim: int32, shape: N*shape_type; N: int >= 2, "
    f"shape_type: type in {INDEX} = int32) -> "
    "(offset: N*shape_type)",
    shape=_offset_shapes,
    differentiable=False,
    allocates_output=True,
    host_outputs=True,
)


@concat_offset.kernel
def _(xp: Any, concat_dim: Any, extents: Sequence[Any]) -> list[Any]:
    if concat_dim.ndim:
        raise invalid(f"concat_dim must be a scalar, but has shape {Shape(concat_dim.shape)}")
    first = extents[0]
    for extent in extents:
        if extent.ndim != 1 or extent.shape != first.shape:
            raise invalid(f"shapes of different ranks {[e.size for e in extents[:8]]} cannot be concatenated")
    at = normalize_axis(int(concat_dim), first.size, "concat_dim")
    _check_other_axes(extents, at)
    offsets: list[Any] = []
    start = 0
    for extent in extents:
        offset = np.zeros_like(extent)
        if start > np.iinfo(offset.dtype).max:
            raise invalid(f"the offset {start} is too large for {offset.dtype}")
        offset[at] = start
        start += int(extent[at])
        offsets.append(offset)
    return offsets


def _check_other_axes(extents: Sequence[Any], at: int) -> None:
    """Raises INVALID_ARGUMENT where shapes differ in another axis than ``at``."""
    others = np.delete(np.stack(extents), at, axis=1)
    if (others != others[0]).any():
        shown = [extent.tolist() for extent in extents[:8]]
        raise invalid(f"shapes {shown} differ in other axes than {at}, so they cannot be concatenated")


def _parallel_concat_shape(c: ShapeContext) -> Shape:
    wanted: Shape = c.attr("shape")
    if not wanted.is_fully_known:
        raise invalid(f"the shape {wanted} of ParallelConcat must be fully known")
    for shape in c.inputs():
        if shape.dims is not None and shape.dims != (1, *wanted.known()[1:]):
            shape.merge(Shape((1, *wanted.known()[1:])))
    return wanted


parallel_concat = op(
    "ParallelConcat(values: N*T; N: int >= 1, T: type, shape: shape) -> (output: T)",
    shape=_parallel_concat_shape,
    allocates_output=True,
    differentiable=True,
)


@parallel_concat.kernel
def _(xp: Any, values: Sequence[Any], *, shape: Shape) -> Any:
    output = concatenate(xp, values, 0)
    if output.shape != shape.dims:
        raise _mismatch(values, 0)
    return output
