"""RaggedCross: combinations of ragged, sparse and dense features (ragged_cross_op.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, vector
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import feature_crosses
from ...numeric.feature_crosses import Column
from ...numeric.int_arguments import check_allocation
from ..sparse.sparse_cross_ops import dense_column, sparse_column
from .row_splits import check_splits, splits_of

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_TYPES = "list(type) in {int64, string} >= 0"


def _shape(c: ShapeContext) -> list[Shape]:
    heights = [shape.dims[0] for shape in c.inputs("ragged_row_splits") if shape.dims]
    rows = next((height - 1 for height in heights if height is not None), None)
    if rows is None:
        rows = next((shape.dims[0] for shape in c.inputs("dense_inputs") if shape.dims), None)
    return [vector(None), vector(None if rows is None else rows + 1)]


cross = op(
    "RaggedCross(ragged_values: *ragged_values_types, ragged_row_splits: *ragged_splits_types, "
    "sparse_indices: Nsparse*int64, sparse_values: *sparse_values_types, sparse_shape: Nsparse*int64, "
    "dense_inputs: *dense_types; Nsparse: int >= 0, input_order: string, hashed_output: bool, num_buckets: int >= 0, "
    f"hash_key: int, ragged_values_types: {_TYPES}, ragged_splits_types: list(type) in {{int32, int64}} >= 0, "
    f"sparse_values_types: {_TYPES}, dense_types: {_TYPES}, out_values_type: type in {{int64, string}}, "
    "out_row_splits_type: type in {int32, int64}) "
    "-> (output_values: out_values_type, output_row_splits: out_row_splits_type)",
    shape=_shape,
)


@cross.kernel
def _(
    xp: Any, ragged: Any, splits: Any, indices: Any, sparse: Any, shapes: Any, dense: Any, *, input_order: str,
    hashed_output: bool, num_buckets: int, hash_key: int, out_values_type: DType, out_row_splits_type: DType,
) -> list[Any]:  # fmt: skip
    if (out_values_type is dtypes.string) == hashed_output:
        raise invalid(f"hashed_output is {hashed_output}, but out_values_type is {out_values_type}")
    if any(np.ndim(x) != 1 for x in (*splits, *shapes)) or any(np.ndim(x) != 2 for x in dense):
        raise invalid("row splits and sparse shapes must be vectors, dense inputs matrices")
    if any(not len(x) for x in (*splits, *shapes)):
        raise invalid("row splits and sparse shapes must not be empty")
    heights = [len(s) - 1 for s in splits] + [int(s[0]) for s in shapes] + [d.shape[0] for d in dense]
    if len(input_order) != len(heights):
        raise invalid(
            f"input_order {input_order!r} names {len(input_order)} inputs, but there are {len(heights)}"
        )
    rows = check_allocation(heights[:1], 24)[0] if heights else 0
    if any(height != rows for height in heights):
        raise invalid(f"inputs must all have the same batch dimension size, but have {heights}")
    kinds = {
        "R": iter([_ragged_column(*part) for part in zip(ragged, splits)]),
        "S": iter([sparse_column(*part, rows) for part in zip(indices, sparse)]),
        "D": iter([_checked_dense(tensor) for tensor in dense]),
    }
    columns = [_next(kinds, kind) for kind in input_order]
    crosses = feature_crosses.cross(columns, rows)
    if hashed_output:
        fingerprints = [feature_crosses.fingerprints(column.values) for column in columns]
        values = crosses.hashed(fingerprints, num_buckets, hash_key)
    else:
        values = crosses.joined(columns, feature_crosses.SEPARATOR)
    return [values, splits_of(crosses.counts, out_row_splits_type.numpy)]


def _next(kinds: dict[str, Any], kind: str) -> Column:
    column = next(kinds.get(kind, iter(())), None)
    if column is None:
        raise invalid(f"input_order has an {kind!r} for which there is no input; it must be of R, S and D")
    return column


def _ragged_column(values: Any, splits: Any) -> Column:
    check_splits(splits, len(values))
    return Column(values, splits[:-1].astype(np.int64), np.diff(splits).astype(np.int64))


def _checked_dense(tensor: Any) -> Column:
    if tensor.ndim != 2:
        raise invalid(f"dense tensors must have rank 2, but one has shape {Shape(tensor.shape)}")
    return dense_column(tensor)
