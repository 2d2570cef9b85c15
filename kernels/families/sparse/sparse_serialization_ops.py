"""SerializeSparse, SerializeManySparse and their inverses: sparse tensors as three strings or variants each
(serialize_sparse_op.cc, deserialize_sparse_string_op.cc and deserialize_sparse_variant_op.cc in TensorFlow)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape, matrix, vector
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.int_arguments import check_allocation
from ...numeric.tensor_messages import from_message, to_message
from ...numeric.variants import Variant
from .coo import Coo, check_static, coo, indices_of, unknown_count

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

# What a row of a batch takes at least, even if it is empty.
_ROW_BYTES = 600

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


class TensorVariant(Variant):
    """A tensor as a variant."""

    __slots__ = ("dtype_of_tensor", "tensor")

    def __init__(self, tensor: Any, dtype: DType) -> None:
        self.tensor = tensor
        self.dtype_of_tensor = dtype


def sparse_variant(dtype: DType, indices: Any, values: Any, dense_shape: Any) -> Any:
    """Returns a sparse tensor as a vector of three variants; ``dtype`` is that of the values."""
    triple = np.empty(3, object)
    triple[:] = [
        TensorVariant(indices, dtypes.int64),
        TensorVariant(values, dtype),
        TensorVariant(dense_shape, dtypes.int64),
    ]
    return triple


def _serialized_shape(c: ShapeContext) -> Shape:
    check_static(c, 0, 1, 2)
    return vector(3)


serialize = op(
    "SerializeSparse(sparse_indices: int64, sparse_values: T, sparse_shape: int64; T: type, "
    "out_type: type in {string, variant} = string) -> (serialized_sparse: out_type)",
    shape=_serialized_shape,
)


@serialize.kernel
def _(xp: Any, indices: Any, values: Any, shape: Any, *, T: DType, out_type: DType) -> Any:
    given = coo(indices, values, shape)
    return _row([_encoded(given, T, out_type)])[0]


def _many_shape(c: ShapeContext) -> Shape:
    check_static(c, 0, 1, 2)
    return matrix(None, 3)


serialize_many = op(
    "SerializeManySparse(sparse_indices: int64, sparse_values: T, sparse_shape: int64; T: type, "
    "out_type: type in {string, variant} = string) -> (serialized_sparse: out_type)",
    shape=_many_shape,
)


@serialize_many.kernel
def _(xp: Any, indices: Any, values: Any, shape: Any, *, T: DType, out_type: DType) -> Any:
    return _row([_encoded(part, T, out_type) for part in rows_of(coo(indices, values, shape))])


def rows_of(given: Coo) -> list[Coo]:
    """Returns the rows of a sparse tensor of rank 2 or more as sparse tensors.

    Raises INVALID_ARGUMENT for a lower rank, and for rows that are outside of the shape or not sorted.
    """
    if given.rank < 2:
        raise invalid(f"Rank of input SparseTensor should be > 1, but saw rank: {given.rank}")
    row_of, rows = given.indices[:, 0], given.dims[0]
    check_allocation((rows,), _ROW_BYTES)
    if row_of.size and (row_of.min() < 0 or row_of.max() >= rows or (np.diff(row_of) < 0).any()):
        raise invalid(f"the rows of a minibatch of {rows} must be sorted and in [0, {rows})")
    bounds = np.searchsorted(row_of, np.arange(rows + 1)).tolist()
    return [
        Coo(given.indices[first:last, 1:], given.values[first:last], given.dims[1:])
        for first, last in itertools.pairwise(bounds)
    ]


def _encoded(given: Coo, dtype: DType, out_type: DType) -> list[Any]:
    dims = np.array(given.dims, np.int64)
    parts = [(given.indices, dtypes.int64), (given.values, dtype), (dims, dtypes.int64)]
    return [to_message(*part) if out_type is dtypes.string else TensorVariant(*part) for part in parts]


def _row(rows: list[list[Any]]) -> Any:
    result = np.empty((len(rows), 3), object)
    for i, row in enumerate(rows):
        for j, item in enumerate(row):
            result[i, j] = item
    return result


deserialize = op(
    "DeserializeSparse(serialized_sparse: Tserialized; dtype: type, Tserialized: type in {string, variant} = string) "
    "-> (sparse_indices: int64, sparse_values: dtype, sparse_shape: int64)",
    shape=lambda c: [matrix(None, None), vector(None), vector(None)],
)


@deserialize.kernel
def _(xp: Any, serialized: Any, *, dtype: DType) -> list[Any]:
    if not serialized.ndim or serialized.shape[-1] != 3:
        raise invalid(
            f"Serialized sparse should have 3 as the last dimension, but has {Shape(serialized.shape)}"
        )
    outer = tuple(serialized.shape[:-1])
    parts = [_decoded(row, dtype) for row in serialized.reshape(-1, 3).tolist()]
    return _outputs(parts[0] if not outer else stacked(parts, outer))


deserialize_many = op(
    "DeserializeManySparse(serialized_sparse: string; dtype: type) "
    "-> (sparse_indices: int64, sparse_values: dtype, sparse_shape: int64)",
    shape=lambda c: [unknown_count(None), vector(None), vector(None)] if c.with_rank(0, 2) else [UNKNOWN] * 3,
)


@deserialize_many.kernel
def _(xp: Any, serialized: Any, *, dtype: DType) -> list[Any]:
    if serialized.ndim != 2 or serialized.shape[1] != 3:
        raise invalid(
            f"Serialized sparse should be a matrix with 3 columns, but has {Shape(serialized.shape)}"
        )
    parts = [_decoded(row, dtype) for row in serialized.tolist()]
    return _outputs(stacked(parts, (len(parts),)))


def _outputs(given: Coo) -> list[Any]:
    return [given.indices, given.values, np.array(given.dims, np.int64)]


def _decoded(row: list[Any], dtype: DType) -> Coo:
    wanted = (("indices", dtypes.int64), ("values", dtype), ("shape", dtypes.int64))
    tensors = [_tensor(item, what, part) for item, (what, part) in zip(row, wanted)]
    return coo(*tensors)


def _tensor(item: Any, what: str, dtype: DType) -> Any:
    if isinstance(item, bytes):
        return from_message(item, dtype, f"serialized_sparse ({what})")
    if not isinstance(item, TensorVariant):
        raise invalid(f"Could not get a tensor from the variant for the {what} of a sparse tensor")
    if item.dtype_of_tensor is not dtype:
        raise invalid(f"Requested SparseTensor of type {dtype} but the {what} are {item.dtype_of_tensor}")
    return item.tensor


def stacked(parts: list[Coo], outer: tuple[int, ...]) -> Coo:
    """Returns sparse tensors of one rank as one with more outer dimensions; the inner ones are the largest of all.

    Raises INVALID_ARGUMENT for no tensors and for tensors of different ranks.
    """
    if not parts:
        raise invalid(f"there are no sparse tensors to join: their dimensions are {list(outer)}")
    ranks = sorted({part.rank for part in parts})
    if len(ranks) > 1:
        raise invalid(f"Inconsistent shape across SparseTensors: ranks {ranks}")
    inner = np.max([part.dims for part in parts], axis=0).astype(np.int64).tolist() if ranks[0] else []
    places = np.repeat(np.arange(len(parts)), [len(part.values) for part in parts])
    indices = np.concatenate(
        [indices_of(places, outer), np.concatenate([part.indices for part in parts])], axis=1
    )
    return Coo(indices, np.concatenate([part.values for part in parts]), (*outer, *inner))
