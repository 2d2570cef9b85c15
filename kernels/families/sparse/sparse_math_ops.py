"""Arithmetic of sparse tensors with each other and with dense ones, and their reductions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape, vector
from ...builder.broadcast_gradients import conj
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...core.types import NUMBERS, REAL_NUMBERS
from .coo import Coo, check_static, coo, indices_of, keys_of, unknown_count
from .sparse_shape_ops import values_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext
    from ...core.registry import Op

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def _union(a: Coo, b: Coo) -> tuple[Any, Any, Any]:
    """The indices that either tensor has, in row-major order, and the values of both there, 0 where one has none."""
    if a.dims != b.dims:
        raise invalid(f"tensors of shapes {list(a.dims)} and {list(b.dims)} do not fit each other")
    of_a, of_b = a.keys(), b.keys()
    keys, places = np.unique(np.concatenate([of_a, of_b]), return_inverse=True)
    left, right = (np.zeros(len(keys), a.values.dtype) for _ in range(2))
    left[places[: len(of_a)]] = a.values
    right[places[len(of_a) :]] = b.values
    return indices_of(keys, a.dims), left, right


def _pair_shape(c: ShapeContext) -> list[Shape]:
    _, rank_a = check_static(c, 0, 1, 2)
    _, rank_b = check_static(c, 3, 4, 5)
    rank = rank_a if rank_a is not None else rank_b
    return [unknown_count(rank), vector(None), vector(rank)]


add = op(
    "SparseAdd(a_indices: int64, a_values: T, a_shape: int64, b_indices: int64, b_values: T, b_shape: int64, "
    f"thresh: Treal; T: type in {NUMBERS}, Treal: type in {REAL_NUMBERS}) "
    "-> (sum_indices: int64, sum_values: T, sum_shape: int64)",
    shape=_pair_shape,
)


@add.kernel
def _(
    xp: Any,
    a_indices: Any,
    a_values: Any,
    a_shape: Any,
    b_indices: Any,
    b_values: Any,
    b_shape: Any,
    thresh: Any,
) -> list[Any]:
    if np.ndim(thresh):
        raise invalid(f"thresh must be a scalar, but has shape {list(np.shape(thresh))}")
    a, b = coo(a_indices, a_values, a_shape, "a"), coo(b_indices, b_values, b_shape, "b")
    indices, left, right = _union(a, b)
    total = left + right
    # Only sums are held against the threshold, not the values that one tensor has alone.
    alone = ~np.isin(keys_of(indices, a.dims), np.intersect1d(a.keys(), b.keys()))
    kept = alone | (np.abs(total) >= thresh)
    return [indices[kept], total[kept], a_shape.copy()]


@add.gradient
def _(g: GraphBuilder, node: NodeView, _: Any, dy: Tensor | None, __: Any) -> list[Tensor | None]:
    if dy is None:
        return [None] * 7
    da, db = g.SparseAddGrad(dy, node.inputs[0], node.inputs[3], node.outputs[0])
    return [None, da, None, None, db, None, None]


add_grad = op(
    "SparseAddGrad(backprop_val_grad: T, a_indices: int64, b_indices: int64, sum_indices: int64; "
    f"T: type in {NUMBERS}) -> (a_val_grad: T, b_val_grad: T)",
    shape=lambda c: [vector(c.with_rank(1, 2)[0]), vector(c.with_rank(2, 2)[0])],
    differentiable=False,
)


@add_grad.kernel
def _(xp: Any, dy: Any, a_indices: Any, b_indices: Any, sum_indices: Any) -> list[Any]:
    matrices = (a_indices, b_indices, sum_indices)
    if dy.ndim != 1 or any(m.ndim != 2 or m.shape[1] != a_indices.shape[1] for m in matrices):
        raise invalid("indices must be matrices of as many columns, and backprop_val_grad a vector")
    if len(dy) != len(sum_indices):
        raise invalid(f"backprop_val_grad has {len(dy)} elements for {len(sum_indices)} sum_indices")
    return [values_at(a_indices, sum_indices, dy), values_at(b_indices, sum_indices, dy)]


tensor_dense_add = op(
    f"SparseTensorDenseAdd(a_indices: Tindices, a_values: T, a_shape: Tindices, b: T; T: type in {NUMBERS}, "
    "Tindices: type in {int32, int64}) -> (output: T)",
    shape=lambda c: c.input(3),
)


@tensor_dense_add.kernel
def _(xp: Any, indices: Any, values: Any, shape: Any, b: Any) -> Any:
    a = coo(indices, values, shape, "a")
    if a.dims != b.shape:
        raise invalid(f"a of shape {list(a.dims)} cannot be added to b of shape {list(b.shape)}")
    total = b.copy().reshape(-1)
    np.add.at(total, a.keys(), a.values)
    return total.reshape(b.shape)


@tensor_dense_add.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
    return [None, g.GatherNd(dy, node.inputs[0]), None, dy]


def _cwise(name: str, compute: Callable[[Any, Any], Any]) -> Op:
    """Declares an operation of each value of a sparse tensor and the dense element there."""
    declared = op(
        f"SparseDenseCwise{name}(sp_indices: int64, sp_values: T, sp_shape: int64, dense: T; T: type in {NUMBERS}) "
        "-> (output: T)",
        shape=lambda c: vector(check_static(c, 0, 1, 2)[0]),
    )

    @declared.kernel
    def _(xp: Any, indices: Any, values: Any, shape: Any, dense: Any) -> Any:
        sparse = coo(indices, values, shape)
        extra = sparse.rank - dense.ndim
        fits = extra >= 0 and all(d in (1, s) for d, s in zip(dense.shape, sparse.dims[extra:]))
        if not fits:
            raise invalid(
                f"a dense tensor of shape {list(dense.shape)} cannot be broadcast to {list(sparse.dims)}"
            )
        keys_of(sparse.indices, sparse.dims)
        places = tuple(
            indices[:, extra + axis] if size != 1 else np.zeros(len(indices), np.int64)
            for axis, size in enumerate(dense.shape)
        )
        others = dense[places] if places else np.broadcast_to(dense, len(values))
        return compute(values, others)

    return declared


def _divide(x: Any, y: Any) -> Any:
    if x.dtype.kind not in "iu":
        with np.errstate(all="ignore"):
            return x / y
    if (y == 0).any():
        raise invalid("Integer division by zero")
    quotient = np.abs(x) // np.abs(y)
    return np.where((x < 0) != (y < 0), -quotient, quotient).astype(x.dtype)


cwise_add = _cwise("Add", lambda x, y: x + y)
cwise_mul = _cwise("Mul", lambda x, y: x * y)
cwise_div = _cwise("Div", _divide)


def _dense_places(g: GraphBuilder, node: NodeView) -> tuple[Tensor, Tensor]:
    """The shape of the dense input, with ones in front, and where in it each value of the sparse one reads."""
    indices, _, shape, dense = node.inputs
    dense_shape = g.cast(g.shape_of(dense), shape.dtype)
    missing = g.Sub(g.Size(shape), g.Size(dense_shape))
    ones = g.Fill(g.ExpandDims(missing, 0), g.constant(1, shape.dtype))
    padded = g.ConcatV2([ones, dense_shape], 0)
    return padded, g.FloorDiv(indices, g.FloorDiv(shape, padded))


def _to_dense(g: GraphBuilder, node: NodeView, places: Tensor, padded: Tensor, updates: Tensor) -> Tensor:
    return g.Reshape(g.ScatterNd(places, updates, padded), g.shape_of(node.inputs[3]))


@cwise_add.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
    padded, places = _dense_places(g, node)
    return [None, dy, None, _to_dense(g, node, places, padded, dy)]


@cwise_mul.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
    padded, places = _dense_places(g, node)
    read = g.GatherNd(g.Reshape(node.inputs[3], padded), places)
    return [None, dy * conj(g, read), None, _to_dense(g, node, places, padded, dy * conj(g, node.inputs[1]))]


@cwise_div.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
    padded, places = _dense_places(g, node)
    read = g.GatherNd(g.Reshape(node.inputs[3], padded), places)
    to_dense = dy * conj(g, -node.inputs[1] / (read * read))
    return [None, dy / conj(g, read), None, _to_dense(g, node, places, padded, to_dense)]


def _declare_reduction(name: str, types: str, reduce_at: Callable[[Any, Any, Any], None], start: Any) -> Op:
    """Declares a reduction to a dense tensor, and the one to a sparse tensor; absent cells are 0 and do not count."""
    inputs = "input_indices: int64, input_values: T, input_shape: int64, reduction_axes: int32"
    attrs = f"keep_dims: bool = false, T: type in {types}"
    dense = op(f"SparseReduce{name}({inputs}; {attrs}) -> (output: T)", shape=_reduced_shape)
    sparse = op(
        f"SparseReduce{name}Sparse({inputs}; {attrs}) "
        "-> (output_indices: int64, output_values: T, output_shape: int64)",
        shape=lambda c: [UNKNOWN, UNKNOWN, UNKNOWN] if check_static(c, 0, 1, 2) else [],
    )

    def groups(
        indices: Any, values: Any, shape: Any, axes: Any, keep_dims: bool
    ) -> tuple[Any, Any, tuple[int, ...]]:
        given = coo(indices, values, shape)
        kept, dims = _kept_axes(given, axes, keep_dims)
        keys = keys_of(given.indices[:, kept], tuple(given.dims[i] for i in kept))
        found, places = np.unique(keys, return_inverse=True)
        results = np.full(len(found), start(values.dtype), values.dtype)
        reduce_at(results, places, given.values)
        return found, results, dims

    @dense.kernel
    def _(xp: Any, indices: Any, values: Any, shape: Any, axes: Any, *, keep_dims: bool) -> Any:
        keys, results, dims = groups(indices, values, shape, axes, keep_dims)
        output = np.zeros(dims, values.dtype)
        output.reshape(-1)[keys] = results
        return output

    @sparse.kernel
    def _(xp: Any, indices: Any, values: Any, shape: Any, axes: Any, *, keep_dims: bool) -> list[Any]:
        keys, results, dims = groups(indices, values, shape, axes, keep_dims)
        return [indices_of(keys, dims), results, np.array(dims, np.int64)]

    return dense


def _axes(values: Any, rank: int) -> set[int]:
    """The reduced axes, which may be none."""
    given = np.atleast_1d(values).tolist()
    if np.ndim(values) > 1:
        raise invalid(f"reduction_axes must be a vector, but has shape {list(np.shape(values))}")
    for axis in given:
        if not -rank <= axis < rank:
            raise invalid(f"reduction_axes has {axis}, which is not in [{-rank}, {rank})")
    return {axis % rank for axis in given}


def _kept_axes(given: Coo, axes: Any, keep_dims: bool) -> tuple[list[int], tuple[int, ...]]:
    """The axes that are not reduced, and the shape of the result."""
    reduced = _axes(axes, given.rank)
    kept = [i for i in range(given.rank) if i not in reduced]
    if keep_dims:
        return kept, tuple(1 if i in reduced else d for i, d in enumerate(given.dims))
    return kept, tuple(given.dims[i] for i in kept)


def _reduced_shape(c: ShapeContext) -> Shape:
    check_static(c, 0, 1, 2)
    shape, axes = c.as_shape(2), c.constant(3)
    if shape.dims is None or axes is None:
        return UNKNOWN
    reduced = _axes(axes, len(shape.dims))
    if c.attr("keep_dims"):
        return Shape(tuple(1 if i in reduced else d for i, d in enumerate(shape.dims)))
    return Shape(tuple(d for i, d in enumerate(shape.dims) if i not in reduced))


def _lowest(dtype: Any) -> Any:
    return np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf


def _zero(dtype: Any) -> Any:
    return 0


reduce_sum = _declare_reduction("Sum", NUMBERS, np.add.at, _zero)
reduce_max = _declare_reduction("Max", REAL_NUMBERS, np.maximum.at, _lowest)


@reduce_sum.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
    indices, _, shape, axes = node.inputs
    kept = _kept_dims(g, shape, axes)
    places = g.FloorDiv(indices, g.FloorDiv(shape, kept))
    return [None, g.GatherNd(g.Reshape(dy, kept), places), None, None]


def _kept_dims(g: GraphBuilder, shape: Tensor, axes: Tensor) -> Tensor:
    """The shape with 1 on each reduced axis."""
    rank = g.Size(shape)
    named = g.FloorMod(g.AddV2(g.Reshape(axes, [-1]), rank), rank)
    marks = g.Sum(g.OneHot(named, rank, g.constant(1), g.constant(0)), 0)
    return g.SelectV2(g.Greater(marks, 0), g.constant(1, shape.dtype), shape)


softmax = op(
    "SparseSoftmax(sp_indices: int64, sp_values: T, sp_shape: int64; T: type in {half, float, double}) "
    "-> (output: T)",
    shape=lambda c: vector(check_static(c, 0, 1, 2)[0]),
)


@softmax.kernel
def _(xp: Any, indices: Any, values: Any, shape: Any) -> Any:
    given = coo(indices, values, shape)
    if given.rank < 2:
        raise invalid(f"a softmax needs a sparse tensor of rank 2 or more, but the rank is {given.rank}")
    rows = keys_of(given.indices[:, :-1], given.dims[:-1])
    found, places = np.unique(rows, return_inverse=True)
    highest = np.full(len(found), -np.inf, values.dtype)
    np.maximum.at(highest, places, values)
    powers = np.exp(values - highest[places])
    sums = np.zeros(len(found), values.dtype)
    np.add.at(sums, places, powers)
    return powers / sums[places]


@softmax.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
    indices, _, shape = node.inputs
    y = node.outputs[0]
    sums = g.SparseReduceSum(indices, dy * y, shape, g.constant([-1]), keep_dims=True)
    last = g.Fill(g.constant([1]), g.constant(1, shape.dtype))
    rows = g.ConcatV2([g.StridedSlice(shape, [0], [-1], [1], begin_mask=1), last], 0)
    read = g.GatherNd(sums, g.FloorDiv(indices, g.FloorDiv(shape, rows)))
    return [None, (dy - read) * y, None]


def _declare_choice(name: str, types: str, choose: Callable[[Any, Any], Any]) -> None:
    declared = op(
        f"SparseSparse{name}(a_indices: int64, a_values: T, a_shape: int64, b_indices: int64, b_values: T, "
        f"b_shape: int64; T: type in {types}) -> (output_indices: int64, output_values: T)",
        shape=lambda c: _pair_shape(c)[:2],
    )

    @declared.kernel
    def _(
        xp: Any, a_indices: Any, a_values: Any, a_shape: Any, b_indices: Any, b_values: Any, b_shape: Any
    ) -> list[Any]:
        a, b = coo(a_indices, a_values, a_shape, "a"), coo(b_indices, b_values, b_shape, "b")
        indices, left, right = _union(a, b)
        return [indices, choose(left, right)]

    @declared.gradient
    def _(g: GraphBuilder, node: NodeView, _: Any, dy: Tensor | None) -> list[Tensor | None]:
        if dy is None:
            return [None] * 6
        a_indices, a_values, _, b_indices, b_values, _ = node.inputs
        indices, chosen = node.outputs
        at_a, at_b = g.SparseAddGrad(dy, a_indices, b_indices, indices)
        value_at_a, value_at_b = g.SparseAddGrad(chosen, a_indices, b_indices, indices)
        da = at_a * g.cast(g.Equal(value_at_a, a_values), dy.dtype)
        db = at_b * g.cast(g.Equal(value_at_b, b_values), dy.dtype)
        return [None, da, None, None, db, None]


_declare_choice("Maximum", REAL_NUMBERS, np.maximum)
_declare_choice("Minimum", NUMBERS, np.minimum)
