"""Slices of tensors: contiguous ones, strided ones, and their gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from ..graphfmt import dtypes
from ..graphfmt.errors import invalid
from ..graphfmt.shapes import UNKNOWN, Dim, Shape
from . import slicing
from .binding import Binding
from .builder import GraphBuilder, NodeView, Tensor
from .dims import claim, elements_of, ints
from .inference import ShapeContext
from .registry import op
from .types import INDEX

MASKS = (
    "begin_mask: int = 0, end_mask: int = 0, ellipsis_mask: int = 0, new_axis_mask: int = 0, "
    "shrink_axis_mask: int = 0"
)

# Slice


def _slice_sizes(dims: Sequence[int], begin: Sequence[int], size: Sequence[int]) -> list[int]:
    """How much is taken of each axis. Raises INVALID_ARGUMENT where that is not there."""
    if len(begin) != len(dims) or len(size) != len(dims):
        raise invalid(
            f"begin {list(begin)} and size {list(size)} must have one element per axis of {list(dims)}"
        )
    found: list[int] = []
    for axis, (full, start, count) in enumerate(zip(dims, begin, size)):
        taken = full - start if count == -1 else count
        if not 0 <= start <= full or not 0 <= taken <= full - start:
            raise invalid(f"a slice from {start} of size {count} is not within axis {axis} of size {full}")
        found.append(taken)
    return found


def _slice_shape(c: ShapeContext) -> Shape:
    dims, begin, size = c.input(0).dims, elements_of(c, 1), elements_of(c, 2)
    for key in (1, 2):
        c.with_rank(key, 1)
    count = next((len(x) for x in (dims, begin, size) if x is not None), None)
    if count is None:
        return UNKNOWN
    nothing: tuple[Dim, ...] = (None,) * count
    parts = [nothing if x is None else x for x in (dims, begin, size)]
    if any(len(part) != count for part in parts):
        raise invalid(f"begin and size must have one element per axis of {c.input(0)}")
    return Shape(tuple(_slice_dim(*item) for item in zip(*parts)))


def _slice_dim(full: Dim, start: Dim, count: Dim) -> Dim:
    if full is not None and start is not None and count is not None:
        return _slice_sizes([full], [start], [count])[0]
    if count is None or count < -1:
        return None
    if count == -1:
        return None
    return count


slice_op = op(
    f"Slice(input: T, begin: Index, size: Index; T: type, Index: type in {INDEX}) -> (output: T)",
    shape=_slice_shape,
)


def _sliced(x: Any, begin: Sequence[int], size: Sequence[int]) -> Any:
    taken = _slice_sizes(x.shape, begin, size)
    return x[tuple(slice(start, start + count) for start, count in zip(begin, taken))]


@slice_op.kernel
def _(xp: Any, x: Any, begin: Any, size: Any) -> Any:
    return _sliced(x, ints(begin, "begin"), ints(size, "size"))


@slice_op.elements
def _(c: ShapeContext) -> tuple[Dim, ...] | None:
    values, begin, size = elements_of(c, 0), c.elements(1), c.elements(2)
    if values is None or c.input(0).rank != 1 or not begin or not size or begin[0] is None or size[0] is None:
        return None
    taken = _slice_sizes([len(values)], [begin[0]], [size[0]])[0]
    return values[begin[0] : begin[0] + taken]


@slice_op.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None, None]:
    x, begin, _ = node.inputs
    taken, start = node.outputs[0].shape, begin.fact.constant
    if start is not None and x.shape.is_fully_known and taken.is_fully_known:
        full = np.array(x.shape.known(), start.dtype)
        rest = full - np.array(taken.known(), start.dtype) - start
        return g.Pad(dy, g.constant(np.stack([start, rest], 1))), None, None
    full = g.cast(g.shape_of(x), begin.dtype)
    rest = full - g.cast(g.shape_of(node.outputs[0]), begin.dtype) - begin
    return g.Pad(dy, g.Pack([begin, rest], axis=1)), None, None


# StridedSlice


def _spec(c: ShapeContext, first: int) -> slicing.Spec | None:
    """The slice that inputs ``first`` and on state, as far as known; None where even its length is not."""
    shapes = [c.with_rank(key, 1) for key in range(first, first + 3)]
    merged = shapes[0].merge(shapes[1]).merge(shapes[2])
    parts = [_integers(c, key) for key in range(first, first + 3)]
    count = merged[0]
    if count is None:
        return None
    nothing: tuple[Dim, ...] = (None,) * count
    begin, end, strides = (nothing if part is None else part for part in parts)
    return slicing.Spec(begin, end, strides, slicing.masks_of(c.attrs))


def _integers(c: ShapeContext, key: int) -> tuple[Dim, ...] | None:
    constant = c.constant(key)
    return elements_of(c, key) if constant is None else tuple(constant.tolist())


def _strided_shape(c: ShapeContext) -> Shape:
    spec, dims = _spec(c, 1), c.input(0).dims
    return UNKNOWN if spec is None or dims is None else Shape(slicing.sliced_dims(spec, dims))


def _slicer(b: Binding, first: int) -> Callable[[Any], slicing.Index] | None:
    """From dimensions to index, for begin, end and strides that are constants; None where they are not."""
    parts = [b.inputs[i].constant for i in range(first, first + 3)]
    if any(part is None for part in parts):
        return None
    spec = slicing.fitting_spec(*parts, slicing.masks_of(b.attrs))
    known: dict[Any, slicing.Index] = {}

    def index(dims: Any) -> slicing.Index:
        found = known.get(dims)
        if found is None:
            if len(known) > 64:
                known.clear()
            found = known[dims] = slicing.index_of(spec, dims)
        return found

    return index


strided_slice = op(
    "StridedSlice(input: T, begin: Index, end: Index, strides: Index; T: type, "
    f"Index: type in {{int16, int32, int64}}, {MASKS}) -> (output: T)",
    shape=_strided_shape,
)


@strided_slice.kernel
def _(
    xp: Any,
    x: Any,
    begin: Any,
    end: Any,
    strides: Any,
    *,
    begin_mask: int,
    end_mask: int,
    ellipsis_mask: int,
    new_axis_mask: int,
    shrink_axis_mask: int,
) -> Any:
    masks = slicing.Masks(begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)
    index = slicing.index_of(slicing.fitting_spec(begin, end, strides, masks), x.shape)
    return x[(*index, ...)] if x.dtype == object else x[index]


@strided_slice.bind
def _(b: Binding) -> Any:
    slicer = _slicer(b, 1)
    if slicer is None:
        return None
    dims = b.inputs[0].shape.dims
    if b.inputs[0].dtype.numpy == object:
        return lambda x, _begin, _end, _strides: x[(*slicer(x.shape), ...)]
    if dims is not None and None not in dims:
        take = itemgetter(slicer(dims))
        return lambda x, _begin, _end, _strides: take(x)
    return lambda x, _begin, _end, _strides: x[slicer(x.shape)]


@strided_slice.elements
def _(c: ShapeContext) -> tuple[Dim, ...] | None:
    values, spec = elements_of(c, 0), _spec(c, 1)
    if values is None or spec is None or c.input(0).rank != 1:
        return None
    if None in spec.begin or None in spec.end or None in spec.strides:
        return None
    array = np.empty(len(values), object)
    array[:] = values
    picked = array[(*slicing.index_of(spec, array.shape), ...)]
    return tuple(picked.reshape(-1).tolist())


def _mask_attrs(node: NodeView) -> dict[str, int]:
    names = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    return {name: node.attr(name) for name in names}


@strided_slice.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None, None, None]:
    x, *where = node.inputs
    if where[0].dtype.name == "int16":
        where = [g.cast(w, dtypes.int32) for w in where]
    shape = g.cast(g.shape_of(x), where[0].dtype)
    return g.StridedSliceGrad(shape, *where, dy, **_mask_attrs(node)), None, None, None


strided_slice_grad = op(
    "StridedSliceGrad(shape: Index, begin: Index, end: Index, strides: Index, dy: T; T: type, "
    f"Index: type in {INDEX}, {MASKS}) -> (output: T)",
    shape=lambda c: c.as_shape(0),
    fresh=True,
)


@strided_slice_grad.kernel
def _(
    xp: Any,
    shape: Any,
    begin: Any,
    end: Any,
    strides: Any,
    dy: Any,
    *,
    begin_mask: int,
    end_mask: int,
    ellipsis_mask: int,
    new_axis_mask: int,
    shrink_axis_mask: int,
) -> Any:
    masks = slicing.Masks(begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)
    dims = claim(ints(shape, "shape"), dy.dtype.itemsize)
    return _scattered(xp, dims, slicing.fitting_spec(begin, end, strides, masks), dy)


def _scattered(xp: Any, dims: Sequence[int], spec: slicing.Spec, dy: Any) -> Any:
    """A tensor of these dimensions, dy in its slice and zeros elsewhere."""
    expected = slicing.sliced_dims(spec, dims)
    if dy.shape != expected:
        raise invalid(f"dy has shape {Shape(dy.shape)}, but the slice has shape {Shape(expected)}")
    found = xp.full(dims, b"", object) if dy.dtype == object else xp.zeros(dims, dy.dtype)
    found[slicing.index_of(spec, dims)] = dy[()] if dy.ndim == 0 else dy
    return found


@strided_slice_grad.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[None, None, None, None, Tensor]:
    _, begin, end, strides, _ = node.inputs
    return None, None, None, None, g.StridedSlice(dy, begin, end, strides, **_mask_attrs(node))
