"""Shape, Rank and Size of tensors; Reshape, ExpandDims, Squeeze and EnsureShape."""

from __future__ import annotations

from functools import partial
from math import prod
from operator import methodcaller
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import TfgError, invalid
from ....graphfmt.shapes import UNKNOWN, Dim, Shape, vector
from ...core import shapes
from ...core.facts import Fact, constant_fact
from ...core.inference import ShapeContext, attr_shape
from ...core.registry import Family
from ...core.types import INDEX
from ...numeric.int_arguments import check_dims, int_scalar, int_vector, normalize_axis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.binding import Binding

family = Family(__name__, host_inputs="dim shape")
op = family.op

_INT32_MAX = 2**31 - 1


def _shape_vector(x: Any, dtype: DType) -> Any:
    if dtype.name == "int32" and any(size > _INT32_MAX for size in x.shape):
        raise invalid(f"shape {list(x.shape)} does not fit into int32", hint="ask for out_type int64")
    return np.array(x.shape, dtype.numpy)


shape_op = op(
    f"Shape(input: T; T: type, out_type: type in {INDEX} = int32) -> (output: out_type)",
    shape=lambda c: vector(c.input(0).rank),
    differentiable=False,
    allocates_output=True,
    host_outputs=True,
    is_free=True,
)


@shape_op.kernel
def _(xp: Any, x: Any, *, out_type: DType) -> Any:
    return _shape_vector(x, out_type)


@shape_op.elements
def _(c: ShapeContext) -> tuple[Dim, ...] | None:
    return c.input(0).dims


def _shape_n(c: ShapeContext) -> list[Fact | Shape]:
    dtype = c.attr("out_type")
    return [_shape_fact(shape, dtype) for shape in c.inputs()]


def _shape_fact(shape: Shape, dtype: DType) -> Fact:
    if shape.is_fully_known and max(shape.known(), default=0) <= _INT32_MAX:
        return constant_fact(np.array(shape.known(), dtype.numpy), dtype)
    return Fact(dtype, vector(shape.rank), elements=shape.dims)


shape_n = op(
    f"ShapeN(input: N*T; N: int >= 1, T: type, out_type: type in {INDEX} = int32) -> (output: N*out_type)",
    shape=_shape_n,
    differentiable=False,
    allocates_output=True,
    host_outputs=True,
    is_free=True,
)


@shape_n.kernel
def _(xp: Any, inputs: Sequence[Any], *, out_type: DType) -> list[Any]:
    return [_shape_vector(x, out_type) for x in inputs]


rank = op(
    "Rank(input: T; T: type) -> (output: int32)",
    shape=shapes.scalar,
    differentiable=False,
    allocates_output=True,
    host_outputs=True,
    is_free=True,
)


@rank.kernel
def _(xp: Any, x: Any) -> Any:
    return np.int32(x.ndim)


@rank.elements
def _(c: ShapeContext) -> tuple[Dim]:
    return (c.input(0).rank,)


size_op = op(
    f"Size(input: T; T: type, out_type: type in {INDEX} = int32) -> (output: out_type)",
    shape=shapes.scalar,
    differentiable=False,
    allocates_output=True,
    host_outputs=True,
    is_free=True,
)


@size_op.kernel
def _(xp: Any, x: Any, *, out_type: DType) -> Any:
    if out_type.name == "int32" and x.size > _INT32_MAX:
        raise invalid(f"the size {x.size} does not fit into int32", hint="ask for out_type int64")
    return out_type.numpy.type(x.size)


@size_op.elements
def _(c: ShapeContext) -> tuple[Dim]:
    return (c.input(0).size,)


# Reshape


def reshape_shape(c: ShapeContext) -> Shape:
    """Returns the shape that the second input states, its -1 resolved where the first one's shape is known."""
    wanted, dims = c.as_shape(1), c.input(0).dims
    if wanted.dims is None or dims is None or None in dims or wanted.dims.count(None) > 1:
        return wanted
    return Shape(_resolve_dims([-1 if size is None else size for size in wanted.dims], c.input(0).known()))


def _resolve_dims(wanted: Sequence[int], dims: Sequence[int]) -> tuple[int, ...]:
    """Returns the requested dimensions with their -1 resolved. Raises INVALID_ARGUMENT where they do not fit.

    With a zero among the requested dimensions, zeros count on neither side, so that ``[0, 3]`` reshapes to ``[0,
    -1]``.
    """
    total = prod(dims)
    if -1 in wanted:
        whole = prod(size for size in dims if size) if 0 in wanted else total
        rest = whole // prod(size for size in wanted if size > 0)
        resolved = tuple(rest if size == -1 else size for size in wanted)
    else:
        resolved = tuple(wanted)
    if prod(resolved) != total:
        raise _cannot_reshape(Shape(tuple(dims)), wanted)
    return resolved


def _cannot_reshape(shape: Shape, wanted: Sequence[Dim]) -> TfgError:
    shown = [-1 if size is None else size for size in wanted]
    return invalid(f"a tensor of shape {shape} ({shape.size} elements) cannot be reshaped to {shown}")


