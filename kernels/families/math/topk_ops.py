"""TopK, ApproxTopK, NthElement and InTopK: the largest elements of rows.

Elements are mapped to unsigned integers of the same order. With an element's position in the low half of a 64-bit
integer, a plain partition keeps ties in order; NaN counts as larger than every number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Dim, Shape, merge_dim, vector
from ...core.registry import Family
from ...core.types import REAL_NUMBERS

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="k n")
op = family.op


def ascending_keys(xp: Any, x: Any) -> Any:
    """Maps elements to unsigned integers of the same width and order, NaN last."""
    kind, bits = x.dtype.kind, 8 * x.itemsize
    if kind == "u":
        return x
    unsigned = f"u{x.itemsize}"
    top = np.dtype(unsigned).type(1 << (bits - 1))
    if kind == "i":
        return x.view(unsigned) ^ top
    # Both zeros and all NaNs get one key each; negative numbers sort the other way round.
    x = xp.where(x == x, x + x.dtype.type(0), xp.asarray(np.nan, x.dtype))
    key = x.view(unsigned) & ~top
    return xp.where(x < 0, ~key & ~top, key | top)


def _descending_keys(xp: Any, x: Any) -> Any:
    return ~ascending_keys(xp, x)


def top_k(xp: Any, x: Any, k: int) -> tuple[Any, Any]:
    """Returns the k largest elements of the last axis and their positions, in descending order, ties by position."""
    if not x.ndim:
        raise invalid("the input must be of rank 1 or more, not a scalar")
    size = x.shape[-1]
    if k < 0 or k > size:
        raise invalid(f"k is {k}, but must be in [0, {size}], the last dimension of {Shape(x.shape)}")
    if k == 1 and x.dtype.kind in "iuf" and x.size:
        index = x.argmax(axis=-1)[..., None]
    elif not k or not x.size:
        index = xp.zeros((*x.shape[:-1], k), np.int64)
    elif 4 * k < size and x.dtype.kind != "V":
        index = _select_by_threshold(xp, x, k)
    else:
        index = _sort_positions(xp, x, k)
    return xp.take_along_axis(x, index, -1), index


def _select_by_threshold(xp: Any, x: Any, k: int) -> Any:
    """Finds the k-th largest of each row, then sorts only the elements that are not less.

    Rows in which more than k elements are not less, because of ties, are sorted in full.
    """
    size = x.shape[-1]
    rows = x.reshape(-1, size)
    least = xp.partition(rows, size - k, axis=-1)[:, size - k : size - k + 1]
    # NaN is not less than anything, so it is selected.
    chosen = ~(rows < least)
    exact = chosen.sum(axis=1) == k
    index = xp.empty((len(rows), k), np.int64)
    if bool(exact.all()):
        _order_candidates(xp, rows, chosen, index)
    else:
        some = index[exact]
        _order_candidates(xp, rows[exact], chosen[exact], some)
        index[exact] = some
        index[~exact] = _sort_positions(xp, rows[~exact], k)
    return index.reshape(*x.shape[:-1], k)


def _order_candidates(xp: Any, rows: Any, chosen: Any, index: Any) -> None:
    """Writes the columns chosen in each row into ``index``, in descending order of their elements."""
    columns = (xp.flatnonzero(chosen) % rows.shape[1]).reshape(index.shape)
    order = _sort_positions(xp, xp.take_along_axis(rows, columns, 1), index.shape[1])
    index[...] = xp.take_along_axis(columns, order, 1)


def _sort_positions(xp: Any, x: Any, k: int) -> Any:
    """Returns the positions of the k largest elements of each row, in descending order."""
    if x.itemsize < 8 and x.shape[-1] < 2**32:
        return _sort_packed_keys(xp, x, k)
    return xp.argsort(_descending_keys(xp, x), axis=-1, kind="stable")[..., :k]


def _sort_packed_keys(xp: Any, x: Any, k: int) -> Any:
    keys = _descending_keys(xp, x).astype(np.uint64)
    keys <<= np.uint64(32)
    keys |= xp.arange(x.shape[-1], dtype=np.uint64)
    if k < x.shape[-1]:
        keys = xp.partition(keys, k - 1, axis=-1)[..., :k]
    keys = xp.sort(keys, axis=-1)
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _top_k_shape(x: Shape, k: int | None) -> list[Shape]:
    if x.dims is None:
        return [UNKNOWN, UNKNOWN]
    size = x.dims[-1]
    if k is not None and (k < 0 or (size is not None and size < k)):
        raise invalid(f"k is {k}, but must be in [0, {size}], the last dimension of {x}")
    shape = Shape((*x.dims[:-1], k))
    return [shape, shape]


top_k_v1 = op(
    f"TopK(input: T; k: int >= 0, sorted: bool = true, T: type in {REAL_NUMBERS}) -> "
    "(values: T, indices: int32)",
    shape=lambda c: _top_k_shape(c.with_rank_at_least(0, 1), c.attr("k")),
    allocates_output=True,
)


@top_k_v1.kernel
def _(xp: Any, x: Any, *, k: int) -> tuple[Any, Any]:
    values, index = top_k(xp, x, k)
    return values, index.astype(np.int32)


def _top_k_v2_shape(c: ShapeContext) -> list[Shape]:
    if c.input(1).rank not in (None, 0):
        raise invalid(f"k must be a scalar, but has shape {c.input(1)}")
    k = c.constant(1)
    return _top_k_shape(c.with_rank_at_least(0, 1), None if k is None else int(k))


top_k_v2 = op(
    f"TopKV2(input: T, k: Tk; sorted: bool = true, T: type in {REAL_NUMBERS}, "
    "Tk: type in {int16, int32, int64} = int32, index_type: type in {int16, int32, int64} = int32) -> "
    "(values: T, indices: index_type)",
    shape=_top_k_v2_shape,
    allocates_output=True,
)


@top_k_v2.kernel
def _(xp: Any, x: Any, k: Any, *, index_type: DType) -> tuple[Any, Any]:
    if k.ndim:
        raise invalid(f"k must be a scalar, but has shape {Shape(k.shape)}")
    values, index = top_k(xp, x, int(k))
    return values, index.astype(index_type.numpy)


@top_k_v1.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor | None, _: Any) -> Tensor | None:
    return _scatter_gradient(g, node, dy)


@top_k_v2.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor | None, _: Any) -> tuple[Tensor | None, None]:
    return _scatter_gradient(g, node, dy), None


def _approx_shape(c: ShapeContext) -> list[Shape]:
    x, k = c.with_rank_at_least(0, 1), c.attr("k")
    if x.dims is None:
        return [UNKNOWN, UNKNOWN]
    axis = c.attr("reduction_dimension")
    if not -len(x.dims) <= axis < len(x.dims):
        raise invalid(f"reduction_dimension is {axis}, but must be in [-{len(x.dims)}, {len(x.dims)})")
    dims = list(x.dims)
    size = dims[axis]
    if size is not None and size < k:
        raise invalid(f"input must have at least k columns. Had {size}, needed {k}")
    dims[axis] = k
    return [Shape(tuple(dims))] * 2


approx_top_k = op(
    "ApproxTopK(input: T; k: int >= 0, reduction_dimension: int = -1, recall_target: float = 0.95, "
    "is_max_k: bool = true, reduction_input_size_override: int = -1, aggregate_to_topk: bool = true, "
    "T: type in {half, bfloat16, float}) -> (values: T, indices: int32)",
    shape=_approx_shape,
    allocates_output=True,
)


@approx_top_k.kernel
def _(xp: Any, x: Any, *, k: int, reduction_dimension: int, is_max_k: bool) -> tuple[Any, Any]:
    """The exact elements, as TensorFlow's CPU kernel gives them whatever the target."""
    if not -x.ndim <= reduction_dimension < x.ndim:
        raise invalid(f"reduction_dimension is {reduction_dimension}, but the input has rank {x.ndim}")
    last = xp.moveaxis(x, reduction_dimension, -1)
    if k > last.shape[-1]:
        raise invalid(f"input must have at least k columns. Had {last.shape[-1]}, needed {k}")
    values, index = top_k(xp, last if is_max_k else -last, k)
    values = values if is_max_k else -values
    moved = (xp.moveaxis(each, -1, reduction_dimension) for each in (values, index.astype(np.int32)))
    first, second = moved
    return first, second


