"""Sparse tensors joined, cut, reshaped and filled."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, vector
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...core.types import NUMBERS
from ...numeric.int_arguments import check_allocation, normalize_axis
from ...numeric.row_filling import check_rows, fill_rows, filled_grads
from .coo import check_static, coo, indices_of, keys_of, row_major, unknown_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def _concat_shape(c: ShapeContext) -> list[Shape]:
    count = c.attr("N")
    total: Any = 0
    rank = None
    for i in range(count):
        size, rank_here = check_static(c, i, count + i, 2 * count + i)
        rank = rank if rank_here is None else rank_here
        total = None if size is None or total is None else total + size
    return [Shape((total, rank)), vector(total), vector(rank)]


concat = op(
    "SparseConcat(indices: N*int64, values: N*T, shapes: N*int64; concat_dim: int, N: int >= 2, T: type) "
    "-> (output_indices: int64, output_values: T, output_shape: int64)",
    shape=_concat_shape,
    differentiable=False,
)


@concat.kernel
def _(
    xp: Any, indices: Sequence[Any], values: Sequence[Any], shapes: Sequence[Any], *, concat_dim: int
) -> list[Any]:
    parts = [coo(*part) for part in zip(indices, values, shapes)]
    rank = parts[0].rank
    axis = normalize_axis(concat_dim, rank, "concat_dim")
    dims = list(parts[0].dims)
    moved, offset = [], 0
    for part in parts:
        others = [d for i, d in enumerate(part.dims) if i != axis]
        if part.rank != rank or others != [d for i, d in enumerate(dims) if i != axis]:
            raise invalid(
                f"tensors of shapes {dims} and {list(part.dims)} cannot be joined along axis {axis}"
            )
        shifted = part.indices.copy()
        shifted[:, axis] += offset
        offset += part.dims[axis]
        moved.append(shifted)
    dims[axis] = offset
    joined = np.concatenate(moved)
    order = row_major(joined)
    return [joined[order], np.concatenate([part.values for part in parts])[order], np.array(dims, np.int64)]


def _split_shape(c: ShapeContext) -> list[Shape]:
    count = c.attr("num_split")
    c.with_rank("split_dim", 0)
    _, rank = check_static(c, "indices", "values", "shape")
    return [unknown_count(rank)] * count + [vector(None)] * count + [vector(rank)] * count


split = op(
    "SparseSplit(split_dim: int64, indices: int64, values: T, shape: int64; num_split: int >= 1, T: type) "
    "-> (output_indices: num_split*int64, output_values: num_split*T, output_shape: num_split*int64)",
    shape=_split_shape,
)


@split.kernel
def _(
    xp: Any, split_dim: Any, indices: Any, values: Any, shape: Any, *, num_split: int
) -> tuple[list[Any], list[Any], list[Any]]:
    if np.ndim(split_dim):
        raise invalid(f"split_dim must be a scalar, but has shape {list(np.shape(split_dim))}")
    given = coo(indices, values, shape)
    axis = normalize_axis(int(split_dim), given.rank, "split_dim")
    size = given.dims[axis]
    if not 1 <= num_split <= size:
        raise invalid(f"an axis of size {size} cannot be split in {num_split}")
    keys_of(given.indices, given.dims)
    # The first parts take what is left over, one each.
    sizes = [size // num_split + (i < size % num_split) for i in range(num_split)]
    starts = np.cumsum([0, *sizes])
    parts: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    for first, length in zip(starts, sizes):
        inside = (given.indices[:, axis] >= first) & (given.indices[:, axis] < first + length)
        shifted = given.indices[inside]
        shifted[:, axis] -= first
        dims = [length if i == axis else d for i, d in enumerate(given.dims)]
        for part, value in zip(parts, (shifted, given.values[inside], np.array(dims, np.int64))):
            part.append(value)
    return parts


def _reshape_shape(c: ShapeContext) -> list[Shape]:
    indices = c.with_rank(0, 2)
    c.with_rank(1, 1)
    rank = c.with_rank(2, 1)[0]
    return [Shape((indices[0], rank)), vector(rank)]


reshape = op(
    "SparseReshape(input_indices: int64, input_shape: int64, new_shape: int64) "
    "-> (output_indices: int64, output_shape: int64)",
    shape=_reshape_shape,
)


@reshape.kernel
def _(xp: Any, indices: Any, shape: Any, new_shape: Any) -> list[Any]:
    if new_shape.ndim != 1:
        raise invalid(f"new_shape must be a vector, but has shape {Shape(new_shape.shape)}")
    given = coo(indices, np.zeros(len(indices) if indices.ndim else 0), shape)
    dims = _resolved(given.dims, new_shape.tolist())
    keys = given.keys()
    return [
        indices_of(keys, dims) if len(keys) else np.zeros((0, len(dims)), np.int64),
        np.array(dims, np.int64),
    ]


def _resolved(old: tuple[int, ...], new: list[int]) -> tuple[int, ...]:
    """The new shape with its -1, if it has one, worked out."""
    unknown = [i for i, size in enumerate(new) if size == -1]
    if len(unknown) > 1:
        raise invalid(f"new_shape {new} has more than one -1")
    if any(size < -1 for size in new):
        raise invalid(f"new_shape {new} has a negative size other than -1")
    total, known = prod(old), prod(size for size in new if size != -1)
    if unknown:
        if known == 0 or total % known:
            raise invalid(f"a tensor of shape {list(old)} cannot be reshaped to {new}")
        new = [total // known if size == -1 else size for size in new]
    if prod(new) != total:
        raise invalid(f"a tensor of shape {list(old)} cannot be reshaped to {new}")
    return tuple(new)


def _slice_shape(c: ShapeContext) -> list[Shape]:
    _, rank = check_static(c, 0, 1, 2)
    c.with_rank(3, 1)
    c.with_rank(4, 1)
    return [unknown_count(rank), vector(None), vector(rank)]


slice_ = op(
    "SparseSlice(indices: int64, values: T, shape: int64, start: int64, size: int64; T: type) "
    "-> (output_indices: int64, output_values: T, output_shape: int64)",
    shape=_slice_shape,
)


@slice_.kernel
def _(xp: Any, indices: Any, values: Any, shape: Any, start: Any, size: Any) -> list[Any]:
    given = coo(indices, values, shape)
    for name, vector_ in (("start", start), ("size", size)):
        if vector_.shape != (given.rank,):
            raise invalid(f"{name} must have {given.rank} elements, but has shape {Shape(vector_.shape)}")
        if (vector_ < 0).any():
            raise invalid(f"{name} must not be negative, but is {vector_.tolist()}")
    dims = np.array(given.dims, np.int64)
    sizes = np.clip(np.minimum(size, dims - start), 0, None)
    shifted = given.indices - start
    inside = ((shifted >= 0) & (shifted < sizes)).all(axis=1)
    return [shifted[inside], given.values[inside], sizes]


@slice_.gradient
def _(g: GraphBuilder, node: NodeView, _: Any, dy: Tensor | None, __: Any) -> list[Tensor | None]:
    if dy is None:
        return [None] * 5
    indices, start = node.inputs[0], node.inputs[3]
    return [None, g.SparseSliceGrad(dy, indices, start, node.outputs[0]), None, None, None]


slice_grad = op(
    "SparseSliceGrad(backprop_val_grad: T, input_indices: int64, input_start: int64, output_indices: int64; "
    f"T: type in {NUMBERS}) -> (val_grad: T)",
    shape=lambda c: vector(c.with_rank(1, 2)[0]),
)


@slice_grad.kernel
def _(xp: Any, dy: Any, indices: Any, start: Any, out_indices: Any) -> Any:
    if dy.ndim != 1 or indices.ndim != 2 or out_indices.ndim != 2 or len(out_indices) != len(dy):
        raise invalid(
            "backprop_val_grad must have an element for each of output_indices, but they have shapes "
            f"{Shape(dy.shape)} and {Shape(out_indices.shape)}"
        )
    if start.shape != (indices.shape[1],) or out_indices.shape[1] != indices.shape[1]:
        raise invalid("input_start and output_indices must have as many columns as input_indices")
    return values_at(indices, out_indices + start, dy)


def values_at(wanted: Any, indices: Any, values: Any) -> Any:
    """The value at each of the wanted indices, 0 where ``indices`` does not have it."""
    result = np.zeros(len(wanted), values.dtype)
    if not len(indices) or not len(wanted):
        return result
    both = np.concatenate([indices, wanted])
    low = both.min(axis=0, initial=0)
    keys = keys_of(both - low, tuple((both.max(axis=0, initial=0) - low + 1).tolist()))
    known, asked = keys[: len(indices)], keys[len(indices) :]
    order = np.argsort(known, kind="stable")
    place = np.searchsorted(known[order], asked)
    place[place == len(known)] = 0
    hit = known[order][place] == asked
    result[hit] = values[order][place[hit]]
    return result


def _fill_shape(c: ShapeContext) -> list[Shape]:
    count, rank = check_static(c, 0, 1, 2)
    c.with_rank(3, 0)
    rows = c.as_shape(2)[0] if c.as_shape(2).dims else None
    return [unknown_count(rank), vector(None), vector(rows), vector(count)]


fill_empty_rows = op(
    "SparseFillEmptyRows(indices: int64, values: T, dense_shape: int64, default_value: T; T: type) "
    "-> (output_indices: int64, output_values: T, empty_row_indicator: bool, reverse_index_map: int64)",
    shape=_fill_shape,
)


@fill_empty_rows.kernel
def _(xp: Any, indices: Any, values: Any, shape: Any, default: Any) -> list[Any]:
    given = coo(indices, values, shape)
    if np.ndim(default):
        raise invalid(f"default_value must be a scalar, but has shape {list(np.shape(default))}")
    if not given.dims:
        raise invalid("a sparse tensor of rank 0 has no rows")
    of_row = given.indices[:, 0]
    check_allocation(given.dims[:1], 17)
    check_rows(of_row, given.dims[0], "the rows of indices")
    filled = fill_rows(of_row, given.dims[0])
    added = np.zeros((int(filled.empty.sum()), given.rank), np.int64)
    added[:, 0] = np.flatnonzero(filled.empty)
    all_indices = np.concatenate([given.indices, added])[filled.order]
    return [all_indices, filled.values(given.values, default), filled.empty, filled.new_place]


@fill_empty_rows.gradient
def _(g: GraphBuilder, node: NodeView, _: Any, dy: Tensor | None, *__: Any) -> list[Tensor | None]:
    if dy is None:
        return [None] * 4
    d_values, d_default = g.SparseFillEmptyRowsGrad(node.outputs[3], dy)
    return [None, d_values, None, d_default]


fill_empty_rows_grad = op(
    "SparseFillEmptyRowsGrad(reverse_index_map: int64, grad_values: T; T: type) "
    "-> (d_values: T, d_default_value: T)",
    shape=lambda c: [vector(c.with_rank(0, 1)[0]), Shape(())],
)


@fill_empty_rows_grad.kernel
def _(xp: Any, index_map: Any, grads: Any) -> list[Any]:
    return filled_grads(index_map, grads)
