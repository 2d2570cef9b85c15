"""BiasAdd, BiasAddV1 and BiasAddGrad: adding one number per channel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, merge_dim, vector
from ...core.registry import Family
from ...core.types import NUMBERS

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.binding import Binding
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op

_FORMAT = "data_format: string in {'NHWC', 'NCHW'} = \"NHWC\""


def _channel_axis(rank: int, data_format: str) -> int:
    """Returns the axis of channels, counted from the end: the second axis for NCHW (of any rank), else the last."""
    return 1 - rank if data_format == "NCHW" else -1


def _min_rank(data_format: str) -> int:
    return 3 if data_format == "NCHW" else 2


def _add_shape(c: ShapeContext) -> Shape:
    data_format = c.attr("data_format") if "data_format" in c.bound.attrs else "NHWC"
    value, bias = c.with_rank_at_least(0, _min_rank(data_format)), c.with_rank(1, 1)
    if value.dims is None:
        return value
    dims = list(value.dims)
    axis = _channel_axis(len(dims), data_format)
    dims[axis] = merge_dim(dims[axis], bias[0])
    return Shape(tuple(dims))


def _add(xp: Any, value: Any, bias: Any, *, data_format: str = "NHWC") -> Any:
    least = _min_rank(data_format)
    if value.ndim < least or bias.ndim != 1:
        raise invalid(
            f"bias must be a vector and value of rank {least} or more, but shapes are {value.shape} of value "
            f"and {bias.shape}"
        )
    axis = _channel_axis(value.ndim, data_format)
    if value.shape[axis] != bias.shape[0]:
        raise invalid(
            f"bias has {bias.shape[0]} elements, but value of shape {value.shape} has {value.shape[axis]} channels"
        )
    return value + (bias if axis == -1 else bias.reshape((-1,) + (1,) * (-axis - 1)))


def _plain_add(value: Any, bias: Any) -> Any:
    if value.shape[-1] != bias.shape[0]:
        raise invalid(
            f"bias has {bias.shape[0]} elements, but value of shape {value.shape} has {value.shape[-1]} channels"
        )
    return value + bias


def _bind_add(b: Binding) -> Any:
    """Returns a function that checks only the sizes, for the common case of channels last."""
    value, bias = b.inputs[0].shape, b.inputs[1].shape
    ranks_fit = value.rank is not None and value.rank >= 2 and bias.rank == 1
    return _plain_add if ranks_fit and b.attrs.get("data_format") != "NCHW" else None


def _add_gradient(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, Tensor]:
    data_format = node.attr("data_format") if node.has_attr("data_format") else "NHWC"
    return dy, g.BiasAddGrad(dy, data_format=data_format)


bias_add = op(
    f"BiasAdd(value: T, bias: T; T: type in {NUMBERS}, {_FORMAT}) -> (output: T)",
    shape=_add_shape,
    allocates_output=True,
)
bias_add.kernel(_add)
bias_add.bind(_bind_add)
bias_add.gradient(_add_gradient)

bias_add_v1 = op(
    f"BiasAddV1(value: T, bias: T; T: type in {NUMBERS}) -> (output: T)",
    shape=_add_shape,
    allocates_output=True,
)
bias_add_v1.bind(_bind_add)
bias_add_v1.gradient(_add_gradient)


@bias_add_v1.kernel
def _(xp: Any, value: Any, bias: Any) -> Any:
    return _add(xp, value, bias)


def _grad_shape(c: ShapeContext) -> Shape:
    dy = c.with_rank_at_least(0, _min_rank(c.attr("data_format")))
    return vector(None if dy.dims is None else dy[_channel_axis(len(dy.dims), c.attr("data_format"))])


bias_add_grad = op(
    f"BiasAddGrad(out_backprop: T; T: type in {NUMBERS}, {_FORMAT}) -> (output: T)",
    shape=_grad_shape,
    allocates_output=True,
)


@bias_add_grad.kernel
def _(xp: Any, dy: Any, *, data_format: str) -> Any:
    least = _min_rank(data_format)
    if dy.ndim < least:
        raise invalid(f"out_backprop must be of rank {least} or more, but has shape {dy.shape}")
    axis = _channel_axis(dy.ndim, data_format)
    if axis == -1:
        return _sum_rows(xp, dy.reshape(math.prod(dy.shape[:-1]), dy.shape[-1]))
    rest = tuple(i for i in range(dy.ndim) if i != dy.ndim + axis)
    wide = "f" if dy.dtype.itemsize == 2 and dy.dtype.kind not in "iu" else dy.dtype
    return dy.sum(axis=rest, dtype=wide).astype(dy.dtype, copy=False)


def _sum_rows(xp: Any, rows: Any) -> Any:
    """Sums the rows of a matrix by BLAS, which is several times as fast as numpy's sum over the first axis."""
    kind, size = rows.dtype.kind, rows.dtype.itemsize
    if kind == "f" and size > 2 and rows.shape[0]:
        return xp.ones(rows.shape[0], rows.dtype) @ rows
    if size == 2 and kind not in "iu":
        return rows.sum(axis=0, dtype="f").astype(rows.dtype)
    return rows.sum(axis=0, dtype=rows.dtype)


@bias_add_grad.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return g.BiasAdd(g.zeros_like(node.inputs[0]), dy, data_format=node.attr("data_format"))