@approx_top_k.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor | None, _: Any) -> Tensor | None:
    """Scatters dy along the axis: one-hot rows of the indices, weighted by dy, summed over k."""
    if dy is None:
        return None
    axis, x = node.attr("reduction_dimension"), node.inputs[0]
    rank = g.Rank(x)
    axis = g.FloorMod(g.constant(axis), rank)
    place = g.ExpandDims(axis, 0)
    ones = g.Fill(g.ExpandDims(rank, 0), g.constant(1))
    width = g.Gather(g.shape_of(x), axis)
    along = g.TensorScatterUpdate(ones, g.ExpandDims(place, 1), g.Reshape(width, [1]))
    columns = g.Reshape(g.Range(g.constant(0), width, g.constant(1)), along)
    chosen = g.Equal(g.ExpandDims(node.outputs[1], axis), g.ExpandDims(columns, axis + 1))
    return g.Sum(g.cast(chosen, dy.dtype) * g.ExpandDims(dy, axis), axis + 1)


def _scatter_gradient(g: GraphBuilder, node: NodeView, dy: Tensor | None) -> Tensor | None:
    """Scatters dy to the elements of the input that it belongs to, zeros elsewhere."""
    if dy is None:
        return None
    x, index = node.inputs[0], g.Cast(node.outputs[1], DstT="int64")
    shape = g.cast(g.shape_of(x), index.dtype)
    width = g.StridedSlice(shape, [-1], [0], [1], end_mask=1, shrink_axis_mask=1)
    k = g.StridedSlice(g.cast(g.shape_of(index), index.dtype), [-1], [0], [1], end_mask=1, shrink_axis_mask=1)
    size = g.Prod(shape, g.constant([0]))
    columns = g.Reshape(index, g.Pack([g.constant(-1, index.dtype), k]))
    rows = g.StridedSlice(g.Shape(columns, out_type="int64"), [0], [1], [1], shrink_axis_mask=1)
    zero, one = g.constant(0, index.dtype), g.constant(1, index.dtype)
    starts = g.ExpandDims(g.Range(zero, rows, one) * width, 1)
    places = g.Reshape(columns + starts, [-1, 1])
    flat = g.ScatterNd(places, g.Reshape(dy, [-1]), g.Reshape(size, [1]))
    return g.Reshape(flat, shape)


