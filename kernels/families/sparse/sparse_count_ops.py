"""SparseCountSparseOutput, DenseCountSparseOutput and RaggedCountSparseOutput: how often each value occurs in each row,
as a sparse tensor (count_ops.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, vector
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...core.types import INDEX
from .coo import check_static, coo, unknown_count

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_ATTRS = (
    f"T: type in {INDEX}, minlength: int >= -1 = -1, maxlength: int >= -1 = -1, binary_output: bool, "
    "output_type: type in {int32, int64, float, double}"
)
_OUTPUTS = "(output_indices: int64, output_values: output_type, output_dense_shape: int64)"


def _dense_shape(c: ShapeContext) -> list[Shape]:
    rank = c.input("values").rank
    if rank not in (None, 1, 2):
        raise invalid(f"values must be of rank 1 or 2, but have shape {c.input('values')}")
    return [unknown_count(rank), vector(None), vector(rank)]


dense_count = op(
    f"DenseCountSparseOutput(values: T, weights: output_type; {_ATTRS}) -> {_OUTPUTS}", shape=_dense_shape
)


@dense_count.kernel
def _(
    xp: Any,
    values: Any,
    weights: Any,
    *,
    minlength: int,
    maxlength: int,
    binary_output: bool,
    output_type: DType,
) -> list[Any]:
    if values.ndim not in (1, 2):
        raise invalid(f"values must be of rank 1 or 2, but have shape {Shape(values.shape)}")
    _check_weights(weights, values.shape)
    rows = values.shape[0] if values.ndim == 2 else None
    row_of = np.repeat(np.arange(rows or 1), values.shape[-1])
    counted = _Counted(minlength, maxlength, binary_output, output_type)
    return counted.of(rows, row_of, values.reshape(-1), weights.reshape(-1))


def _sparse_shape(c: ShapeContext) -> list[Shape]:
    _, rank = check_static(c, "indices", "values", "dense_shape")
    if rank not in (None, 1, 2):
        raise invalid(f"a sparse tensor must be of rank 1 or 2, but is of rank {rank}")
    return [unknown_count(rank), vector(None), vector(rank)]


sparse_count = op(
    f"SparseCountSparseOutput(indices: int64, values: T, dense_shape: int64, weights: output_type; {_ATTRS}) "
    f"-> {_OUTPUTS}",
    shape=_sparse_shape,
)


@sparse_count.kernel
def _(
    xp: Any, indices: Any, values: Any, shape: Any, weights: Any, *, minlength: int, maxlength: int,
    binary_output: bool, output_type: DType,
) -> list[Any]:  # fmt: skip
    given = coo(indices, values, shape)
    if given.rank not in (1, 2):
        raise invalid(f"a sparse tensor must be of rank 1 or 2, but has shape {list(given.dims)}")
    _check_weights(weights, values.shape)
    given.keys()
    rows = given.dims[0] if given.rank == 2 else None
    row_of = indices[:, 0] if rows is not None else np.zeros(len(values), np.int64)
    counted = _Counted(minlength, maxlength, binary_output, output_type)
    return counted.of(rows, row_of, values, weights)


ragged_count = op(
    f"RaggedCountSparseOutput(splits: int64, values: T, weights: output_type; {_ATTRS}) -> {_OUTPUTS}",
    shape=lambda c: [unknown_count(2), vector(None), vector(2)],
)


@ragged_count.kernel
def _(
    xp: Any, splits: Any, values: Any, weights: Any, *, minlength: int, maxlength: int, binary_output: bool,
    output_type: DType,
) -> list[Any]:  # fmt: skip
    if splits.ndim != 1 or values.ndim != 1:
        raise invalid(
            f"splits and values must be vectors, but have shapes {Shape(splits.shape)} and {Shape(values.shape)}"
        )
    if splits.size < 2:
        raise invalid(f"splits must have at least 2 elements, but has {splits.size}")
    if splits[0] != 0 or splits[-1] != values.size or (np.diff(splits) < 0).any():
        raise invalid(f"splits must rise from 0 to {values.size}, but are {splits[:16].tolist()}")
    _check_weights(weights, values.shape)
    row_of = np.repeat(np.arange(splits.size - 1), np.diff(splits))
    counted = _Counted(minlength, maxlength, binary_output, output_type)
    return counted.of(splits.size - 1, row_of, values, weights)


def _check_weights(weights: Any, shape: tuple[int, ...]) -> None:
    """Raises INVALID_ARGUMENT for weights that are neither empty nor one for each value."""
    if weights.size and weights.shape != shape:
        raise invalid(
            f"Weights and values must have the same shape. Weight shape: {Shape(weights.shape)}; values shape: "
            f"{Shape(shape)}"
        )


class _Counted:
    """Counts with the attributes of the operations."""

    def __init__(self, minlength: int, maxlength: int, is_binary: bool, dtype: DType) -> None:
        self._minlength = minlength
        self._maxlength = maxlength
        self._is_binary = is_binary
        self._dtype = dtype.numpy

    def of(self, rows: int | None, row_of: Any, values: Any, weights: Any) -> list[Any]:
        """Returns the sparse tensor of counts, [rows, values], or [values] where ``rows`` is None."""
        if (values < 0).any():
            raise invalid(f"Input values must all be non-negative, but one is {int(values.min())}")
        if self._maxlength >= 0:
            kept = values < self._maxlength
            row_of, values = row_of[kept], values[kept]
            weights = weights[kept] if weights.size else weights
        width = max(int(values.max(initial=0)) + 1, self._minlength)
        width = width if self._maxlength < 0 else self._maxlength
        order = np.lexsort((values, row_of))
        row_of, values = row_of[order], values[order].astype(np.int64)
        is_first = np.ones(len(values), bool)
        is_first[1:] = (np.diff(values) != 0) | (np.diff(row_of) != 0)
        starts = np.flatnonzero(is_first)
        indices = [values[starts]] if rows is None else [row_of[starts], values[starts]]
        dims = [width] if rows is None else [rows, width]
        return [np.stack(indices, axis=1), self._sums(weights, order, starts), np.array(dims, np.int64)]

    def _sums(self, weights: Any, order: Any, starts: Any) -> Any:
        if self._is_binary:
            return np.ones(len(starts), self._dtype)
        if not weights.size:
            return np.diff(np.append(starts, len(order))).astype(self._dtype)
        return (
            np.add.reduceat(weights[order], starts, dtype=self._dtype)
            if len(starts)
            else np.zeros(0, self._dtype)
        )
