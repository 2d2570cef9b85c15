"""Sums, means, products and extremes of the rows of each segment, for sorted and unsorted segment ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core.registry import Family, Op
from ...core.traits import GpuSupport
from ...core.types import NUMBERS, REAL_NUMBERS
from ...numeric.int_arguments import nonnegative_scalar
from ...numeric.reductions import accumulator_dtype
from ...numeric.segments import check_sorted, combine_sorted, combine_unsorted

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="num_segments")
op = family.op


def _unsorted_shape(c: ShapeContext) -> Shape:
    """The static shape: [num_segments] and the dimensions of data after those that the ids cover."""
    data, ids = c.input(0), c.input(1)
    if c.input(2).rank not in (None, 0):
        raise invalid(f"num_segments must be a scalar, but has shape {c.input(2)}")
    number = c.elements(2)
    count = None if number is None else number[0]
    if count is not None and count < 0:
        raise invalid(f"num_segments must not be negative, but is {count}")
    if data.dims is None or ids.dims is None:
        return UNKNOWN
    depth = len(ids.dims)
    if depth > len(data.dims):
        raise invalid(f"data of shape {data} must start with the shape {ids} of segment_ids")
    Shape(data.dims[:depth]).merge(ids)
    return Shape((count, *data.dims[depth:]))


def _declare_unsorted(
    name: str, allowed: str, how: str, indices: str = "int32, int64", gpu: GpuSupport | None = None
) -> Op:
    declared = op(
        f"{name}(data: T, segment_ids: Tindices, num_segments: Tnumsegments; T: type in {allowed}, "
        f"Tindices: type in {{{indices}}}, Tnumsegments: type in {{int32, int64}} = int32) -> (output: T)",
        shape=_unsorted_shape,
        allocates_output=True,
        gpu=gpu,
    )

    @declared.kernel
    def _(xp: Any, data: Any, segment_ids: Any, num_segments: Any) -> Any:
        data, ids = xp.asarray(data), xp.asarray(segment_ids)
        count = nonnegative_scalar(num_segments, "num_segments")
        if data.shape[: ids.ndim] != ids.shape:
            raise invalid(
                f"data of shape {list(data.shape)} must start with the shape {list(ids.shape)} of segment_ids"
            )
        inner = data.shape[ids.ndim :]
        rows = data.reshape(ids.size, _element_count(inner))
        return combine_unsorted(xp, how, rows, ids.reshape(-1), count).reshape(count, *inner)

    return declared


def _element_count(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


unsorted_sum = _declare_unsorted("UnsortedSegmentSum", NUMBERS, "add", "int16, int32, int64")
unsorted_prod = _declare_unsorted("UnsortedSegmentProd", NUMBERS, "multiply", gpu=GpuSupport.NONE)
unsorted_max = _declare_unsorted("UnsortedSegmentMax", REAL_NUMBERS, "maximum")
unsorted_min = _declare_unsorted("UnsortedSegmentMin", REAL_NUMBERS, "minimum")


def _sorted_shape(c: ShapeContext) -> Shape:
    data = c.with_rank_at_least(0, 1)
    c.with_rank(1, 1)
    return UNKNOWN if data.dims is None else Shape((None, *data.dims[1:]))


def _declare_sorted(name: str, allowed: str, how: str, gpu: GpuSupport | None = None) -> Op:
    declared = op(
        f"{name}(data: T, segment_ids: Tindices; T: type in {allowed}, Tindices: type in {{int32, int64}}) "
        "-> (output: T)",
        shape=_sorted_shape,
        allocates_output=True,
        gpu=gpu,
    )

    @declared.kernel
    def _(xp: Any, data: Any, segment_ids: Any) -> Any:
        rows, ids, count = _sorted_segments(xp, data, segment_ids)
        if how == "mean":
            sums = combine_sorted(
                xp, "add", rows.astype(accumulator_dtype(rows.dtype), copy=False), ids, count, 0
            )
            out = _segment_means(xp, sums, ids, count).astype(data.dtype, copy=False)
        else:
            out = combine_sorted(xp, how, rows, ids, count, int(how == "multiply"))
        return out.reshape(count, *data.shape[1:])

    return declared


def _sorted_segments(xp: Any, data: Any, segment_ids: Any) -> tuple[Any, Any, int]:
    """Returns data as a matrix, the ids, and the number of segments.

    Raises INVALID_ARGUMENT where data and ids do not fit each other, or ids are not sorted.
    """
    data, ids = xp.asarray(data), xp.asarray(segment_ids)
    if not data.ndim or ids.shape != data.shape[:1]:
        raise invalid(
            f"segment_ids of shape {list(ids.shape)} must be a vector as long as dimension 0 of data, "
            f"whose shape is {list(data.shape)}"
        )
    check_sorted(ids)
    count = int(ids[-1]) + 1 if ids.size else 0
    return data.reshape(ids.size, _element_count(data.shape[1:])), ids, count


def _segment_means(xp: Any, sums: Any, ids: Any, count: int) -> Any:
    """Divides sums by the number of rows of each segment; integer quotients are rounded towards zero."""
    numbers = xp.maximum(xp.bincount(ids, minlength=count), 1).astype(sums.dtype)[:, None]
    if sums.dtype.kind not in "iu":
        return sums / numbers
    return xp.sign(sums) * (abs(sums) // numbers)


sorted_sum = _declare_sorted("SegmentSum", NUMBERS, "add")
sorted_mean = _declare_sorted("SegmentMean", NUMBERS, "mean")
sorted_prod = _declare_sorted("SegmentProd", NUMBERS, "multiply", gpu=GpuSupport.NONE)
sorted_max = _declare_sorted("SegmentMax", REAL_NUMBERS, "maximum")
sorted_min = _declare_sorted("SegmentMin", REAL_NUMBERS, "minimum")


# what went into: Gradients: each row receives the gradient of its segment.


def _gather_rows(g: GraphBuilder, params: Tensor, ids: Tensor) -> Tensor:
    return g.GatherV2(params, ids, 0)


def _gather_or_default(
    g: GraphBuilder, params: Tensor, ids: Tensor, instead: float = 0
) -> tuple[Tensor, Tensor]:
    """Gathers the row of each id, ``instead`` where the id is negative.

    Returns also a mask of the non-negative ids, of the same shape.
    """
    rows = _gather_rows(g, params, g.Maximum(ids, g.zeros_like(ids)))
    kept = g.GreaterEqual(ids, g.zeros_like(ids))
    extra = g.Fill(g.Reshape(g.Size(g.Shape(rows)) - g.Size(g.Shape(kept)), [1]), 1)
    kept = g.Reshape(kept, g.ConcatV2([g.Shape(kept), extra], 0))
    kept = g.BroadcastTo(kept, g.Shape(rows))
    other = g.zeros_like(rows) if not instead else g.Fill(g.Shape(rows), g.constant(instead, rows.dtype))
    return g.SelectV2(kept, rows, other), kept


@unsorted_sum.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
    return _gather_or_default(g, dy, node.inputs[1])[0], None, None


def _unsorted_extreme(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
    """Passes the gradient on to the extremes, in equal shares where several rows tie."""
    data, ids, count = node.inputs
    outputs, kept = _gather_or_default(g, node.outputs[0], ids)
    chosen = g.LogicalAnd(g.Equal(data, outputs), kept)
    number = g.UnsortedSegmentSum(g.cast(chosen, dy.dtype), ids, count)
    shares = _gather_or_default(g, dy / number, ids)[0]
    return g.SelectV2(chosen, shares, g.zeros_like(shares)), None, None


unsorted_max.gradient(_unsorted_extreme)
unsorted_min.gradient(_unsorted_extreme)


@unsorted_prod.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
    """Divides the product by the row itself, or where that is 0 takes the product of all other rows."""
    data, ids, count = node.inputs
    is_zero = g.Equal(data, g.zeros_like(data))
    zeros = g.UnsortedSegmentSum(g.cast(is_zero, dtypes.int32), ids, count)
    dy = g.SelectV2(g.Greater(zeros, 1), g.zeros_like(dy), dy)
    ones = g.Fill(g.Shape(data), g.constant(1, data.dtype))
    without = g.UnsortedSegmentProd(g.SelectV2(is_zero, ones, data), ids, count)
    clipped = g.Maximum(ids, g.zeros_like(ids))
    whole = _gather_rows(g, node.outputs[0], clipped)
    others = g.SelectV2(is_zero, _gather_rows(g, without, clipped), whole / data)
    return _gather_or_default(g, dy, ids)[0] * others, None, None


@sorted_sum.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
    return _gather_rows(g, dy, node.inputs[1]), None


@sorted_mean.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
    data, ids = node.inputs
    rank = g.Size(g.Shape(data))
    ones_shape = g.ConcatV2([g.Shape(ids), g.Fill(g.Reshape(rank - 1, [1]), 1)], 0)
    numbers = g.SegmentSum(g.Fill(ones_shape, g.constant(1, dy.dtype)), ids)
    return _gather_rows(g, dy / numbers, ids), None


def _sorted_extreme(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
    data, ids = node.inputs
    chosen = g.Equal(data, _gather_rows(g, node.outputs[0], ids))
    number = g.SegmentSum(g.cast(chosen, dy.dtype), ids)
    shares = _gather_rows(g, dy / number, ids)
    return g.SelectV2(chosen, shares, g.zeros_like(shares)), None


sorted_max.gradient(_sorted_extreme)
sorted_min.gradient(_sorted_extreme)


@sorted_prod.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
    """Computes the gradient as UnsortedSegmentProd does."""
    data, ids = node.inputs
    is_zero = g.Equal(data, g.zeros_like(data))
    zeros = g.SegmentSum(g.cast(is_zero, dtypes.int32), ids)
    dy = g.SelectV2(g.Greater(zeros, 1), g.zeros_like(dy), dy)
    ones = g.Fill(g.Shape(data), g.constant(1, data.dtype))
    without = g.SegmentProd(g.SelectV2(is_zero, ones, data), ids)
    others = g.SelectV2(is_zero, _gather_rows(g, without, ids), _gather_rows(g, node.outputs[0], ids) / data)
    return _gather_rows(g, dy, ids) * others, None
