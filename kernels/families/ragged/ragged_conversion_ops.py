"""RaggedTensorToSparse and RaggedTensorToTensor (ragged_tensor_to_sparse_kernel.cc and ragged_tensor_to_tensor_op.cc in
TensorFlow)."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape, matrix, vector
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...core.types import INDEX
from ...numeric.int_arguments import check_allocation, partial_shape
from .row_splits import check_nested_splits, check_splits, ranges, row_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def _sparse_shape(c: ShapeContext) -> list[Shape]:
    values = c.input("rt_dense_values")
    if values.dims is None:
        return [matrix(None, None), vector(None), vector(None)]
    c.with_rank_at_least("rt_dense_values", 1)
    rank = c.attr("RAGGED_RANK") + len(values.dims)
    return [matrix(values.size, rank), vector(values.size), vector(rank)]


to_sparse = op(
    "RaggedTensorToSparse(rt_nested_splits: RAGGED_RANK*Tsplits, rt_dense_values: T; RAGGED_RANK: int >= 1, "
    f"T: type, Tsplits: type in {INDEX} = int64) "
    "-> (sparse_indices: int64, sparse_values: T, sparse_dense_shape: int64)",
    shape=_sparse_shape,
)


@to_sparse.kernel
def _(xp: Any, nested: Sequence[Any], values: Any) -> list[Any]:
    check_nested_splits(nested, values)
    inner = values.shape[1:]
    dims = [len(nested[0]) - 1, *(int(np.diff(s).max(initial=0)) for s in nested), *inner]
    rows = np.arange(len(nested[0]) - 1)
    columns = [rows]
    for splits in nested:
        lengths = np.diff(splits)
        columns = [np.repeat(column, lengths) for column in columns]
        columns.append(ranges(np.zeros(len(lengths), np.int64), lengths))
    size = prod(inner)
    places = [np.repeat(column, size) for column in columns]
    for axis, length in enumerate(inner):
        after = prod(inner[axis + 1 :])
        places.append(
            np.tile(np.repeat(np.arange(length), after), len(values) * size // max(after * length, 1))
        )
    indices = np.stack(places, axis=1).astype(np.int64)
    return [indices, values.reshape(-1), np.array(dims, np.int64)]


@to_sparse.gradient
def _(g: GraphBuilder, node: NodeView, _: Any, dy: Tensor | None, __: Any) -> list[Tensor | None]:
    *nested, values = node.inputs
    return [*[None] * len(nested), None if dy is None else g.Reshape(dy, g.Shape(values))]


# The kinds of row partition that ``row_partition_types`` may name.
_FIRST_DIM_SIZE, _ROW_SPLITS, _VALUE_ROWIDS = b"FIRST_DIM_SIZE", b"ROW_SPLITS", b"VALUE_ROWIDS"


def _kinds(row_partition_types: Sequence[Any]) -> list[bytes]:
    """Returns the kinds of partition. Raises INVALID_ARGUMENT for others, and in an impossible order."""
    kinds = [x.encode() if isinstance(x, str) else bytes(x) for x in row_partition_types]
    for kind in kinds:
        if kind not in (_FIRST_DIM_SIZE, _ROW_SPLITS, _VALUE_ROWIDS):
            raise invalid(f"Unknown string for partition info type: {kind.decode(errors='replace')!r}")
    if not kinds:
        raise invalid("row_partition_types must not be empty")
    if kinds[0] == _VALUE_ROWIDS:
        raise invalid("the first row partition must not be VALUE_ROWIDS, but FIRST_DIM_SIZE or ROW_SPLITS")
    if _FIRST_DIM_SIZE in kinds[1:]:
        raise invalid("only the first row partition may be FIRST_DIM_SIZE")
    if kinds[0] == _FIRST_DIM_SIZE and kinds[1:2] != [_VALUE_ROWIDS]:
        raise invalid("FIRST_DIM_SIZE must be followed by VALUE_ROWIDS")
    return kinds


def _tensor_shape(c: ShapeContext) -> Shape:
    kinds = _kinds(c.attr("row_partition_types"))
    ragged_rank = len(kinds) - (kinds[0] == _FIRST_DIM_SIZE)
    values, stated = c.input("values"), c.constant("shape")
    shape = UNKNOWN if stated is None else partial_shape(stated)
    if stated is None and c.input("shape").rank == 1:
        length = c.input("shape").dims[0]  # pyright: ignore[reportOptionalSubscript]
        shape = Shape((None,) * length) if length is not None else UNKNOWN
    if values.dims is None:
        return shape
    return _combined(ragged_rank, shape, values)


def _combined(ragged_rank: int, shape: Shape, values: Shape) -> Shape:
    """The shape of the result as far as the stated shape and that of the values tell; -1 is None."""
    if values.dims is None:
        return shape
    if not values.dims:
        raise invalid("values must have a rank of at least 1, but are a scalar")
    rank = ragged_rank + len(values.dims)
    if shape.dims is None:
        return Shape((*[None] * (ragged_rank + 1), *values.dims[1:]))
    if len(shape.dims) != rank:
        raise invalid(
            f"shape {shape} has rank {len(shape.dims)}, but values of shape {values} with a ragged rank of "
            f"{ragged_rank} have rank {rank}"
        )
    inner: list[Any] = []
    for stated, known in zip(shape.dims[ragged_rank + 1 :], values.dims[1:]):
        if stated is not None and known is not None and stated != known:
            raise invalid(f"shape {shape} does not fit values of shape {values}: {stated} is not {known}")
        inner.append(known if stated is None else stated)
    return Shape((*shape.dims[: ragged_rank + 1], *inner))


to_tensor = op(
    "RaggedTensorToTensor(shape: Tshape, values: T, default_value: T, "
    "row_partition_tensors: num_row_partition_tensors*Tindex; T: type, Tindex: type in {int64, int32}, "
    "Tshape: type in {int64, int32}, num_row_partition_tensors: int >= 1, row_partition_types: list(string)) "
    "-> (result: T)",
    shape=_tensor_shape,
)


@to_tensor.kernel
def _(
    xp: Any, shape: Any, values: Any, default: Any, partitions: Sequence[Any], *, row_partition_types: Any
) -> Any:
    kinds = _kinds(row_partition_types)
    if len(kinds) != len(partitions):
        raise invalid(f"there are {len(partitions)} row partitions, but {len(kinds)} row_partition_types")
    values, default = np.asarray(values), np.asarray(default)
    levels, first = _row_levels(kinds, partitions, values)
    stated = _combined(len(levels), partial_shape(np.asarray(shape)), Shape(values.shape))
    inner = values.shape[1:]
    _check_default(default, inner)
    sizes: list[int] = []
    for size, known in zip((stated.dims or ())[: len(levels) + 1], [first, *(_width(x) for x in levels)]):
        sizes.append(known if size is None else size)
    check_allocation((*sizes, *inner), values.dtype.itemsize)
    place = np.arange(first)
    place[sizes[0] :] = -1
    for rows, width in zip(levels, sizes[1:]):
        place = _next_places(place, rows, width)
    result = np.empty((prod(sizes), *inner), values.dtype)
    result[...] = default
    kept = place >= 0
    result[place[kept]] = values[: len(place)][kept]
    return result.reshape(*sizes, *inner)


def _check_default(default: Any, inner: tuple[int, ...]) -> None:
    try:
        fits = np.broadcast_shapes(default.shape, inner) == inner
    except ValueError:
        fits = False
    if not fits:
        raise invalid(
            f"default_value of shape {Shape(default.shape)} cannot be broadcast to the elements of the values, "
            f"which have shape {Shape(inner)}"
        )


def _row_levels(kinds: list[bytes], partitions: Sequence[Any], values: Any) -> tuple[list[Any], int]:
    """Returns the row of each element, for each ragged dimension, and the number of rows of the first."""
    if not values.ndim:
        raise invalid("values must have a rank of at least 1, but are a scalar")
    levels: list[Any] = []
    first = rows = -1
    for kind, partition in zip(kinds, partitions):
        if kind == _FIRST_DIM_SIZE:
            if partition.ndim or int(partition) < 0:
                raise invalid("the size of the first dimension must be a scalar that is not negative")
            first = rows = int(partition)
            continue
        if kind == _ROW_SPLITS:
            check_splits(partition, int(partition[-1]) if partition.size else 0)
            if 0 <= rows != partition.size - 1:
                raise invalid(f"row_splits has {partition.size} elements for {rows} rows")
            first = partition.size - 1 if first < 0 else first
            level = row_ids(partition)
        else:
            level = _checked_row_ids(partition, rows)
        levels.append(level)
        rows = len(level)
    # Splits may leave values at the end out.
    if rows > len(values) or (rows < len(values) and kinds[-1] != _ROW_SPLITS):
        raise invalid(f"the row partitions are of {rows} values, but there are {len(values)}")
    return levels, first


def _checked_row_ids(rowids: Any, rows: int) -> Any:
    if rowids.ndim != 1:
        raise invalid(f"value_rowids must be a vector, but has shape {Shape(rowids.shape)}")
    if rowids.size and (rowids[0] < 0 or (np.diff(rowids) < 0).any() or rowids[-1] >= rows):
        raise invalid(f"value_rowids must be sorted and in [0, {rows}), but are {rowids[:16].tolist()}")
    return rowids.astype(np.int64)


def _columns(rows: Any) -> Any:
    """The position of each element in its row; ``rows`` is sorted."""
    return np.arange(len(rows)) - np.searchsorted(rows, rows)


def _width(rows: Any) -> int:
    return int(_columns(rows).max(initial=-1)) + 1


def _next_places(place: Any, rows: Any, width: int) -> Any:
    """The row-major places of elements in rows that are themselves at ``place``; -1 if they are outside."""
    column = _columns(rows)
    parent = place[rows]
    return np.where((column < width) & (parent >= 0), parent * width + column, -1)


@to_tensor.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
    """Selects the gradients of the places that came from values, and sums the rest for the default.

    A tensor of the same partitions that holds the numbers of the values tells which place came from which.
    """
    _, values, default, *partitions = node.inputs
    kinds = node.attr("row_partition_types")
    ragged_rank = len(_kinds(kinds)) - (_kinds(kinds)[0] == _FIRST_DIM_SIZE)
    zero, one, minus_one = (g.constant(x, "int32") for x in (0, 1, -1))
    everything = g.constant([-1], "int32")
    shape = g.Shape(values)
    inner = g.Slice(shape, g.constant([1], "int32"), everything)
    count = g.GatherV2(shape, zero, zero)
    outer = g.Slice(g.Shape(dy), g.constant([0], "int32"), g.constant([ragged_rank + 1], "int32"))
    places = g.RaggedTensorToTensor(
        outer, g.Range(zero, count, one), minus_one, partitions, row_partition_types=kinds
    )
    flat_places = g.Reshape(places, everything)
    flat_dy = g.Reshape(dy, g.ConcatV2([g.Shape(flat_places), inner], zero))
    d_values = g.UnsortedSegmentSum(flat_dy, flat_places, count)
    # Places of values get a negative segment, which is left out of the sum.
    is_default = g.Equal(flat_places, minus_one)
    d_element = g.UnsortedSegmentSum(flat_dy, g.Sub(g.Cast(is_default, DstT=dtypes.int32), one), one)
    reduced, _ = g.BroadcastGradientArgs(g.Shape(default), g.Shape(d_element))
    d_default = g.Reshape(g.Sum(d_element, reduced), g.Shape(default))
    return [None, d_values, d_default, *[None] * len(partitions)]