def _nth_shape(c: ShapeContext) -> Shape:
    x, n = c.with_rank_at_least(0, 1), c.constant(1)
    if c.input(1).rank not in (None, 0):
        raise invalid(f"n must be a scalar, but has shape {c.input(1)}")
    if x.dims is None:
        return UNKNOWN
    size = x.dims[-1]
    if n is not None and (int(n) < 0 or (size is not None and int(n) >= size)):
        raise invalid(f"n is {int(n)}, but must be in [0, {size}), the last dimension of {x}")
    return Shape(x.dims[:-1])


nth_element = op(
    f"NthElement(input: T, n: int32; reverse: bool = false, T: type in {REAL_NUMBERS}) -> (values: T)",
    shape=_nth_shape,
    allocates_output=True,
)


@nth_element.kernel
def _(xp: Any, x: Any, n: Any, *, reverse: bool) -> Any:
    if n.ndim:
        raise invalid(f"n must be a scalar, but has shape {Shape(n.shape)}")
    place = int(n)
    if place < 0:
        raise invalid(f"n is {place}, but must not be negative")
    if not x.ndim or place >= x.shape[-1]:
        raise invalid(f"n is {place}, but must be less than the last dimension of {Shape(x.shape)}")
    place = x.shape[-1] - 1 - place if reverse else place
    if x.dtype.kind != "V":
        return xp.partition(x, place, axis=-1)[..., place]
    index = xp.argpartition(ascending_keys(xp, x), place, axis=-1)[..., place : place + 1]
    return xp.take_along_axis(x, index, -1)[..., 0]


@nth_element.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    """Passes the gradient on in equal shares to all elements that equal the n-th."""
    x = node.inputs[0]
    chosen = g.cast(g.Equal(g.ExpandDims(node.outputs[0], -1), x), dy.dtype)
    count = g.ExpandDims(g.Sum(chosen, g.constant(-1)), -1)
    return chosen / count * g.ExpandDims(dy, -1), None


def _in_top_k_shape(c: ShapeContext) -> Shape:
    predictions, targets = c.with_rank(0, 2), c.with_rank(1, 1)
    batch: Dim = merge_dim(predictions[0], targets[0])
    return vector(batch)


in_top_k = op(
    "InTopK(predictions: float, targets: T; k: int, T: type in {int32, int64} = int32) -> (precision: bool)",
    shape=_in_top_k_shape,
    allocates_output=True,
)
in_top_k_v2 = op(
    "InTopKV2(predictions: float, targets: T, k: T; T: type in {int32, int64} = int32) -> (precision: bool)",
    shape=_in_top_k_shape,
    allocates_output=True,
)


@in_top_k.kernel
def _(xp: Any, predictions: Any, targets: Any, *, k: int) -> Any:
    return _is_in_top_k(xp, predictions, targets, k)


@in_top_k_v2.kernel
def _(xp: Any, predictions: Any, targets: Any, k: Any) -> Any:
    if k.ndim:
        raise invalid(f"k must be a scalar, but has shape {Shape(k.shape)}")
    return _is_in_top_k(xp, predictions, targets, int(k))


def _is_in_top_k(xp: Any, predictions: Any, targets: Any, k: int) -> Any:
    """True where fewer than k classes of a row have a larger prediction than its target.

    False where the target is no class or a prediction is not finite.
    """
    if predictions.ndim != 2 or targets.ndim != 1 or len(predictions) != len(targets):
        raise invalid(
            "predictions must be a matrix with one row for each of the targets, which must be a vector, but "
            f"are of shapes {Shape(predictions.shape)} and {Shape(targets.shape)}"
        )
    rows, classes = predictions.shape
    if not rows or not classes:
        return xp.zeros(rows, bool)
    known = (targets >= 0) & (targets < classes)
    own = predictions[xp.arange(rows), xp.where(known, targets, 0)][:, None]
    better = (predictions > own).sum(axis=1)
    return known & xp.isfinite(predictions).all(axis=1) & (better < k)
