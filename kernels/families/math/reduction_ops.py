"""Sum, Mean, Prod, Max, Min, Any, All and EuclideanNorm over axes, with their gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import TfgError
from ...builder.broadcast_gradients import conj
from ...core import shapes
from ...core.registry import Family, Op
from ...core.types import FLOATS, NUMBERS
from ...numeric.reductions import (
    CHAIN,
    SHORT,
    accumulator_dtype,
    normalize_axes,
    reduce_over,
    reduced_shape,
    sum_over,
)

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.binding import Binding
    from ...core.facts import Fact

family = Family(__name__, host_inputs="reduction_indices")
op = family.op

_ORDERED = (
    "{float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64, qint8, "
    "quint8, qint32, qint16, quint16}"
)

# Up to this many elements the overhead of calls exceeds the computation.
_SIMPLE = 1 << 15

# The signature of a reduction: (xp, x, axes, keep_dims) to the reduced array.
Reduction = Callable[..., Any]


def _declare(name: str, allowed: str, reduction: Reduction, ufunc: str = "") -> Op:
    """Declares a reduction of ``input`` over ``reduction_indices``.

    ``allowed`` are its dtypes, or bool alone. Small inputs are reduced by the ``ufunc`` directly, if one is given.
    """
    dtype, types = ("bool", "") if allowed == "bool" else ("T", f"T: type in {allowed}, ")
    declared = op(
        f"{name}(input: {dtype}, reduction_indices: Tidx; keep_dims: bool = false, {types}"
        "Tidx: type in {int32, int64} = int32) -> (output: " + dtype + ")",
        shape=reduced_shape,
        allocates_output=True,
    )

    @declared.kernel
    def _(xp: Any, input: Any, reduction_indices: Any, *, keep_dims: bool) -> Any:
        x = xp.asarray(input)
        return reduction(xp, x, normalize_axes(_on_host(reduction_indices), x.ndim), keep_dims=keep_dims)

    @declared.bind
    def _(b: Binding) -> Any:
        rank, indices = b.inputs[0].shape.rank, b.inputs[1].constant
        if rank is None or indices is None:
            return None
        try:
            axes = normalize_axes(indices, rank)
        except TfgError:
            return None
        keep_dims, xp = b.attrs["keep_dims"], b.xp
        if ufunc and xp is np and _suits_plain_ufunc(b.inputs[0], axes):
            return partial(
                _reduce_directly, getattr(np, ufunc).reduce, axes, b.input_types[0].numpy, keep_dims
            )
        return partial(_reduce_bound, reduction, xp, axes, keep_dims)

    return declared


def _suits_plain_ufunc(fact: Fact, axes: tuple[int, ...]) -> bool:
    """True if numpy's own reduction suffices: no rounding error to bound, no empty input, no 16-bit floats."""
    shape = fact.shape
    if not shape.size or not shape.dims or not axes:
        return False
    if fact.dtype.name in ("half", "bfloat16") or shape.size > _SIMPLE:
        return False
    if len(axes) == len(shape.dims):
        return True
    size = shape.dims[axes[0]] or 0
    is_last = axes[0] == len(shape.dims) - 1
    return len(axes) == 1 and size <= CHAIN and (not is_last or size > SHORT or shape.size <= CHAIN * SHORT)


def _reduce_directly(
    reduce: Any, axes: tuple[int, ...], dtype: Any, keep_dims: bool, x: Any, indices: Any
) -> Any:
    return reduce(x, axes, dtype, None, keep_dims)


def _reduce_bound(
    reduction: Reduction, xp: Any, axes: tuple[int, ...], keep_dims: bool, x: Any, indices: Any
) -> Any:
    return reduction(xp, xp.asarray(x), axes, keep_dims=keep_dims)


def _on_host(indices: Any) -> Any:
    return indices.get() if hasattr(indices, "get") else indices


# The reductions.


