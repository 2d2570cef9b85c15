"""Slice, StridedSlice and their gradients."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Dim, Shape, unknown_dims
from ...core.registry import Family
from ...core.types import INDEX
from ...numeric import slicing
from ...numeric.int_arguments import check_allocation, int_vector, static_elements

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.binding import Binding
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="begin end shape size strides")
op = family.op

MASKS = (
    "begin_mask: int = 0, end_mask: int = 0, ellipsis_mask: int = 0, new_axis_mask: int = 0, "
    "shrink_axis_mask: int = 0"
)

# The number of sets of dimensions for which the index of a constant slice is cached.
_KEPT = 64

# Slice


def _slice_sizes(dims: Sequence[int], begin: Sequence[int], size: Sequence[int]) -> list[int]:
    """Returns the sizes of a slice. Raises INVALID_ARGUMENT where it is not within the dimensions."""
    if len(begin) != len(dims) or len(size) != len(dims):
        raise invalid(
            f"begin {list(begin)} and size {list(size)} must have one element per axis of {list(dims)}"
        )
    taken_sizes: list[int] = []
    for axis, (full, start, count) in enumerate(zip(dims, begin, size)):
        taken = full - start if count == -1 else count
        if not 0 <= start <= full or not 0 <= taken <= full - start:
            raise invalid(f"a slice from {start} of size {count} is not within axis {axis} of size {full}")
        taken_sizes.append(taken)
    return taken_sizes


def _slice_shape(c: ShapeContext) -> Shape:
    dims, begin, size = c.input(0).dims, static_elements(c, 1), static_elements(c, 2)
    for key in (1, 2):
        length = c.with_rank(key, 1)[0]
        if length is not None and dims is not None and length != len(dims):
            raise invalid(f"begin and size must have one element per axis of {c.input(0)}")
    count = next((len(x) for x in (dims, begin, size) if x is not None), None)
    if count is None:
        return UNKNOWN
    nothing: tuple[Dim, ...] = unknown_dims(count)
    parts = [nothing if x is None else x for x in (dims, begin, size)]
    if any(len(part) != count for part in parts):
        raise invalid(f"begin and size must have one element per axis of {c.input(0)}")
    if c.constant(1) is not None and c.constant(2) is not None and c.input(0).is_fully_known:
        return Shape(tuple(_slice_sizes(*(_known_sizes(part) for part in parts))))
    return Shape(tuple(_slice_dim(*item) for item in zip(*parts)))


def _known_sizes(part: Sequence[Dim]) -> list[int]:
    return [item for item in part if item is not None]


def _slice_dim(full: Dim, start: Dim, count: Dim) -> Dim:
    if count == -1 and full is not None and start is not None and 0 <= start <= full:
        return full - start
    return None if count is None or count < 0 else count


slice_op = op(
    f"Slice(input: T, begin: Index, size: Index; T: type, Index: type in {INDEX}) -> (output: T)",
    shape=_slice_shape,
)


def _slice(x: Any, begin: Sequence[int], size: Sequence[int]) -> Any:
    taken = _slice_sizes(x.shape, begin, size)
    return x[tuple(slice(start, start + count) for start, count in zip(begin, taken))]


@slice_op.kernel
def _(xp: Any, x: Any, begin: Any, size: Any) -> Any:
    return _slice(x, int_vector(begin, "begin"), int_vector(size, "size"))


@slice_op.bind
def _(b: Binding) -> Any:
    x, begin, size = b.inputs
    if begin.constant is None or size.constant is None or not x.shape.is_fully_known:
        return None
    start = int_vector(begin.constant, "begin")
    taken = _slice_sizes(x.shape.known(), start, int_vector(size.constant, "size"))
    index = tuple(slice(first, first + count) for first, count in zip(start, taken))

    def part(x: Any, begin: Any, size: Any) -> Any:
        return x[index]

    return part


@slice_op.elements
def _(c: ShapeContext) -> tuple[Dim, ...] | None:
    values, begin, size = static_elements(c, 0), c.elements(1), c.elements(2)
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


def _static_slice(c: ShapeContext, first: int) -> slicing.StridedSlice | None:
    """The slice that inputs ``first`` to ``first + 2`` state, as far as known; None where even its length is
    unknown.
    """
    shapes = [c.with_rank(key, 1) for key in range(first, first + 3)]
    merged = shapes[0].merge(shapes[1]).merge(shapes[2])
    parts = [_static_integers(c, key) for key in range(first, first + 3)]
    count = merged[0]
    if count is None:
        return None
    nothing: tuple[Dim, ...] = unknown_dims(count)
    begin, end, strides = (nothing if part is None else part for part in parts)
    return slicing.StridedSlice(begin, end, strides, slicing.masks_from_attrs(c.attrs))


def _static_integers(c: ShapeContext, key: int) -> tuple[Dim, ...] | None:
    constant = c.constant(key)
    return static_elements(c, key) if constant is None else tuple(constant.tolist())


def strided_dims(c: ShapeContext, first: int, shape: Shape) -> Shape:
    """Returns the shape of the slice that inputs ``first`` to ``first + 2`` take of a tensor of a shape."""
    spec = _static_slice(c, first)
    return UNKNOWN if spec is None or shape.dims is None else Shape(slicing.sliced_dims(spec, shape.dims))


def indexer(b: Binding, first: int) -> Callable[[Any, Any, Any, Any], slicing.Index]:
    """Makes a function from begin, end, strides and the dimensions of a tensor to an index for numpy.

    Begin, end and strides are inputs ``first`` to ``first + 2``. Where they are constants, the index is computed
    once for each set of dimensions.
    """
    masks = slicing.masks_from_attrs(b.attrs)
    begin, end, strides = (b.inputs[i].constant for i in range(first, first + 3))
    if begin is None or end is None or strides is None:
        return lambda begin, end, strides, dims: slicing.numpy_index(
            slicing.slice_from_values(begin, end, strides, masks), dims
        )
    spec = slicing.slice_from_values(begin, end, strides, masks)
    known: dict[Any, slicing.Index] = {}

    def index(_begin: Any, _end: Any, _strides: Any, dims: Any) -> slicing.Index:
        cached = known.get(dims)
        if cached is None:
            if len(known) > _KEPT:
                known.clear()
            cached = known[dims] = slicing.numpy_index(spec, dims)
        return cached

    return index


strided_slice = op(
    "StridedSlice(input: T, begin: Index, end: Index, strides: Index; T: type, "
    f"Index: type in {{int16, int32, int64}}, {MASKS}) -> (output: T)",
    shape=lambda c: strided_dims(c, 1, c.input(0)),
)


@strided_slice.bind
def _(b: Binding) -> Callable[..., Any]:
    index = indexer(b, 1)
    dims = b.inputs[0].shape.dims
    fixed = dims is not None and None not in dims and all(fact.constant is not None for fact in b.inputs[1:])
    if b.inputs[0].dtype.numpy.kind == "O":
        # Without the ellipsis, a single element would be returned as a bare object.
        return _object_slicer(index)
    if fixed:
        return _fixed_slicer(itemgetter(index(None, None, None, dims)))
    return _slicer(index)


def _fixed_slicer(take: Callable[[Any], Any]) -> Callable[..., Any]:
    def taken(x: Any, begin: Any, end: Any, strides: Any) -> Any:
        return take(x)

    return taken


def _slicer(index: Callable[..., slicing.Index]) -> Callable[..., Any]:
    def taken(x: Any, begin: Any, end: Any, strides: Any) -> Any:
        return x[index(begin, end, strides, x.shape)]

    return taken


def _object_slicer(index: Callable[..., slicing.Index]) -> Callable[..., Any]:
    def taken(x: Any, begin: Any, end: Any, strides: Any) -> Any:
        return x[(*index(begin, end, strides, x.shape), ...)]

    return taken


@strided_slice.elements
def _(c: ShapeContext) -> tuple[Dim, ...] | None:
    values, spec = static_elements(c, 0), _static_slice(c, 1)
    if values is None or spec is None or c.input(0).rank != 1:
        return None
    if None in spec.begin or None in spec.end or None in spec.strides:
        return None
    array = np.empty(len(values), object)
    array[:] = values
    picked = array[(*slicing.numpy_index(spec, array.shape), ...)]
    return tuple(picked.reshape(-1).tolist())


def mask_attrs(node: NodeView) -> dict[str, int]:
    """Returns the masks of a strided slice as attributes for another."""
    names = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    return {name: node.attr(name) for name in names}


@strided_slice.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None, None, None]:
    x, *where = node.inputs
    if where[0].dtype.name == "int16":
        where = [g.cast(w, dtypes.int32) for w in where]
    shape = g.cast(g.shape_of(x), where[0].dtype)
    return g.StridedSliceGrad(shape, *where, dy, **mask_attrs(node)), None, None, None


strided_slice_grad = op(
    "StridedSliceGrad(shape: Index, begin: Index, end: Index, strides: Index, dy: T; T: type, "
    f"Index: type in {INDEX}, {MASKS}) -> (output: T)",
    shape=lambda c: c.as_shape(0),
    allocates_output=True,
)


@strided_slice_grad.bind
def _(b: Binding) -> Callable[..., Any]:
    xp, index = b.xp, indexer(b, 1)

    def scatter(shape: Any, begin: Any, end: Any, strides: Any, dy: Any) -> Any:
        dims = check_allocation(int_vector(shape, "shape"), dy.dtype.itemsize)
        output = xp.full(dims, b"", dy.dtype) if dy.dtype.kind == "O" else xp.zeros(dims, dy.dtype)
        part = output[(*index(begin, end, strides, dims), ...)]
        if part.shape != dy.shape:
            raise invalid(f"dy has shape {Shape(dy.shape)}, but the slice has shape {Shape(part.shape)}")
        part[...] = dy
        return output

    return scatter


@strided_slice_grad.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[None, None, None, None, Tensor]:
    _, begin, end, strides, _ = node.inputs
    return None, None, None, None, g.StridedSlice(dy, begin, end, strides, **mask_attrs(node))
