"""Gather, GatherV2 and GatherNd: reading rows, slices and elements by their indices."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Dim, Shape, unknown_of_rank
from ...builder.graph_builder import GraphBuilder, IndexedSlices, NodeView, Tensor
from ...core import shapes
from ...core.registry import Family
from ...numeric import scatter

if TYPE_CHECKING:
    from ...core.binding import Binding
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="axis")
op = family.op


def _gather_shape(c: ShapeContext) -> Shape:
    params = c.with_rank_at_least(0, 1)
    return _gathered_shape(params, c.input(1), 0, 0)


def _gathered_shape(params: Shape, indices: Shape, axis: int, batch_dims: int) -> Shape:
    if params.dims is None or indices.dims is None:
        return UNKNOWN
    return Shape((*params.dims[:axis], *indices.dims[batch_dims:], *params.dims[axis + 1 :]))


gather = op(
    "Gather(params: Tparams, indices: Tindices; validate_indices: bool = true, Tparams: type, "
    "Tindices: type in {int32, int64}) -> (output: Tparams)",
    shape=_gather_shape,
    allocates_output=True,
)


@gather.kernel
def _(xp: Any, params: Any, indices: Any) -> Any:
    return _take(params, indices, 0)


@gather.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[IndexedSlices, None]:
    params, indices = node.inputs
    return _indexed_slices(g, params, indices, dy), None


def _take(params: Any, indices: Any, axis: int) -> Any:
    if not params.size:
        shape = (*params.shape[:axis], *indices.shape, *params.shape[axis + 1 :])
        if not prod(shape):
            # Nothing is read, so no index is checked.
            return params.reshape(shape)
    scatter.check_indices(indices, params.shape[axis])
    rows = params.take(indices, axis)
    # Indexing a vector of strings by a scalar would return bare bytes.
    return rows if hasattr(rows, "dtype") else np.asarray(rows, object)


def _indexed_slices(g: GraphBuilder, params: Tensor, indices: Tensor, dy: Tensor) -> IndexedSlices:
    """Returns dy as IndexedSlices: each of its rows with the row of params that it was read from."""
    shape = g.shape_of(params)
    flat = g.Reshape(indices, [-1])
    if params.shape.rank == 1:
        return IndexedSlices(g.Reshape(dy, [-1]), flat, shape)
    row = g.StridedSlice(shape, [1], [0], [1], end_mask=1)
    return IndexedSlices(g.Reshape(dy, g.ConcatV2([g.constant([-1]), row], 0)), flat, shape)


def _gather_v2_shape(c: ShapeContext) -> Shape:
    params, indices, axis = c.with_rank_at_least(0, 1), c.input(1), c.constant(2)
    if c.input(2).rank not in (None, 0):
        raise invalid(f"axis must be a scalar, but has shape {c.input(2)}")
    batch_dims: int = c.attr("batch_dims")
    if indices.rank is not None and batch_dims:
        batch_dims = _normalize_batch_dims(batch_dims, indices.rank)
    if params.rank is None or indices.rank is None:
        return UNKNOWN
    if axis is None:
        return unknown_of_rank(params.rank + indices.rank - 1 - batch_dims)
    position = shapes.axis_of(int(axis), params.rank)
    _check_batch_dims(batch_dims, position, params.rank)
    merged = Shape((params.dims or ())[:batch_dims]).merge(Shape((indices.dims or ())[:batch_dims]))
    joined = _gathered_shape(params, indices, position, batch_dims)
    return Shape((*(merged.dims or ()), *(joined.dims or ())[batch_dims:]))


def _normalize_batch_dims(batch_dims: int, rank: int) -> int:
    """Returns batch_dims counted from the front; negative values count from the end of the axes of indices."""
    if not -rank <= batch_dims <= rank:
        raise invalid(f"batch_dims {batch_dims} is not in [{-rank}, {rank}], the indices' rank being {rank}")
    return batch_dims + rank if batch_dims < 0 else batch_dims


def _check_batch_dims(batch_dims: int, axis: int, rank: int) -> None:
    if batch_dims >= rank:
        raise invalid(f"batch_dims {batch_dims} must be less than the rank of params, which is {rank}")
    if axis < batch_dims:
        raise invalid(f"batch_dims {batch_dims} must not be greater than axis {axis}")


gather_v2 = op(
    "GatherV2(params: Tparams, indices: Tindices, axis: Taxis; batch_dims: int = 0, Tparams: type, "
    "Tindices: type in {int16, int32, int64}, Taxis: type in {int32, int64}) -> (output: Tparams)",
    shape=_gather_v2_shape,
    allocates_output=True,
)


@gather_v2.elements
def _(c: ShapeContext) -> list[Dim] | None:
    known, indices = c.elements(0), c.constant(1)
    if known is None or indices is None or c.input(0).rank != 1:
        return None
    if c.constant(2) is None or c.attr("batch_dims"):
        return None
    wanted: list[int] = indices.reshape(-1).tolist()
    return [known[i] if 0 <= i < len(known) else None for i in wanted]


@gather_v2.bind
def _(b: Binding) -> Any:
    rank, axis = b.inputs[0].shape.rank, b.inputs[2].constant
    if b.attrs["batch_dims"] or not rank or axis is None or not -rank <= int(axis) < rank:
        return None
    position = int(axis) % rank

    def bound(params: Any, indices: Any, _: Any) -> Any:
        return _take(params, indices, position)

    return bound


@gather_v2.kernel
def _(xp: Any, params: Any, indices: Any, axis: Any, *, batch_dims: int) -> Any:
    if not params.ndim:
        raise invalid("params must be of rank 1 or more, not a scalar")
    if axis.ndim:
        raise invalid(f"axis must be a scalar, but has shape {Shape(axis.shape)}")
    position = shapes.axis_of(int(axis), params.ndim)
    if not batch_dims:
        return _take(params, indices, position)
    batch_dims = _normalize_batch_dims(batch_dims, indices.ndim)
    _check_batch_dims(batch_dims, position, params.ndim)
    batch = params.shape[:batch_dims]
    if batch != indices.shape[:batch_dims]:
        raise invalid(
            f"with batch_dims {batch_dims}, params of shape {Shape(params.shape)} and indices of shape "
            f"{Shape(indices.shape)} must have the same dimensions up to there"
        )
    before, after = params.shape[batch_dims:position], params.shape[position + 1 :]
    shape = (*batch, *before, *indices.shape[batch_dims:], *after)
    if not params.size and not prod(shape):
        return params.reshape(shape)
    scatter.check_indices(indices, params.shape[position])
    rows = xp.asarray(indices).reshape(prod(batch), 1, prod(indices.shape[batch_dims:]))
    table = params.reshape(prod(batch), prod(before), params.shape[position], prod(after))
    outer, inner = xp.arange(prod(batch))[:, None, None], xp.arange(prod(before))[None, :, None]
    return table[outer, inner, rows].reshape(shape)


@gather_v2.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Any, None, None]:
    params, indices, axis = node.inputs
    batch_dims: int = node.attr("batch_dims")
    constant = axis.fact.constant
    if constant is not None and int(constant) == 0 and batch_dims == 0:
        return _indexed_slices(g, params, indices, dy), None, None
    return _dense_params_gradient(g, params, indices, axis, batch_dims, dy), None, None


def _dense_params_gradient(
    g: GraphBuilder, params: Tensor, indices: Tensor, axis: Tensor, batch_dims: int, dy: Tensor
) -> Tensor:
    """Returns the gradient of params as a dense tensor.

    With axes merged, dy is [batch, outer, index, inner]; its slices along index are summed into a table of shape
    [batch * rows, outer, inner], one batch element after the other.
    """
    shape, indices_shape = g.Shape(params), g.Shape(indices)
    position = _normalized_axis(g, axis, params)
    if batch_dims < 0:
        rank = indices.shape.rank
        if rank is None:
            raise invalid(
                f"the gradient of a gather with batch_dims {batch_dims} needs indices of known rank"
            )
        batch_dims += rank
    first, after = g.Reshape(position, [1]), g.Reshape(position + g.constant(1), [1])
    start, end = g.constant([batch_dims]), g.constant([2**31 - 1])
    batch = _size_between(g, shape, g.constant([0]), start)
    outer = _size_between(g, shape, start, first)
    rows = _size_between(g, shape, first, after)
    inner = _size_between(g, shape, after, end)
    count = _size_between(g, indices_shape, start, end)
    slices = g.Transpose(g.Reshape(dy, g.Pack([batch, outer, count, inner])), [0, 2, 1, 3])
    slices = g.Reshape(slices, g.Pack([batch * count, outer, inner]))
    offsets = g.Range(0, batch, 1) * rows
    at = g.Reshape(indices, g.Pack([batch, count])) + g.cast(g.ExpandDims(offsets, 1), indices.dtype)
    table = g.UnsortedSegmentSum(slices, g.Reshape(at, [-1]), batch * rows)
    table = g.Transpose(g.Reshape(table, g.Pack([batch, rows, outer, inner])), [0, 2, 1, 3])
    return g.Reshape(table, shape)


def _normalized_axis(g: GraphBuilder, axis: Tensor, params: Tensor) -> Tensor:
    """Returns the axis counted from the front, as an int32 scalar."""
    axis = g.cast(axis, g.constant(0).dtype)
    return g.FloorMod(axis, g.Rank(params))


def _size_between(g: GraphBuilder, shape: Tensor, begin: Tensor, end: Tensor) -> Tensor:
    return g.Prod(g.StridedSlice(shape, begin, end, [1]), g.constant([0]))


def _gather_nd_shape(c: ShapeContext) -> Shape:
    params, indices = c.input(0), c.with_rank_at_least(1, 1)
    depth = indices[-1]
    if params.dims is None or indices.dims is None or depth is None:
        return UNKNOWN
    if depth > len(params.dims):
        raise invalid(f"index vectors of {depth} elements do not fit params of shape {params}")
    return Shape((*indices.dims[:-1], *params.dims[depth:]))


gather_nd = op(
    "GatherNd(params: Tparams, indices: Tindices; Tparams: type, Tindices: type in {int16, int32, int64}, "
    'bad_indices_policy: string = "") -> (output: Tparams)',
    shape=_gather_nd_shape,
    allocates_output=True,
)


@gather_nd.kernel
def _(xp: Any, params: Any, indices: Any, *, bad_indices_policy: str) -> Any:
    return gather_slices(xp, params, indices, ignore=scatter.ignores_bad_indices(bad_indices_policy))


def gather_slices(xp: Any, params: Any, indices: Any, *, ignore: bool = False) -> Any:
    """Returns ``params[tuple(indices[i…, :])]``: elements or slices.

    Raises INVALID_ARGUMENT for indices out of bounds; where ``ignore``, they read zeros.
    """
    params, indices = xp.asarray(params), xp.asarray(indices)
    depth = indices.shape[-1] if indices.ndim else -1
    if not 0 <= depth <= params.ndim or not params.ndim:
        raise invalid(
            f"indices of shape {Shape(indices.shape)} do not index params of shape {Shape(params.shape)}: "
            "they must be vectors no longer than the params' rank, which must be 1 or more"
        )
    inner = params.shape[depth:]
    wanted = (*indices.shape[:-1], *inner)
    if not params.size and prod(indices.shape[:-1]):
        raise invalid(f"indices of shape {Shape(indices.shape)} ask for elements of params that have none")
    rows, good = scatter.row_numbers(xp, indices, params.shape[:depth], ignore=ignore)
    flat = params.reshape(prod(params.shape[:depth]), *inner)
    if good is None:
        return flat[rows].reshape(wanted) if rows.size and params.size else xp.empty(wanted, params.dtype)
    output = scatter.zeros(xp, (rows.size, *inner), params.dtype)
    output[good] = flat[rows[good]]
    return output.reshape(wanted)


@gather_nd.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor | IndexedSlices, None]:
    params, indices = node.inputs
    if indices.dtype.name == "int16":
        indices = g.Cast(indices, DstT="int32")
    policy = node.attr("bad_indices_policy")
    if indices.shape.rank == 1:
        indices, dy = g.ExpandDims(indices, 0), g.ExpandDims(dy, 0)
    if indices.shape.rank == 2 and indices.shape[-1] == 1 and not policy:
        return IndexedSlices(dy, g.Reshape(indices, [-1]), g.shape_of(params)), None
    shape = g.cast(g.shape_of(params), indices.dtype)
    return g.ScatterNd(indices, dy, shape, bad_indices_policy=policy), None
