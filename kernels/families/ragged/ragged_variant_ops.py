"""RaggedTensorToVariant, RaggedTensorFromVariant and the gradient between them (ragged_tensor_to_variant_op.cc and
ragged_tensor_from_variant_op.cc in TensorFlow): what carries ragged tensors through TensorLists, map functions and
data sets."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape, vector
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...core.types import INDEX
from ...numeric.int_arguments import known_shape
from ...numeric.variants import NoValue, Variant
from .row_splits import check_nested_splits, splits_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


class RaggedVariant(Variant):
    """A ragged tensor as a variant: ``nested`` splits from the outermost on, and the ``values`` that they divide."""

    __slots__ = ("nested", "values")

    def __init__(self, nested: Sequence[Any], values: Any) -> None:
        self.nested = tuple(nested)
        self.values = values

    def zeros_like(self) -> RaggedVariant:
        """Returns a ragged tensor of zeros with the same rows."""
        return RaggedVariant(self.nested, np.zeros_like(self.values))

    def __add__(self, other: Any) -> Any:
        """Returns the sum with a ragged tensor of the same rows. Raises INVALID_ARGUMENT for other rows."""
        if not isinstance(other, RaggedVariant):
            return NotImplemented
        same = len(self.nested) == len(other.nested) and all(map(np.array_equal, self.nested, other.nested))
        if not same or self.values.shape != other.values.shape:
            raise invalid("ragged tensors of different row_splits cannot be added")
        return RaggedVariant(self.nested, self.values + other.values)


def _variant_shape(c: ShapeContext) -> Shape:
    if not c.attr("batched_input"):
        return Shape(())
    values, rank = c.with_rank_at_least("rt_dense_values", 1), c.attr("RAGGED_RANK")
    if rank == 0:
        return vector(values.dims[0] if values.dims else None)
    rows = c.with_rank(0, 1)[0]
    return vector(None if rows is None else rows - 1)


to_variant = op(
    "RaggedTensorToVariant(rt_nested_splits: RAGGED_RANK*Tsplits, rt_dense_values: Tvalues; RAGGED_RANK: int >= 0, "
    f"Tvalues: type, Tsplits: type in {INDEX} = int64, batched_input: bool) -> (encoded_ragged: variant)",
    shape=_variant_shape,
)


@to_variant.kernel
def _(xp: Any, nested: Sequence[Any], values: Any, *, batched_input: bool) -> Any:
    values = np.asarray(values)
    if not batched_input:
        return RaggedVariant(nested, values)
    if not values.ndim:
        raise invalid("the values of a batched ragged tensor must not be a scalar")
    if nested:
        check_nested_splits(nested, values)
        rows = [_row(nested, values, i) for i in range(len(nested[0]) - 1)]
    else:
        rows = [RaggedVariant((), row) for row in values]
    result = np.empty(len(rows), object)
    for i, row in enumerate(rows):
        result[i] = row
    return result


def _row(nested: Sequence[Any], values: Any, row: int) -> RaggedVariant:
    first, last = int(nested[0][row]), int(nested[0][row + 1])
    inner: list[Any] = []
    for splits in nested[1:]:
        part = splits[first : last + 1]
        inner.append(part - part[0])
        first, last = int(part[0]), int(part[-1])
    return RaggedVariant(inner, values[first:last])


def _from_shape(c: ShapeContext) -> list[Shape]:
    wanted, given, encoded = c.attr("output_ragged_rank"), c.attr("input_ragged_rank"), c.input(0)
    if encoded.rank is not None and given >= 0 and given + encoded.rank != wanted:
        raise invalid(
            f"output_ragged_rank {wanted} must be the sum of input_ragged_rank {given} and the rank of "
            f"encoded_ragged, {encoded.rank}"
        )
    return [*[vector(None)] * wanted, UNKNOWN]


from_variant = op(
    "RaggedTensorFromVariant(encoded_ragged: variant; input_ragged_rank: int >= -1, output_ragged_rank: int >= 0, "
    f"Tvalues: type, Tsplits: type in {INDEX} = int64) "
    "-> (output_nested_splits: output_ragged_rank*Tsplits, output_dense_values: Tvalues)",
    shape=_from_shape,
)


@from_variant.kernel
def _(
    xp: Any, encoded: Any, *, input_ragged_rank: int, output_ragged_rank: int, Tvalues: DType, Tsplits: DType
) -> list[Any]:
    dims: tuple[int, ...] = tuple(encoded.shape)
    rank = output_ragged_rank - len(dims) if input_ragged_rank == -1 else input_ragged_rank
    if rank < -1:
        raise invalid(
            f"output_ragged_rank {output_ragged_rank} is too small for variants of shape {Shape(dims)}"
        )
    if rank + len(dims) != output_ragged_rank:
        raise invalid(
            f"output_ragged_rank {output_ragged_rank} must be the sum of input_ragged_rank {rank} and the "
            f"rank of encoded_ragged, {len(dims)}"
        )
    parts = [_part(item, max(rank, 0), Tvalues, Tsplits) for item in encoded.reshape(-1).tolist()]
    if not dims:
        return [list(parts[0].nested), parts[0].values]
    values = _stacked_values(parts, dims, rank, Tvalues)
    return [[] if rank < 0 else _stacked_splits(parts, dims, rank, Tsplits), values]


def _part(item: Any, rank: int, values: DType, splits: DType) -> RaggedVariant:
    """The ragged tensor in a variant. Raises INVALID_ARGUMENT for another value, rank or dtype."""
    if not isinstance(item, RaggedVariant):
        raise invalid("the variant does not hold a RaggedTensorVariant")
    if len(item.nested) != rank:
        raise invalid(f"the variant has ragged rank {len(item.nested)}, not {rank}")
    if item.values.dtype != values.numpy:
        raise invalid(f"the variant has values of {item.values.dtype}, not of {values}")
    for part in item.nested:
        if part.dtype != splits.numpy:
            raise invalid(f"the variant has row_splits of {part.dtype}, not of {splits}")
    return item


def _stacked_values(parts: list[RaggedVariant], dims: tuple[int, ...], rank: int, dtype: DType) -> Any:
    shapes = {part.values.shape[0 if rank < 0 else 1 :] for part in parts}
    if len(shapes) > 1:
        raise invalid(f"All flat_values must have compatible shapes, but have {sorted(shapes)}")
    if rank < 0:
        inner = next(iter(shapes), ())
        flat = np.stack([part.values for part in parts]) if parts else np.empty(0, dtype.numpy)
        return flat.reshape(*dims, *inner)
    if any(not part.values.ndim for part in parts):
        raise invalid("flat_values must have rank >= 1")
    return np.concatenate([part.values for part in parts]) if parts else np.empty(0, dtype.numpy)


def _stacked_splits(parts: list[RaggedVariant], dims: tuple[int, ...], rank: int, dtype: DType) -> list[Any]:
    """The splits of the dimensions of the tensor of variants, then those of the variants, joined."""
    result = [
        np.arange(prod(dims[: axis + 1]) + 1, dtype=dtype.numpy) * dims[axis + 1]
        for axis in range(len(dims) - 1)
    ]
    rows = [len(part.nested[0]) - 1 if rank else part.values.shape[0] for part in parts]
    result.append(splits_of(np.array(rows, np.int64), dtype.numpy))
    for level in range(rank):
        lengths = [np.diff(part.nested[level]) for part in parts]
        result.append(splits_of(np.concatenate(lengths) if lengths else np.zeros(0, np.int64), dtype.numpy))
    return result


to_variant_gradient = op(
    "RaggedTensorToVariantGradient(encoded_ragged_grad: variant, row_splits: Tsplits, dense_values_shape: int32; "
    f"Tvalues: type, Tsplits: type in {INDEX} = int64) -> (dense_values_grad: Tvalues)",
    shape=lambda c: c.as_shape(2),
)


@to_variant_gradient.kernel
def _(xp: Any, encoded: Any, row_splits: Any, shape: Any, *, Tvalues: DType) -> Any:
    dims = known_shape(shape)
    items = encoded.reshape(-1).tolist()
    batched, row_splits = encoded.ndim > 0, np.asarray(row_splits)
    pieces: list[Any] = []
    for i, item in enumerate(items):
        if isinstance(item, NoValue):
            pieces.append(np.zeros(_missing_shape(dims, row_splits, i, batched=batched), Tvalues.numpy))
        else:
            pieces.append(_part_of_gradient(item, Tvalues))
    if not batched:
        result = pieces[0]
    elif row_splits.ndim:
        result = np.concatenate(pieces) if pieces else np.zeros(dims, Tvalues.numpy)
    else:
        result = np.stack(pieces) if pieces else np.zeros(dims, Tvalues.numpy)
    if result.shape != dims:
        raise invalid(f"the gradient has shape {Shape(result.shape)}, but the values have {Shape(dims)}")
    return result


def _missing_shape(dims: tuple[int, ...], splits: Any, row: int, *, batched: bool) -> tuple[int, ...]:
    """The shape of the values of a row whose gradient is missing, that is, zero."""
    if not batched:
        return dims
    if not splits.ndim:
        return dims[1:]
    return (int(splits[row + 1] - splits[row]), *dims[1:])


def _part_of_gradient(item: Any, dtype: DType) -> Any:
    if not isinstance(item, RaggedVariant) or item.values.dtype != dtype.numpy:
        raise invalid(f"the gradient of a ragged tensor must be one of {dtype} in a variant")
    return item.values


@to_variant.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
    *nested, values = node.inputs
    splits = nested[0] if nested else g.constant(0, dtypes.int64)
    d_values = g.RaggedTensorToVariantGradient(dy, splits, g.Shape(values), Tvalues=values.dtype)
    return [*[None] * len(nested), d_values]


@from_variant.gradient
def _(g: GraphBuilder, node: NodeView, *dys: Tensor | None) -> Tensor | None:
    dy = dys[-1]
    rank = node.inputs[0].shape.rank
    if rank is not None and rank > 1:
        raise invalid("RaggedTensorFromVariant has a gradient for variants of rank 0 and 1 only")
    if dy is None:
        return None
    batched = node.attr("output_ragged_rank") > 0 if rank is None else rank == 1
    return g.RaggedTensorToVariant(
        node.outputs[:-1],
        dy,
        batched_input=batched,
        RAGGED_RANK=len(node.outputs) - 1,
        Tsplits=node.attr("Tsplits"),
    )
