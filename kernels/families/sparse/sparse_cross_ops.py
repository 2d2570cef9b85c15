"""SparseCross, SparseCrossV2 and SparseCrossHashed: combinations of categorical features (sparse_cross_op.cc in
TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, matrix, vector
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import feature_crosses
from ...numeric.feature_crosses import Column, Crosses
from ...numeric.int_arguments import check_allocation, int_scalar, int_vector
from ...numeric.string_tensors import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_INPUTS = "indices: N*int64, values: *sparse_types, shapes: N*int64, dense_inputs: *dense_types"
_TYPES = "sparse_types: list(type) in {int64, string} >= 0, dense_types: list(type) in {int64, string} >= 0"


def _shape(c: ShapeContext) -> list[Shape]:
    return [matrix(None, 2), vector(None), vector(2)]


cross = op(
    f"SparseCross({_INPUTS}; N: int >= 0, hashed_output: bool, num_buckets: int >= 0, hash_key: int, {_TYPES}, "
    "out_type: type in {int64, string}, internal_type: type in {int64, string}) "
    "-> (output_indices: int64, output_values: out_type, output_shape: int64)",
    shape=_shape,
)


@cross.kernel
def _(
    xp: Any, indices: Any, values: Any, shapes: Any, dense: Any, *, hashed_output: bool, num_buckets: int,
    hash_key: int, out_type: DType, internal_type: DType,
) -> list[Any]:  # fmt: skip
    if (out_type is dtypes.string) == hashed_output:
        raise invalid(f"hashed_output is {hashed_output}, but out_type is {out_type}")
    if internal_type is dtypes.string:
        for given in (*values, *dense):
            if given.dtype != object:
                raise invalid("Input values should be of internal type string, but some are int64")
    columns, rows = _columns(indices, values, shapes, dense)
    crosses = feature_crosses.cross(columns, rows)
    if hashed_output:
        fingerprints = [feature_crosses.fingerprints(column.values) for column in columns]
        return _outputs(crosses, rows, crosses.hashed(fingerprints, num_buckets, hash_key))
    return _outputs(crosses, rows, crosses.joined(columns, feature_crosses.SEPARATOR))


cross_v2 = op(
    f"SparseCrossV2({_INPUTS}, sep: string; N: int >= 0, {_TYPES}) "
    "-> (output_indices: int64, output_values: string, output_shape: int64)",
    shape=_shape,
)


@cross_v2.kernel
def _(xp: Any, indices: Any, values: Any, shapes: Any, dense: Any, sep: Any) -> list[Any]:
    separator = np.asarray(sep, object)
    if separator.ndim:
        raise invalid(f"sep must be a scalar, but has shape {Shape(separator.shape)}")
    columns, rows = _columns(indices, values, shapes, dense)
    crosses = feature_crosses.cross(columns, rows)
    text: Any = separator.item()
    return _outputs(crosses, rows, crosses.joined(columns, encode(text) if isinstance(text, str) else text))


hashed = op(
    f"SparseCrossHashed({_INPUTS}, num_buckets: int64, strong_hash: bool, salt: int64; N: int >= 0, {_TYPES}) "
    "-> (output_indices: int64, output_values: int64, output_shape: int64)",
    shape=_shape,
)


@hashed.kernel
def _(
    xp: Any, indices: Any, values: Any, shapes: Any, dense: Any, num_buckets: Any, strong_hash: Any, salt: Any
) -> list[Any]:
    buckets = int_scalar(np.asarray(num_buckets), "num_buckets")
    key = int_vector(np.asarray(salt), "salt")
    if len(key) != 2:
        raise invalid(f"salt must have 2 elements, but has {len(key)}")
    columns, rows = _columns(indices, values, shapes, dense)
    crosses = feature_crosses.cross(columns, rows)
    pair = (key[0], key[1]) if bool(strong_hash) else None
    hashes = [
        feature_crosses.keyed_hashes(column.values, pair, whole_integers=i >= len(values))
        for i, column in enumerate(columns)
    ]
    return _outputs(crosses, rows, crosses.hashed(hashes, buckets, None))


def _outputs(crosses: Crosses, rows: int, values: Any) -> list[Any]:
    indices = np.stack([crosses.row_of, crosses.number], axis=1).astype(np.int64)
    return [indices, values, np.array([rows, crosses.counts.max(initial=0)], np.int64)]


def _columns(
    indices: Sequence[Any], values: Sequence[Any], shapes: Sequence[Any], dense: Sequence[Any]
) -> tuple[list[Column], int]:
    """Returns the sparse columns, then the dense ones, and the number of rows that all must have."""
    for tensor in dense:
        if tensor.ndim != 2:
            raise invalid(f"Dense inputs should be a matrix but received shape {Shape(tensor.shape)}")
    for shape in shapes:
        if shape.shape != (2,):
            raise invalid(f"shapes should have 2 elements, but one has shape {Shape(shape.shape)}")
    heights = [int(shape[0]) for shape in shapes] + [tensor.shape[0] for tensor in dense]
    rows = check_allocation(heights[:1], 24)[0] if heights else 0
    if any(height != rows for height in heights):
        raise invalid(f"Expected batch size {rows}, but the inputs have {heights} rows")
    columns = [sparse_column(*part, rows) for part in zip(indices, values)]
    return columns + [dense_column(tensor) for tensor in dense], rows


def sparse_column(indices: Any, values: Any, rows: int) -> Column:
    """The features of a sparse matrix whose rows are sorted. Raises INVALID_ARGUMENT for rows outside."""
    if indices.ndim != 2 or indices.shape[1] != 2 or values.ndim != 1 or len(indices) != len(values):
        raise invalid(
            "Expected indices [count, 2] and values [count], but they have shapes "
            f"{Shape(indices.shape)} and {Shape(values.shape)}"
        )
    row_of = indices[:, 0]
    if row_of.size and (row_of.min() < 0 or row_of.max() >= rows):
        raise invalid(f"indices have a row that is not in [0, {rows})")
    if (np.diff(row_of) < 0).any():
        raise invalid("the rows of indices must be sorted")
    counts = np.bincount(row_of, minlength=rows)[:rows]
    return Column(values, np.cumsum(counts) - counts, counts)


def dense_column(values: Any) -> Column:
    """The features of a matrix."""
    rows, width = values.shape
    return Column(values.reshape(-1), np.arange(rows) * width, np.full(rows, width))
