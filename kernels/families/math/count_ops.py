"""Bincount and its variants, which count how often each value occurs, and HistogramFixedWidth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Dim, Shape, unknown_dims
from ...core.registry import Family
from ...numeric.int_arguments import check_allocation, nonnegative_scalar
from ...numeric.scatter import check_indices, on_host
from ...numeric.segments import combine_unsorted

if TYPE_CHECKING:
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="dense_shape nbins size")
op = family.op

_WEIGHTS = "{int32, int64, float, double}"
_INDEX = "{int32, int64}"


def _static_size(c: ShapeContext, key: str) -> Dim:
    if c.input(key).rank not in (None, 0):
        raise invalid(f"{key} must be a scalar, but has shape {c.input(key)}")
    constant = c.constant(key)
    if constant is None:
        return None
    return nonnegative_scalar(constant, key)


def count_values(
    xp: Any, rows: Any, height: int, values: Any, weights: Any, size: int, *, binary: bool = False
) -> Any:
    """Counts, or sums the weights of, each value j in each row i, as a matrix of shape (height, size).

    Values from ``size`` on are not counted. ``rows`` is None for a single row. Raises INVALID_ARGUMENT for negative
    values and for weights that are neither empty nor one for each value.
    """
    if values.size and int(values.min()) < 0:
        raise invalid(f"values to count must not be negative, but one is {int(values.min())}")
    if weights.size and weights.size != values.size:
        raise invalid(f"weights must be empty or as many as values, but are {weights.size} for {values.size}")
    check_allocation((height, size), weights.dtype.itemsize)
    values, weights = values.reshape(-1).astype(np.int64), weights.reshape(-1)
    counted = values < size
    bins = values if rows is None else rows * size + values
    if not bool(counted.all()):
        bins, weights = bins[counted], weights[counted] if weights.size else weights
    if binary:
        out = xp.zeros(height * size, weights.dtype)
        out[bins] = 1
    elif not weights.size:
        out = xp.bincount(bins, minlength=height * size).astype(weights.dtype)
    elif weights.dtype.kind == "f":
        out = xp.bincount(bins, weights, minlength=height * size).astype(weights.dtype)
    else:
        out = combine_unsorted(xp, "add", weights[:, None], bins, height * size)
    return out.reshape(height, size)


def _bincount_shape(c: ShapeContext) -> Shape:
    return Shape((_static_size(c, "size"),))


bincount = op(
    f"Bincount(arr: int32, size: int32, weights: T; T: type in {_WEIGHTS}) -> (bins: T)",
    shape=_bincount_shape,
    allocates_output=True,
)


@bincount.kernel
def _(xp: Any, arr: Any, size: Any, weights: Any) -> Any:
    return count_values(xp, None, 1, xp.asarray(arr), xp.asarray(weights), nonnegative_scalar(size, "size"))[
        0
    ]


def _dense_bincount_shape(c: ShapeContext) -> Shape:
    size, shape = _static_size(c, "size"), c.input("input")
    if shape.dims is None:
        return UNKNOWN
    if len(shape.dims) > 2:
        raise invalid(f"input must be of rank 2 at most, but has shape {shape}")
    return Shape((*shape.dims[:-1], size))


dense_bincount = op(
    f"DenseBincount(input: Tidx, size: Tidx, weights: T; Tidx: type in {_INDEX}, T: type in {_WEIGHTS}, "
    "binary_output: bool = false) -> (output: T)",
    shape=_dense_bincount_shape,
    allocates_output=True,
)


@dense_bincount.kernel
def _(xp: Any, input: Any, size: Any, weights: Any, *, binary_output: bool) -> Any:
    x, weights, number = xp.asarray(input), xp.asarray(weights), nonnegative_scalar(size, "size")
    if x.ndim > 2:
        raise invalid(f"input must be of rank 2 at most, but has shape {list(x.shape)}")
    if weights.size and weights.shape != x.shape:
        raise invalid(f"weights have shape {list(weights.shape)}, but the input has {list(x.shape)}")
    height = len(x) if x.ndim == 2 else 1
    rows = xp.repeat(xp.arange(height), x.shape[1]) if x.ndim == 2 else None
    out = count_values(xp, rows, height, x, weights, number, binary=binary_output)
    return out if x.ndim == 2 else out[0]


def _sparse_bincount_shape(c: ShapeContext) -> Shape:
    size = _static_size(c, "size")
    c.with_rank("indices", 2)
    length = c.with_rank("dense_shape", 1)[0]
    dims = c.elements("dense_shape")
    if dims is None:
        return UNKNOWN if length is None else Shape((*unknown_dims(length - 1), size))
    return Shape((*dims[:-1], size))


sparse_bincount = op(
    "SparseBincount(indices: int64, values: Tidx, dense_shape: int64, size: Tidx, weights: T; "
    f"Tidx: type in {_INDEX}, T: type in {_WEIGHTS}, binary_output: bool = false) -> (output: T)",
    shape=_sparse_bincount_shape,
    allocates_output=True,
)


@sparse_bincount.kernel
def _(
    xp: Any, indices: Any, values: Any, dense_shape: Any, size: Any, weights: Any, *, binary_output: bool
) -> Any:
    number, dims = nonnegative_scalar(size, "size"), on_host(dense_shape).tolist()
    if indices.ndim != 2 or indices.shape != (values.size, len(dims)):
        raise invalid(
            f"indices {list(indices.shape)} do not fit {values.size} values in {len(dims)} dimensions"
        )
    for axis, length in enumerate(dims):
        check_indices(indices[:, axis], length, f"column {axis} of indices")
    if len(dims) not in (1, 2):
        raise invalid(f"dense_shape must have one or two elements, but is {dims}")
    if len(dims) == 1:
        return count_values(xp, None, 1, values, weights, number, binary=binary_output)[0]
    rows = indices[:, 0]
    return count_values(xp, rows, dims[0], values, weights, number, binary=binary_output)


def _ragged_bincount_shape(c: ShapeContext) -> Shape:
    length = c.with_rank("splits", 1)[0]
    return Shape((None if length is None else length - 1, _static_size(c, "size")))


ragged_bincount = op(
    f"RaggedBincount(splits: int64, values: Tidx, size: Tidx, weights: T; Tidx: type in {_INDEX}, "
    f"T: type in {_WEIGHTS}, binary_output: bool = false) -> (output: T)",
    shape=_ragged_bincount_shape,
    allocates_output=True,
)


@ragged_bincount.kernel
def _(xp: Any, splits: Any, values: Any, size: Any, weights: Any, *, binary_output: bool) -> Any:
    ends = on_host(splits)
    if not ends.size or ends[0] != 0 or ends[-1] != values.size or bool((np.diff(ends) < 0).any()):
        raise invalid(f"splits must rise from 0 to {values.size}, but are {ends[:20].tolist()}")
    height = ends.size - 1
    rows = xp.asarray(np.repeat(np.arange(height), np.diff(ends)))
    return count_values(
        xp, rows, height, values, weights, nonnegative_scalar(size, "size"), binary=binary_output
    )


def _histogram_shape(c: ShapeContext) -> Shape:
    pair, constant = c.with_rank(1, 1), c.constant(2)
    if pair[0] not in (None, 2):
        raise invalid(f"value_range must have two elements, but has shape {pair}")
    if c.input(2).rank not in (None, 0):
        raise invalid(f"nbins must be a scalar, but has shape {c.input(2)}")
    if constant is not None and constant <= 0:
        raise invalid(f"nbins must be positive, but is {constant}")
    return Shape((None if constant is None else int(constant),))


histogram = op(
    "HistogramFixedWidth(values: T, value_range: T, nbins: int32; T: type in {int32, int64, float, double}, "
    "dtype: type in {int32, int64} = int32) -> (out: dtype)",
    shape=_histogram_shape,
    allocates_output=True,
)


@histogram.kernel
def _(xp: Any, values: Any, value_range: Any, nbins: Any, *, output_types: Any) -> Any:
    """Counts values outside the range in the first and the last interval."""
    x, pair, number = xp.asarray(values).reshape(-1), on_host(value_range), on_host(nbins)
    if pair.shape != (2,) or number.ndim or number <= 0:
        raise invalid(f"value_range must be two numbers and nbins positive, but are {pair} and {number}")
    low, high = pair
    if not low < high:
        raise invalid(f"value_range must rise, but is [{low}, {high}]")
    if bool(xp.isnan(x).any()):
        raise invalid("the values of a histogram must not contain NaN")
    step = np.float64(high - low) / int(number)
    places = (xp.minimum(x, high) - low).astype(np.float64) / step
    bins = xp.clip(places, 0, int(number) - 1).astype(np.int64)
    return xp.bincount(bins, minlength=int(number)).astype(output_types[0].numpy)
