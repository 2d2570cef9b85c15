"""Fill, BroadcastTo, OnesLike, and the shapes and reduction axes of broadcasts as values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import TfgError, invalid
from ....graphfmt.shapes import UNKNOWN, Dim, Shape, broadcast, vector
from ...core import shapes
from ...core.facts import Fact, constant_fact
from ...core.registry import Family
from ...core.types import INDEX
from ...numeric.int_arguments import check_allocation, int_vector, static_elements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.binding import Binding
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="dims s0 s1 shape")
op = family.op


def all_axes(g: GraphBuilder, x: Tensor) -> Tensor:
    """Returns all axes of a tensor, for a reduction to a scalar."""
    if x.shape.rank is not None:
        return g.constant(np.arange(x.shape.rank, dtype=np.int32))
    return g.Range(0, g.Rank(x), 1)


def _fill_shape(c: ShapeContext) -> Shape:
    c.with_rank(1, 0)
    return _static_shape(c, 0)


def _static_shape(c: ShapeContext, key: int) -> Shape:
    """The shape that an input states, in which -1 is not allowed."""
    elements = c.elements(key)
    if elements is not None and -1 in elements and c.input(key).rank == 1:
        raise invalid(f"a dimension must not be negative, but the shape is {list(elements)}")
    return c.as_shape(key)


fill = op(
    f"Fill(dims: index_type, value: T; T: type, index_type: type in {INDEX} = int32) -> (output: T)",
    shape=_fill_shape,
    allocates_output=True,
    expands=True,
)


@fill.kernel
def _(xp: Any, dims: Any, value: Any) -> Any:
    if value.ndim:
        raise invalid(f"the value to fill with must be a scalar, but has shape {Shape(value.shape)}")
    return xp.full(check_allocation(int_vector(dims, "dims"), value.dtype.itemsize), value, value.dtype)


@fill.bind
def _(b: Binding) -> Any:
    dims, value = b.inputs
    if dims.constant is None or value.shape.rank != 0:
        return None
    full, dtype = b.xp.full, value.dtype.numpy
    shape = check_allocation(int_vector(dims.constant, "dims"), dtype.itemsize)

    def filled(dims: Any, value: Any) -> Any:
        return full(shape, value, dtype)

    return filled


@fill.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[None, Tensor]:
    return None, g.Sum(dy, all_axes(g, dy))


ones_like = op(
    "OnesLike(x: T; T: type in {bfloat16, half, float, double, int8, uint8, int16, uint16, int32, uint32, "
    "int64, uint64, complex64, complex128, bool}) -> (y: T)",
    shape=shapes.like_input,
    differentiable=False,
    allocates_output=True,
)


@ones_like.kernel
def _(xp: Any, x: Any) -> Any:
    return xp.ones_like(x)


# BroadcastTo


def _broadcast_to_shape(c: ShapeContext) -> Shape:
    shape, wanted = c.input(0), c.as_shape(1)
    if wanted.dims is None or shape.dims is None:
        return wanted
    if len(shape.dims) > len(wanted.dims):
        raise invalid(f"a tensor of shape {shape} cannot be broadcast to {wanted}")
    known = list(wanted.dims)
    for axis, size in enumerate(shape.dims, len(known) - len(shape.dims)):
        if size not in (1, None):
            if known[axis] not in (None, size):
                raise invalid(f"a tensor of shape {shape} cannot be broadcast to {wanted}")
            known[axis] = size
    return Shape(tuple(known))


broadcast_to = op(
    f"BroadcastTo(input: T, shape: Tidx; T: type, Tidx: type in {INDEX} = int32) -> (output: T)",
    shape=_broadcast_to_shape,
    expands=True,
)


@broadcast_to.kernel
def _(xp: Any, x: Any, shape: Any) -> Any:
    wanted = check_allocation(int_vector(shape, "the shape to broadcast to"), x.dtype.itemsize)
    try:
        return xp.broadcast_to(x, wanted)
    except ValueError:
        raise invalid(f"a tensor of shape {Shape(x.shape)} cannot be broadcast to {list(wanted)}") from None


@broadcast_to.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    x, shape = node.inputs
    out = g.shape_of(node.outputs[0]) if node.outputs[0].shape.is_fully_known else shape
    own = g.cast(g.shape_of(x), out.dtype)
    _, axes = g.BroadcastGradientArgs(out, own)
    return g.Reshape(g.Sum(dy, axes), own), None


# The shapes of broadcasts, as values


def _broadcast_dims(a: Sequence[int], b: Sequence[int]) -> tuple[int, ...]:
    shape = broadcast(Shape(tuple(a)), Shape(tuple(b)))
    return shape.known()


def reduction_axes(a: Sequence[int], b: Sequence[int]) -> tuple[list[int], list[int]]:
    """Returns, for each of two shapes, the axes along which it is repeated when they broadcast together.

    An axis of size 1 in both is returned for both, unless the shapes are equal. Raises INVALID_ARGUMENT where the
    shapes do not broadcast.
    """
    if list(a) == list(b):
        return [], []
    width = len(_broadcast_dims(a, b))
    x = [1] * (width - len(a)) + list(a)
    y = [1] * (width - len(b)) + list(b)
    return [i for i in range(width) if x[i] == 1], [i for i in range(width) if y[i] == 1]


def _gradient_args_facts(c: ShapeContext) -> list[Shape | Fact]:
    c.with_rank(0, 1)
    c.with_rank(1, 1)
    a, b = c.elements(0), c.elements(1)
    dtype = c.dtype(0)
    if a is None or b is None or None in a or None in b:
        return [vector(None), vector(None)]
    try:
        both_axes = reduction_axes([d for d in a if d is not None], [d for d in b if d is not None])
    except TfgError:
        return [vector(None), vector(None)]
    return [constant_fact(np.array(axes, dtype.numpy), dtype) for axes in both_axes]


broadcast_gradient_args = op(
    f"BroadcastGradientArgs(s0: T, s1: T; T: type in {INDEX} = int32) -> (r0: T, r1: T)",
    shape=_gradient_args_facts,
    differentiable=False,
    allocates_output=True,
    host_outputs=True,
)


@broadcast_gradient_args.kernel
def _(xp: Any, s0: Any, s1: Any) -> tuple[Any, Any]:
    a, b = reduction_axes(_check_shape_vector(s0), _check_shape_vector(s1))
    return np.array(a, s0.dtype), np.array(b, s0.dtype)


def _check_shape_vector(shape: Any) -> tuple[int, ...]:
    if shape.ndim != 1:
        raise invalid(f"a shape must be a vector, but has shape {Shape(shape.shape)}")
    return int_vector(shape, "a shape")


def _broadcast_args_shape(c: ShapeContext) -> Shape:
    a, b = c.with_rank(0, 1)[0], c.with_rank(1, 1)[0]
    return UNKNOWN if a is None and b is None else vector(None if a is None or b is None else max(a, b))


broadcast_args = op(
    f"BroadcastArgs(s0: T, s1: T; T: type in {INDEX} = int32) -> (r0: T)",
    shape=_broadcast_args_shape,
    allocates_output=True,
    host_outputs=True,
)


@broadcast_args.kernel
def _(xp: Any, s0: Any, s1: Any) -> Any:
    return np.array(_broadcast_dims(_check_shape_vector(s0), _check_shape_vector(s1)), s0.dtype)


@broadcast_args.elements
def _(c: ShapeContext) -> tuple[Dim, ...] | None:
    a, b = static_elements(c, 0), static_elements(c, 1)
    if a is None or b is None:
        return None
    try:
        return broadcast(Shape(a), Shape(b)).dims
    except TfgError:
        return None
