"""RaggedRange, RaggedGather and RaggedFillEmptyRows (ragged_range_op.cc, ragged_gather_op.cc and
ragged_fill_empty_rows_op.cc in TensorFlow)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape, vector
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...core.types import INDEX
from ...numeric.int_arguments import check_allocation, nonnegative_scalar
from ...numeric.row_filling import check_rows, fill_rows, filled_grads
from .row_splits import check_nested_splits, ranges, splits_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def _range_shape(c: ShapeContext) -> list[Shape]:
    rows = 1
    for key in range(3):
        shape = c.input(key)
        if shape.dims is None:
            rows = None
        elif len(shape.dims) > 1:
            raise invalid(f"{('starts', 'limits', 'deltas')[key]} must be a scalar or vector, but is {shape}")
        elif shape.dims and (shape.dims[0] is None or rows == 1 or rows is None):
            rows = shape.dims[0]
    return [vector(None if rows is None else rows + 1), vector(None)]


range_ = op(
    "RaggedRange(starts: T, limits: T, deltas: T; T: type in {bfloat16, float, double, int32, int64} = int32, "
    f"Tsplits: type in {INDEX} = int64) -> (rt_nested_splits: Tsplits, rt_dense_values: T)",
    shape=_range_shape,
    differentiable=False,
)


@range_.kernel
def _(xp: Any, starts: Any, limits: Any, deltas: Any, *, T: DType, Tsplits: DType) -> list[Any]:
    arguments = [np.asarray(x) for x in (starts, limits, deltas)]
    for name, x in zip(("starts", "limits", "deltas"), arguments):
        if x.ndim > 1:
            raise invalid(f"{name} must be a scalar or vector, but has shape {Shape(x.shape)}")
    if len({x.size for x in arguments if x.ndim}) > 1:
        raise invalid(
            "starts, limits, and deltas must have the same shape, but have "
            + ", ".join(str(x.size) for x in arguments)
        )
    rows = next((x.size for x in arguments if x.ndim), 1)
    first, limit, step = (np.broadcast_to(x, (rows,)) for x in arguments)
    if not step.all():
        raise invalid("Requires delta != 0, but a range has a delta of 0")
    lengths = _range_lengths(first, limit, step)
    total = sum(lengths.tolist())
    if total > np.iinfo(Tsplits.numpy).max:
        raise invalid(f"the ranges have {total} elements, which is too many for splits of {Tsplits}")
    check_allocation((total,), T.numpy.itemsize)
    lengths = lengths.astype(np.int64)
    return [splits_of(lengths, Tsplits.numpy), _range_values(first, step, lengths, total)]


def _range_lengths(first: Any, limit: Any, step: Any) -> Any:
    """The number of elements of each range: integers or, where they may be too large for those, floats."""
    empty = ((step > 0) & (first >= limit)) | ((step < 0) & (first <= limit))
    if first.dtype.kind == "i":
        low, high, size = (x.astype(object) for x in (first, limit, step))
        if len(first) and max(np.abs(x.astype(np.float64)).max() for x in (first, limit, step)) < 2**61:
            low, high, size = (x.astype(np.int64) for x in (first, limit, step))
        return np.where(empty, 0, (abs(high - low) + abs(size) - 1) // abs(size))
    with np.errstate(all="ignore"):
        lengths = np.ceil(np.abs((limit - first) / step)).astype(np.float64)
    if not np.isfinite(lengths[~empty]).all() or (lengths[~empty] > 2**62).any():
        raise invalid("Requires ((limit - start) / delta) to be finite and representable as an integer")
    return np.where(empty, 0, lengths).astype(np.int64)


def _range_values(first: Any, step: Any, lengths: Any, total: int) -> Any:
    if first.dtype.kind == "i":
        place = ranges(np.zeros_like(lengths), lengths)
        return (np.repeat(first, lengths) + place * np.repeat(step, lengths)).astype(first.dtype)
    # Sums of floats depend on their order: TensorFlow adds delta again and again.
    values = np.empty(total, first.dtype)
    end = 0
    for start, delta, length in zip(first, step, lengths.tolist()):
        row = values[end : end + length]
        row[:] = delta
        row[:1] = start
        np.add.accumulate(row, out=row)
        end += length
    return values


def _gather_shape(c: ShapeContext) -> list[Shape]:
    count = c.attr("OUTPUT_RAGGED_RANK")
    values, indices = c.input("params_dense_values"), c.input("indices")
    if indices.rank is not None and indices.rank + c.attr("PARAMS_RAGGED_RANK") - 1 != count:
        raise invalid(
            f"OUTPUT_RAGGED_RANK is {count}, but indices of rank {indices.rank} and PARAMS_RAGGED_RANK "
            f"{c.attr('PARAMS_RAGGED_RANK')} give {indices.rank + c.attr('PARAMS_RAGGED_RANK') - 1}"
        )
    result = UNKNOWN if values.dims is None else Shape((None, *values.dims[1:]))
    return [*[vector(None)] * count, result]


gather = op(
    "RaggedGather(params_nested_splits: PARAMS_RAGGED_RANK*Tsplits, params_dense_values: Tvalues, "
    f"indices: Tindices; Tvalues: type, Tindices: type in {INDEX}, Tsplits: type in {INDEX} = int64, "
    "PARAMS_RAGGED_RANK: int >= 1, OUTPUT_RAGGED_RANK: int >= 0) "
    "-> (output_nested_splits: OUTPUT_RAGGED_RANK*Tsplits, output_dense_values: Tvalues)",
    shape=_gather_shape,
)


@gather.kernel
def _(
    xp: Any, nested: Sequence[Any], values: Any, indices: Any, *, Tsplits: DType, OUTPUT_RAGGED_RANK: int
) -> list[Any]:
    check_nested_splits(nested, np.asarray(values), exact=False)
    indices = np.asarray(indices)
    rows, flat = len(nested[0]) - 1, indices.reshape(-1)
    outside = (flat < 0) | (flat >= rows)
    if outside.any():
        place = np.unravel_index(int(outside.argmax()), indices.shape)
        raise invalid(f"indices{[int(i) for i in place]} = {flat[outside.argmax()]} is not in [0, {rows})")
    result = _outer_splits(indices.shape, Tsplits.numpy)
    elements = flat.astype(np.int64)
    for splits in nested:
        lengths = (splits[elements + 1] - splits[elements]).astype(np.int64)
        result.append(splits_of(lengths, Tsplits.numpy))
        elements = ranges(splits[elements].astype(np.int64), lengths)
        check_allocation((len(elements),), 8)
    if not indices.ndim:
        del result[0]
    if len(result) != OUTPUT_RAGGED_RANK:
        raise invalid(f"OUTPUT_RAGGED_RANK is {OUTPUT_RAGGED_RANK}, but the result has {len(result)} splits")
    return [result, values[elements]]


def _outer_splits(dims: tuple[int, ...], dtype: Any) -> list[Any]:
    """The splits of the uniform dimensions of the indices, all but the first."""
    rows, result = 1, []
    for outer, length in itertools.pairwise(dims):
        rows *= outer
        result.append(np.arange(rows + 1, dtype=dtype) * length)
    return result


@gather.gradient
def _(g: GraphBuilder, node: NodeView, *dys: Tensor | None) -> list[Tensor | None]:
    *nested, values, indices = node.inputs
    dy = dys[-1]
    if dy is None:
        return [None] * len(node.inputs)
    combined = nested[0]
    for splits in nested[1:]:
        combined = g.GatherV2(splits, combined, g.constant(0, "int32"))
    flat = g.Reshape(indices, g.constant([-1], "int32"))
    one = g.constant(1, indices.dtype)
    starts, limits = (g.GatherV2(combined, x, g.constant(0, "int32")) for x in (flat, g.AddV2(flat, one)))
    rows = g.RaggedRange(starts, limits, g.constant(1, combined.dtype), Tsplits=combined.dtype)[1]
    size = g.GatherV2(g.Shape(values), g.constant(0, "int32"), g.constant(0, "int32"))
    return [*[None] * len(nested), g.UnsortedSegmentSum(dy, rows, size), None]


def _fill_shape(c: ShapeContext) -> list[Shape]:
    count = c.with_rank(0, 1)[0]
    c.with_rank(1, 1)
    c.with_rank(2, 0)
    c.with_rank(3, 0)
    rows = c.constant(2)
    known = None if rows is None or int(rows) < 0 else int(rows)
    return [vector(None), vector(None), vector(known), vector(count)]


fill_empty_rows = op(
    "RaggedFillEmptyRows(value_rowids: int64, values: T, nrows: int64, default_value: T; T: type) "
    "-> (output_value_rowids: int64, output_values: T, empty_row_indicator: bool, reverse_index_map: int64)",
    shape=_fill_shape,
)


@fill_empty_rows.kernel
def _(xp: Any, row_of: Any, values: Any, nrows: Any, default: Any) -> list[Any]:
    if row_of.ndim != 1 or values.ndim != 1 or len(row_of) != len(values):
        raise invalid(
            "value_rowids and values must be vectors of one length, but have shapes "
            f"{Shape(row_of.shape)} and {Shape(values.shape)}"
        )
    if np.ndim(default):
        raise invalid(f"default_value must be a scalar, but has shape {list(np.shape(default))}")
    rows = nonnegative_scalar(np.asarray(nrows), "nrows")
    check_allocation((rows,), 17)
    check_rows(row_of, rows, "value_rowids")
    filled = fill_rows(row_of, rows)
    return [filled.rows, filled.values(values, default), filled.empty, filled.new_place]


@fill_empty_rows.gradient
def _(g: GraphBuilder, node: NodeView, _: Any, dy: Tensor | None, *__: Any) -> list[Tensor | None]:
    if dy is None:
        return [None] * 4
    d_values, d_default = g.RaggedFillEmptyRowsGrad(node.outputs[3], dy)
    return [None, d_values, None, d_default]


fill_empty_rows_grad = op(
    "RaggedFillEmptyRowsGrad(reverse_index_map: int64, grad_values: T; T: type) "
    "-> (d_values: T, d_default_value: T)",
    shape=lambda c: [vector(c.with_rank(0, 1)[0]), Shape(())],
)


@fill_empty_rows_grad.kernel
def _(xp: Any, index_map: Any, grads: Any) -> list[Any]:
    return filled_grads(index_map, grads)
