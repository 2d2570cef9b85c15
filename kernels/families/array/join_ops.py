"""Several tensors put together into one, and one taken apart into several."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import TfgError, invalid
from ....graphfmt.shapes import SCALAR, UNKNOWN, Dim, Shape, merge_dim
from ...core.facts import Fact, of_constant
from ...core.registry import Family
from ...core.types import INDEX
from ...numeric.int_arguments import int_scalar, int_vector, normalize_axis, static_axis, static_elements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.binding import Binding
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op

# Concatenation


def _concatenated(inputs: Sequence[Shape], axis: int | None) -> Shape:
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
        merged = merged.merge(shape if shape.dims is None else _with(shape.dims, at, None))
    total = None if None in sizes else sum(size for size in sizes if size is not None)
    assert merged.dims is not None
    return _with(merged.dims, at, total)


def _with(dims: Sequence[Dim], axis: int, size: Dim) -> Shape:
    return Shape(tuple(size if i == axis else d for i, d in enumerate(dims)))


def _mismatch(values: Sequence[Any], axis: int) -> TfgError:
    shown = ", ".join(str(Shape(v.shape)) for v in values[:8])
    return invalid(f"tensors of shapes {shown} cannot be concatenated along axis {axis}")


def _concatenate(xp: Any, values: Sequence[Any], axis: int) -> Any:
    try:
        return xp.concatenate(values, axis)
    except (ValueError, IndexError):
        raise _mismatch(values, axis) from None


concat_v2 = op(
    f"ConcatV2(values: N*T, axis: Tidx; N: int >= 2, T: type, Tidx: type in {INDEX} = int32) -> (output: T)",
    shape=lambda c: _concatenated(c.inputs("values"), static_axis(c, "axis")),
    allocates_output=True,
)


@concat_v2.kernel
def _(xp: Any, values: Sequence[Any], axis: Any) -> Any:
    return _concatenate(xp, values, int_scalar(axis, "the concatenation axis"))


@concat_v2.bind
def _(b: Binding) -> Any:
    axis = b.inputs[-1].constant
    if axis is None or axis.size != 1:
        return None
    return partial(_concatenate_bound, b.xp, int(axis.item()))


def _concatenate_bound(xp: Any, axis: int, *values: Any) -> Any:
    return _concatenate(xp, values[:-1], axis)


def _concat_elements(c: ShapeContext, places: range) -> tuple[Dim, ...] | None:
    found: list[Dim] = []
    for place in places:
        part = static_elements(c, place)
        if part is None or c.input(place).rank == 0:
            return None
        found.extend(part)
    return tuple(found)


@concat_v2.elements
def _(c: ShapeContext) -> tuple[Dim, ...] | None:
    return _concat_elements(c, range(len(c.facts) - 1))


concat = op(
    "Concat(concat_dim: int32, values: N*T; N: int >= 2, T: type) -> (output: T)",
    shape=lambda c: _concatenated(c.inputs("values"), static_axis(c, 0)),
    allocates_output=True,
)


@concat.kernel
def _(xp: Any, concat_dim: Any, values: Sequence[Any]) -> Any:
    return _concatenate(xp, values, int_scalar(concat_dim, "the concatenation axis"))


@concat.elements
def _(c: ShapeContext) -> tuple[Dim, ...] | None:
    return _concat_elements(c, range(1, len(c.facts)))


def _concat_gradient(g: GraphBuilder, values: Sequence[Tensor], axis: Tensor, dy: Tensor) -> list[Tensor]:
    """The pieces of dy that belong to each value."""
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
    _check_alike(extents, at)
    offsets: list[Any] = []
    start = 0
    for extent in extents:
        offset = np.zeros_like(extent)
        offset[at] = start
        start += int(extent[at])
        offsets.append(offset)
    return offsets


def _check_alike(extents: Sequence[Any], at: int) -> None:
    others = np.delete(np.stack(extents), at, axis=1)
    if (others != others[0]).any():
        shown = [extent.tolist() for extent in extents[:8]]
        raise invalid(f"shapes {shown} differ in other axes than {at}, so they cannot be concatenated")


def _parallel_concat(c: ShapeContext) -> Shape:
    wanted: Shape = c.attr("shape")
    if not wanted.is_fully_known:
        raise invalid(f"the shape {wanted} of ParallelConcat must be fully known")
    for shape in c.inputs():
        if shape.dims is not None and shape.dims != (1, *wanted.known()[1:]):
            shape.merge(Shape((1, *wanted.known()[1:])))
    return wanted


parallel_concat = op(
    "ParallelConcat(values: N*T; N: int >= 1, T: type, shape: shape) -> (output: T)",
    shape=_parallel_concat,
    allocates_output=True,
    differentiable=True,
)


@parallel_concat.kernel
def _(xp: Any, values: Sequence[Any], *, shape: Shape) -> Any:
    found = _concatenate(xp, values, 0)
    if found.shape != shape.dims:
        raise _mismatch(values, 0)
    return found


# Pack and Unpack


def _packed(c: ShapeContext) -> Shape:
    merged = c.input(0)
    for shape in c.inputs()[1:]:
        merged = merged.merge(shape)
    if merged.dims is None:
        return UNKNOWN
    at = normalize_axis(c.attr("axis"), len(merged.dims) + 1)
    return Shape((*merged.dims[:at], len(c.facts), *merged.dims[at:]))


pack = op(
    "Pack(values: N*T; N: int >= 1, T: type, axis: int = 0) -> (output: T)",
    shape=_packed,
    allocates_output=True,
)


@pack.kernel
def _(xp: Any, values: Sequence[Any], *, axis: int) -> Any:
    first = values[0]
    shape = first.shape
    for value in values:
        if value.shape != shape:
            shown = ", ".join(str(Shape(v.shape)) for v in values[:8])
            raise invalid(f"tensors of different shapes {shown} cannot be packed")
    at = normalize_axis(axis, len(shape) + 1)
    if not shape and xp is np and first.dtype != object:
        return np.array(values, first.dtype)
    return xp.stack(values, at)


@pack.elements
def _(c: ShapeContext) -> tuple[Dim, ...] | None:
    found = [c.elements(place) for place in range(len(c.facts))]
    if any(shape.rank != 0 for shape in c.inputs()):
        return None
    return tuple(None if part is None else part[0] for part in found)


@pack.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor]:
    return g.Unpack(dy, num=len(node.inputs), axis=node.attr("axis"))


def _unpacked(c: ShapeContext) -> Sequence[Shape | Fact]:
    count, dims = c.attr("num"), c.input(0).dims
    if dims is None:
        return [UNKNOWN] * count
    if not dims:
        raise invalid("a scalar cannot be unpacked")
    at = normalize_axis(c.attr("axis"), len(dims))
    merge_dim(dims[at], count)
    elements = c.elements(0)
    if len(dims) == 1 and elements is not None:
        return [_scalar_fact(c.dtype(0), element) for element in elements]
    return [Shape((*dims[:at], *dims[at + 1 :]))] * count


def _scalar_fact(dtype: DType, element: Dim) -> Fact:
    """One size out of a shape, which is of use to those that compute shapes with it."""
    if element is None:
        return Fact(dtype, SCALAR)
    return of_constant(np.array(element, dtype.numpy), dtype)


unpack = op("Unpack(value: T; num: int >= 0, T: type, axis: int = 0) -> (output: num*T)", shape=_unpacked)


@unpack.kernel
def _(xp: Any, value: Any, *, num: int, axis: int) -> list[Any]:
    if value.ndim == 0:
        raise invalid("a scalar cannot be unpacked")
    at = normalize_axis(axis, value.ndim)
    if value.shape[at] != num:
        raise invalid(f"a tensor of shape {Shape(value.shape)} cannot be unpacked into {num} along axis {at}")
    before = (slice(None),) * at
    return [value[(*before, i, ...)] for i in range(num)]


@unpack.gradient
def _(g: GraphBuilder, node: NodeView, *dys: Tensor | None) -> Tensor:
    return g.Pack(_all(g, node, dys), axis=node.attr("axis"))


def _all(g: GraphBuilder, node: NodeView, dys: Sequence[Tensor | None]) -> list[Tensor]:
    """The gradients of all outputs, zeros for those that nothing depends on."""
    return [g.zeros_like(out) if dy is None else dy for out, dy in zip(node.outputs, dys)]


# Split


def _split_shape(c: ShapeContext) -> list[Shape]:
    count, dims, axis = c.attr("num_split"), c.input(1).dims, static_axis(c, 0)
    if dims is None:
        return [UNKNOWN] * count
    if not dims:
        raise invalid("a scalar cannot be split")
    if axis is None and len(dims) > 1:
        return [Shape((None,) * len(dims))] * count
    at = normalize_axis(axis or 0, len(dims), "split_dim")
    size = dims[at]
    if size is not None and size % count:
        raise invalid(f"axis {at} of shape {c.input(1)} cannot be split into {count} equal parts")
    return [_with(dims, at, None if size is None else size // count)] * count


split = op(
    "Split(split_dim: int32, value: T; num_split: int >= 1, T: type) -> (output: num_split*T)",
    shape=_split_shape,
)


@split.kernel
def _(xp: Any, split_dim: Any, value: Any, *, num_split: int) -> list[Any]:
    if value.ndim == 0:
        raise invalid("a scalar cannot be split")
    at = normalize_axis(_split_axis(split_dim), value.ndim, "split_dim")
    size = value.shape[at]
    if size % num_split:
        raise invalid(f"axis {at} of shape {Shape(value.shape)} cannot be split into {num_split} equal parts")
    return _pieces(value, at, [size // num_split] * num_split)


def _split_axis(split_dim: Any) -> int:
    return int_scalar(split_dim, "split_dim")


def _pieces(value: Any, at: int, sizes: Sequence[int]) -> list[Any]:
    before = (slice(None),) * at
    found: list[Any] = []
    start = 0
    for size in sizes:
        found.append(value[(*before, slice(start, start + size))])
        start += size
    return found


@split.gradient
def _(g: GraphBuilder, node: NodeView, *dys: Tensor | None) -> tuple[None, Tensor]:
    return None, _joined(g, _all(g, node, dys), node.inputs[0])


def _joined(g: GraphBuilder, parts: Sequence[Tensor], axis: Tensor) -> Tensor:
    return parts[0] if len(parts) == 1 else g.ConcatV2(list(parts), axis)


def _split_v_shape(c: ShapeContext) -> list[Shape]:
    count, dims, axis = c.attr("num_split"), c.input(0).dims, static_axis(c, 2)
    c.input(1).merge(Shape((count,)))
    if dims is None:
        return [UNKNOWN] * count
    if not dims:
        raise invalid("a scalar cannot be split")
    if axis is None and len(dims) > 1:
        return [Shape((None,) * len(dims))] * count
    at = normalize_axis(axis or 0, len(dims), "split_dim")
    sizes = c.elements(1)
    if sizes is None or None in sizes:
        constant = c.constant(1)
        if constant is None:
            return [_with(dims, at, dims[at] if count == 1 else None)] * count
        sizes = tuple(constant.tolist())
    known = [size for size in sizes if size is not None]
    total = dims[at]
    if total is None:
        return [_with(dims, at, None if size == -1 else size) for size in known]
    return [_with(dims, at, size) for size in _full_sizes(known, total)]


def _full_sizes(sizes: Sequence[int], total: int) -> list[int]:
    """The sizes with a single -1 worked out. Raises INVALID_ARGUMENT where they do not add up."""
    if min(sizes, default=0) < -1 or sizes.count(-1) > 1:
        raise invalid(f"size_splits {list(sizes)} may have a single -1, and no other negative number")
    rest = total - sum(size for size in sizes if size != -1)
    if rest < 0 or (rest and -1 not in sizes):
        raise invalid(f"size_splits {list(sizes)} do not add up to {total}")
    return [rest if size == -1 else size for size in sizes]


split_v = op(
    "SplitV(value: T, size_splits: Tlen, split_dim: int32; num_split: int >= 1, T: type, "
    "Tlen: type in {int8, int32, int64} = int64) -> (output: num_split*T)",
    shape=_split_v_shape,
)


@split_v.kernel
def _(xp: Any, value: Any, size_splits: Any, split_dim: Any, *, num_split: int) -> list[Any]:
    if value.ndim == 0:
        raise invalid("a scalar cannot be split")
    if size_splits.shape != (num_split,):
        raise invalid(
            f"size_splits must have {num_split} elements, but is of shape {Shape(size_splits.shape)}"
        )
    at = normalize_axis(_split_axis(split_dim), value.ndim, "split_dim")
    return _pieces(value, at, _full_sizes(int_vector(size_splits, "size_splits"), value.shape[at]))


@split_v.gradient
def _(g: GraphBuilder, node: NodeView, *dys: Tensor | None) -> tuple[Tensor, None, None]:
    return _joined(g, _all(g, node, dys), node.inputs[2]), None, None
