"""SparseSegmentSum, Mean and SqrtN: segment reductions of selected rows, as embedding lookups need them, and
gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...builder.graph_builder import GraphBuilder, IndexedSlices, NodeView, Tensor
from ...core.registry import Family
from ...core.types import FLOATS, REAL_NUMBERS
from ...numeric.int_arguments import nonnegative_scalar
from ...numeric.reductions import accumulator_dtype
from ...numeric.scatter import check_indices
from ...numeric.segments import check_sorted, combine_sorted, combine_unsorted

if TYPE_CHECKING:
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="dense_output_dim0 num_segments output_dim0")
op = family.op

# The factor of each segment's sum as a function of its number of rows; None for sums.
Weigh = Callable[[Any], Any] | None

_WEIGHTS: dict[str, Weigh] = {
    "Sum": None,
    "Mean": lambda numbers: 1 / numbers,
    "SqrtN": lambda numbers: 1 / numbers**0.5,
}

_INDICES = "Tidx: type in {int32, int64} = int32, "
_SEGMENTS = "Tsegmentids: type in {int32, int64} = int32"


def _with_rows(c: ShapeContext, count: int | None) -> Shape:
    data = c.with_rank_at_least(0, 1)
    c.with_rank(1, 1).merge(c.with_rank(2, 1))
    return UNKNOWN if data.dims is None else Shape((count, *data.dims[1:]))


def _shape_without_count(c: ShapeContext) -> Shape:
    return _with_rows(c, None)


def _shape_with_count(c: ShapeContext) -> Shape:
    """The static shape with as many rows as the last input says."""
    if c.input(3).rank not in (None, 0):
        raise invalid(f"{c.op.signature.inputs[3].name} must be a scalar, but has shape {c.input(3)}")
    constant = c.constant(3)
    return _with_rows(
        c, None if constant is None else nonnegative_scalar(constant, c.op.signature.inputs[3].name)
    )


def _with_indices(c: ShapeContext) -> list[Shape]:
    return [_with_rows(c, None), Shape((None,))]


def _check(data: Any, indices: Any, ids: Any) -> None:
    if not data.ndim:
        raise invalid("data must be of rank 1 or more, not a scalar")
    if indices.ndim != 1 or indices.shape != ids.shape:
        raise invalid(
            f"segment_ids of shape {list(ids.shape)} and indices of shape {list(indices.shape)} must be "
            "vectors of equal length"
        )


def _scale(xp: Any, ids: Any, count: int, weigh: Weigh, dtype: Any) -> Any:
    numbers = xp.maximum(xp.bincount(ids, minlength=count), 1)
    return None if weigh is None else weigh(numbers).astype(dtype)[:, None]


def _combine_rows(xp: Any, data: Any, indices: Any, ids: Any, count: int | None, weigh: Weigh) -> Any:
    """Adds ``data[indices[i]]`` to row ``ids[i]``, and scales the sums."""
    _check(data, indices, ids)
    check_sorted(ids)
    if count is None:
        count = int(ids[-1]) + 1 if ids.size else 0
    elif ids.size and int(ids[-1]) >= count:
        raise invalid(f"segment ids must be below num_segments = {count}, but the last is {int(ids[-1])}")
    check_indices(indices, data.shape[0])
    wide = accumulator_dtype(data.dtype)
    width = int(np.prod(data.shape[1:], dtype=np.int64))
    rows = data.reshape(data.shape[0], width)[indices].astype(wide, copy=False)
    sums = combine_sorted(xp, "add", rows, ids, count, 0)
    scale = _scale(xp, ids, count, weigh, wide)
    out = sums if scale is None else sums * scale
    return out.astype(data.dtype, copy=False).reshape(count, *data.shape[1:])


def _distribute_gradient(xp: Any, grad: Any, indices: Any, ids: Any, count: int, weigh: Weigh) -> Any:
    """Computes the gradient of ``_combine_rows``: adds row ``ids[i]`` of ``grad``, scaled, to row ``indices[i]``."""
    _check(grad, indices, ids)
    check_indices(ids, grad.shape[0], "segment_ids")
    check_indices(indices, count)
    wide = accumulator_dtype(grad.dtype)
    width = int(np.prod(grad.shape[1:], dtype=np.int64))
    rows = grad.reshape(grad.shape[0], width).astype(wide, copy=False)
    scale = _scale(xp, ids, grad.shape[0], weigh, wide)
    rows = rows if scale is None else rows * scale
    out = combine_unsorted(xp, "add", rows[ids], indices, count)
    return out.astype(grad.dtype, copy=False).reshape(count, *grad.shape[1:])


def _declare(suffix: str, weigh: Weigh) -> None:
    allowed = REAL_NUMBERS if suffix == "Sum" else FLOATS
    name = f"SparseSegment{suffix}"
    arguments = "data: T, indices: Tidx, segment_ids: Tsegmentids"

    plain = op(
        f"{name}({arguments}; T: type in {allowed}, {_INDICES}{_SEGMENTS}, "
        "sparse_gradient: bool = false) -> (output: T)",
        shape=_shape_without_count,
        allocates_output=True,
    )

    @plain.kernel
    def _(xp: Any, data: Any, indices: Any, segment_ids: Any) -> Any:
        return _combine_rows(xp, data, indices, segment_ids, None, weigh)

    numbered = op(
        f"{name}WithNumSegments({arguments}, num_segments: Tnumsegments; T: type in {allowed}, {_INDICES}"
        f"Tnumsegments: type in {{int32, int64}} = int32, {_SEGMENTS}, "
        "sparse_gradient: bool = false) -> (output: T)",
        shape=_shape_with_count,
        allocates_output=True,
    )

    @numbered.kernel
    def _(xp: Any, data: Any, indices: Any, segment_ids: Any, num_segments: Any) -> Any:
        return _combine_rows(
            xp, data, indices, segment_ids, nonnegative_scalar(num_segments, "num_segments"), weigh
        )

    def gradient(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Any, ...]:
        data, indices, ids = node.inputs[:3]
        nones = (None,) * (len(node.inputs) - 1)
        height = g.StridedSlice(g.shape_of(data), [0], [1], [1], shrink_axis_mask=1)
        if not node.attr("sparse_gradient"):
            return g.add_op(f"{name}Grad", dy, indices, ids, height), *nones
        values, unique = g.add_op(f"{name}GradV2", dy, indices, ids, height)
        return IndexedSlices(values, unique, g.shape_of(data)), *nones

    plain.gradient(gradient)
    numbered.gradient(gradient)
    _declare_gradients(name, weigh)


def _declare_gradients(name: str, weigh: Weigh) -> None:
    arguments = "grad: T, indices: Tidx, segment_ids: Tsegmentids"
    types = f"T: type in {FLOATS}, {_INDICES}{_SEGMENTS}"
    dense = op(
        f"{name}Grad({arguments}, output_dim0: int32; {types}) -> (output: T)",
        shape=_shape_with_count,
        allocates_output=True,
    )

    @dense.kernel
    def _(xp: Any, grad: Any, indices: Any, segment_ids: Any, output_dim0: Any) -> Any:
        return _distribute_gradient(
            xp, grad, indices, segment_ids, nonnegative_scalar(output_dim0, "output_dim0"), weigh
        )

    sparse = op(
        f"{name}GradV2({arguments}, dense_output_dim0: int32; {types}) -> "
        "(output: T, sorted_unique_indices: Tidx)",
        shape=_with_indices,
        allocates_output=True,
    )

    @sparse.kernel
    def _(xp: Any, grad: Any, indices: Any, segment_ids: Any, dense_output_dim0: Any) -> tuple[Any, Any]:
        _check(grad, indices, segment_ids)
        check_indices(indices, nonnegative_scalar(dense_output_dim0, "dense_output_dim0"))
        unique, places = xp.unique(indices, return_inverse=True)
        return _distribute_gradient(xp, grad, places, segment_ids, len(unique), weigh), unique


for _suffix, _weigh in _WEIGHTS.items():
    _declare(_suffix, _weigh)