def _sum(xp: Any, x: Any, axes: tuple[int, ...], *, keep_dims: bool) -> Any:
    return sum_over(xp, x, axes, keep_dims=keep_dims).astype(x.dtype, copy=False)


def _mean(xp: Any, x: Any, axes: tuple[int, ...], *, keep_dims: bool) -> Any:
    """Returns the mean. Integers are summed in 64 bits, and their quotient is rounded towards zero; 0 for no
    elements.
    """
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    if x.dtype.kind not in "iu":
        sums = sum_over(xp, x, axes, keep_dims=keep_dims)
        return (sums / sums.dtype.type(count)).astype(x.dtype, copy=False)
    wide = np.uint64 if x.dtype.kind == "u" else np.int64
    sums = xp.asarray(xp.sum(x, axis=axes, dtype=wide, keepdims=keep_dims))
    quotients = xp.sign(sums) * (abs(sums) // wide(max(count, 1)))
    return quotients.astype(x.dtype)


def _ufunc_reduction(ufunc: str) -> Reduction:
    """Makes the reduction by one ufunc. The extreme of no elements is the identity of the ufunc."""

    def reduction(xp: Any, x: Any, axes: tuple[int, ...], *, keep_dims: bool) -> Any:
        if x.size or ufunc not in ("maximum", "minimum"):
            return reduce_over(xp, ufunc, x, axes, x.dtype, keep_dims=keep_dims)
        shape = [1 if i in axes else n for i, n in enumerate(x.shape) if keep_dims or i not in axes]
        return xp.full(shape, _extreme_value(x.dtype, lowest=ufunc == "maximum"), x.dtype)

    return reduction


def _extreme_value(dtype: Any, *, lowest: bool) -> Any:
    """Returns the least or the greatest value of a dtype, infinite for floats."""
    if dtype.kind in "iu":
        return np.iinfo(dtype).min if lowest else np.iinfo(dtype).max
    return -np.inf if lowest else np.inf


def _norm(xp: Any, x: Any, axes: tuple[int, ...], *, keep_dims: bool) -> Any:
    squares = x * x.conj() if x.dtype.kind == "c" else x * x
    sums = sum_over(xp, squares, axes, keep_dims=keep_dims)
    if x.dtype.kind in "iu":
        sums = sums.astype(np.float64)
    return xp.sqrt(sums).astype(x.dtype, copy=False)


sum_ = _declare("Sum", NUMBERS, _sum, "add")
mean = _declare("Mean", NUMBERS, _mean)
prod = _declare("Prod", NUMBERS, _ufunc_reduction("multiply"), "multiply")
max_ = _declare("Max", _ORDERED, _ufunc_reduction("maximum"), "maximum")
min_ = _declare("Min", _ORDERED, _ufunc_reduction("minimum"), "minimum")
norm = _declare("EuclideanNorm", NUMBERS, _norm)
all_ = _declare("All", "bool", _ufunc_reduction("logical_and"), "logical_and")
any_ = _declare("Any", "bool", _ufunc_reduction("logical_or"), "logical_or")


# Gradients. They broadcast dy back to the input, so most of them start by restoring the reduced axes.


def _static_axes(node: NodeView) -> tuple[int, ...] | None:
    x, indices = node.inputs
    if x.shape.rank is None or indices.fact.constant is None:
        return None
    return normalize_axes(indices.fact.constant, x.shape.rank)


def _normalized_axes(g: GraphBuilder, axes: Tensor, rank: Tensor) -> Tensor:
    """Returns the axes counted from the front, as an int32 vector."""
    flat = g.Reshape(g.cast(axes, dtypes.int32), [-1])
    return g.FloorMod(flat + rank, rank)


def _with_kept_dims(g: GraphBuilder, node: NodeView, y: Tensor) -> Tensor:
    """Reshapes an output, or its gradient, so that it broadcasts against the input, as if keep_dims were true."""
    if node.attr("keep_dims") or y.shape.rank == 0:
        return y
    axes = _static_axes(node)
    if axes is None:
        shape = g.shape_of(node.inputs[0])
        rank = g.Size(shape)
        reduced_axes = _normalized_axes(g, node.inputs[1], rank)
        ones = g.Fill(g.Shape(reduced_axes), 1)
        return g.Reshape(y, g.DynamicStitch([g.Range(0, rank, 1), reduced_axes], [shape, ones]))
    if axes != tuple(range(len(axes))):
        for axis in axes:
            y = g.ExpandDims(y, axis)
    return y


def _broadcast_back(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    """Broadcasts the gradient of an output to the shape of the input."""
    return g.BroadcastTo(_with_kept_dims(g, node, dy), g.shape_of(node.inputs[0]))


@sum_.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    return _broadcast_back(g, node, dy), None


@mean.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    x, y = node.inputs[0], node.outputs[0]
    if x.shape.size is not None and y.shape.size is not None:
        count = g.constant(x.shape.size // max(y.shape.size, 1), dtypes.int64)
    else:
        sizes = g.Size(x, out_type="int64"), g.Size(y, out_type="int64")
        count = g.FloorDiv(sizes[0], g.Maximum(sizes[1], 1))
    return _broadcast_back(g, node, dy / g.cast(count, dy.dtype)), None


def _share_among_extremes(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    """Passes the gradient on to the extremes, in equal shares where several elements tie."""
    x, axes = node.inputs
    chosen = g.cast(g.Equal(_with_kept_dims(g, node, node.outputs[0]), x), dy.dtype)
    count = g.Sum(chosen, axes, keep_dims=True)
    return chosen / count * _with_kept_dims(g, node, dy), None


max_.gradient(_share_among_extremes)
min_.gradient(_share_among_extremes)


@norm.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    return node.inputs[0] / (_with_kept_dims(g, node, node.outputs[0]) / _with_kept_dims(g, node, dy)), None


@prod.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    """Returns dy times the product of all other elements: those before times those after, so that zeros do no harm."""
    x = node.inputs[0]
    axes = _static_axes(node)
    others = (
        _product_of_others_along(g, x, axes[0])
        if axes is not None and len(axes) == 1
        else _product_of_others(g, node)
    )
    return _with_kept_dims(g, node, dy) * others, None


def _product_of_others_along(g: GraphBuilder, x: Tensor, axis: int) -> Tensor:
    before = g.Cumprod(x, axis, exclusive=True)
    after = g.Cumprod(x, axis, exclusive=True, reverse=True)
    return conj(g, before) * conj(g, after)


def _product_of_others(g: GraphBuilder, node: NodeView) -> Tensor:
    """Returns the product of all other elements. Several axes are transposed to the front and merged first."""
    x = node.inputs[0]
    shape = g.Shape(x)
    rank = g.Size(shape)
    axes = _normalized_axes(g, node.inputs[1], rank)
    rest = g.ListDiff(g.Range(0, rank, 1), axes)[0]
    order = g.ConcatV2([axes, rest], 0)
    front = g.Transpose(x, order)
    sizes = [g.Prod(g.GatherV2(shape, chosen, 0), 0) for chosen in (axes, rest)]
    others = _product_of_others_along(g, g.Reshape(front, g.Pack(sizes)), 0)
    return g.Transpose(g.Reshape(others, g.Shape(front)), g.InvertPermutation(order))


l2_loss = op(f"L2Loss(t: T; T: type in {FLOATS}) -> (output: T)", shape=shapes.scalar, allocates_output=True)


@l2_loss.kernel
def _(xp: Any, t: Any) -> Any:
    wide = xp.asarray(t, dtype=accumulator_dtype(t.dtype)).reshape(-1)
    return (xp.dot(wide, wide) / wide.dtype.type(2)).astype(t.dtype, copy=False)


@l2_loss.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return node.inputs[0] * dy