def _requested_dims(shape: Any) -> tuple[int, ...]:
    """Returns the requested dimensions, -1 included. Raises INVALID_ARGUMENT for other negative numbers."""
    wanted = int_vector(shape, "the shape to reshape to")
    if min(wanted, default=0) < -1:
        raise invalid(f"shape {list(wanted)} has a negative dimension other than -1")
    if wanted.count(-1) > 1:
        raise invalid(f"shape {list(wanted)} leaves more than one dimension open with -1")
    check_dims([size for size in wanted if size != -1])
    return wanted


def _reshape_to(wanted: tuple[int, ...], x: Any) -> Any:
    try:
        return x.reshape(wanted)
    except ValueError:
        return x.reshape(_resolve_dims(wanted, x.shape))


reshape = op(
    f"Reshape(tensor: T, shape: Tshape; T: type, Tshape: type in {INDEX} = int32) -> (output: T)",
    shape=reshape_shape,
    is_free=True,
)


@reshape.kernel
def _(xp: Any, x: Any, shape: Any) -> Any:
    return _reshape_to(_requested_dims(shape), x)


@reshape.bind
def _(b: Binding) -> Any:
    x, shape = b.inputs
    if shape.constant is None:
        return None
    wanted = _requested_dims(shape.constant)
    if x.shape.size is not None and x.shape.size == prod(wanted) and -1 not in wanted:
        return partial(_on_first_input, methodcaller("reshape", wanted))
    return partial(_on_first_input, partial(_reshape_to, wanted))


def _on_first_input(function: Callable[[Any], Any], x: Any, shape: Any) -> Any:
    return function(x)


@reshape.elements
def _(c: ShapeContext) -> tuple[Dim, ...] | None:
    return c.elements(0)


@reshape.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    return g.Reshape(dy, g.shape_of(node.inputs[0])), None


# ExpandDims and Squeeze


def _expand_dims_shape(c: ShapeContext) -> Shape:
    dims, elements = c.input(0).dims, c.elements(1)
    if c.input(1).size not in (None, 1):
        raise invalid(f"dim must be a scalar, but has shape {c.input(1)}")
    if dims is None:
        return UNKNOWN
    axis = None if elements is None else elements[0]
    if axis is None:
        return Shape((None,) * (len(dims) + 1))
    at = normalize_axis(axis, len(dims) + 1, "dim")
    return Shape((*dims[:at], 1, *dims[at:]))


expand_dims = op(
    f"ExpandDims(input: T, dim: Tdim; T: type, Tdim: type in {INDEX} = int32) -> (output: T)",
    shape=_expand_dims_shape,
    is_free=True,
)


@expand_dims.kernel
def _(xp: Any, x: Any, dim: Any) -> Any:
    at = normalize_axis(int_scalar(dim, "dim"), x.ndim + 1, "dim")
    return x.reshape((*x.shape[:at], 1, *x.shape[at:]))


@expand_dims.elements
def _(c: ShapeContext) -> tuple[Dim, ...] | None:
    return c.elements(0)


@expand_dims.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    return g.Reshape(dy, g.shape_of(node.inputs[0])), None


def _squeezed_axes(dims: Sequence[Dim], axes: Sequence[int]) -> set[int]:
    """Returns the axes to remove, all of size 1 if none are named.

    Raises INVALID_ARGUMENT for axes of other sizes.
    """
    if not axes:
        return {axis for axis, size in enumerate(dims) if size == 1}
    normalized = {normalize_axis(axis, len(dims), "squeeze_dims") for axis in axes}
    for axis in normalized:
        if dims[axis] not in (1, None):
            raise invalid(
                f"only an axis of size 1 can be squeezed, but axis {axis} of {Shape(tuple(dims))} is not"
            )
    return normalized


def _squeeze_shape(c: ShapeContext) -> Shape:
    dims, axes = c.input(0).dims, c.attr("squeeze_dims")
    if dims is None or (not axes and None in dims):
        return UNKNOWN
    squeezed = _squeezed_axes(dims, axes)
    return Shape(tuple(size for axis, size in enumerate(dims) if axis not in squeezed))


squeeze = op(
    "Squeeze(input: T; T: type, squeeze_dims: list(int) >= 0 = []) -> (output: T)",
    shape=_squeeze_shape,
    is_free=True,
)


@squeeze.kernel
def _(xp: Any, x: Any, *, squeeze_dims: Sequence[int]) -> Any:
    squeezed = _squeezed_axes(x.shape, squeeze_dims)
    return x.reshape([size for axis, size in enumerate(x.shape) if axis not in squeezed])


@squeeze.elements
def _(c: ShapeContext) -> tuple[Dim, ...] | None:
    return c.elements(0)


@squeeze.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return g.Reshape(dy, g.shape_of(node.inputs[0]))


ensure_shape = op(
    "EnsureShape(input: T; shape: shape, T: type) -> (output: T)",
    shape=lambda c: c.input(0).merge(attr_shape(c.attr("shape"))),
)


@ensure_shape.kernel
def _(xp: Any, x: Any, *, shape: Shape) -> Any:
    if not shape.is_compatible(Shape(x.shape)):
        raise invalid(f"a tensor of shape {Shape(x.shape)} is not of the expected shape {shape}")
    return x


@ensure_shape.elements
def _(c: ShapeContext) -> tuple[Dim, ...] | None:
    return c.elements(0)


@ensure_shape.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy
