"""SparseToDense, SparseReorder and SparseTensorDenseMatMul: sparse tensors given as indices, values and shape."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import MAX_ELEMENTS, Shape, matrix, merge_dim, unknown_of_rank
from ...builder.broadcast_gradients import conj
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import scatter

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="a_shape input_shape output_shape")
op = family.op


def _dense_shape(c: ShapeContext) -> Shape:
    shape = c.as_shape(1)
    return unknown_of_rank(c.input(1)[0]) if shape.dims is None and c.input(1).rank == 1 else shape


sparse_to_dense = op(
    "SparseToDense(sparse_indices: Tindices, output_shape: Tindices, sparse_values: T, default_value: T; "
    "validate_indices: bool = true, T: type, Tindices: type in {int32, int64}) -> (dense: T)",
    shape=_dense_shape,
    allocates_output=True,
    gpu=GpuSupport.NONE,
)


@sparse_to_dense.kernel
def _(xp: Any, indices: Any, shape: Any, values: Any, default: Any, *, validate_indices: bool) -> Any:
    dims = _check_dense_shape(shape)
    if indices.ndim > 2:
        raise invalid(f"sparse_indices must be of rank 2 or less, but have shape {Shape(indices.shape)}")
    vectors = xp.asarray(indices).reshape(-1, 1) if indices.ndim < 2 else indices
    count, depth = vectors.shape
    if depth != len(dims):
        raise invalid(f"sparse_indices have {depth} columns, but the output is of shape {Shape(dims)}")
    values, default = np.asarray(values), np.asarray(default)
    if values.ndim > 1 or (values.ndim and len(values) != count):
        raise invalid(
            f"sparse_values must be a scalar or one for each of {count} indices, but have shape "
            f"{Shape(values.shape)}"
        )
    if default.ndim:
        raise invalid(f"default_value must be a scalar, but has shape {Shape(default.shape)}")
    rows, _ = scatter.row_numbers(xp, vectors, dims)
    if validate_indices and count > 1 and not bool((rows[1:] > rows[:-1]).all()):
        place = int(scatter.on_host(rows[1:] <= rows[:-1]).argmax()) + 1
        what = "repeated" if int(rows[place]) == int(rows[place - 1]) else "out of order"
        raise invalid(f"indices[{place}] = {scatter.on_host(vectors[place]).tolist()} is {what}")
    output = xp.full(prod(dims), default[()], default.dtype)
    output[rows] = values
    return output.reshape(dims)


def _check_dense_shape(shape: Any) -> tuple[int, ...]:
    if shape.ndim != 1:
        raise invalid(f"a shape must be a vector, but has shape {Shape(shape.shape)}")
    dims: tuple[int, ...] = tuple(scatter.on_host(shape).tolist())
    if any(d < 0 for d in dims) or prod(dims) > MAX_ELEMENTS:
        raise invalid(f"shape {list(dims)} has a negative dimension or too many elements")
    return dims


@sparse_to_dense.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[None, None, Tensor, Tensor]:
    indices, _, values, _ = node.inputs
    if indices.shape.rank is not None and indices.shape.rank < 2:
        indices = g.Reshape(indices, [-1, 1])
    read = g.GatherNd(dy, indices)
    rest = _sum_all(g, dy) - _sum_all(g, read)
    return None, None, _sum_all(g, read) if values.shape.rank == 0 else read, rest


def _sum_all(g: GraphBuilder, x: Tensor) -> Tensor:
    return g.Sum(g.Reshape(x, [-1]), g.constant(0))


def _reorder_shape(c: ShapeContext) -> list[Shape]:
    indices, values = c.with_rank(0, 2), c.with_rank(1, 1)
    c.with_rank(2, 1)
    return [indices, values]


sparse_reorder = op(
    "SparseReorder(input_indices: int64, input_values: T, input_shape: int64; T: type) -> "
    "(output_indices: int64, output_values: T)",
    shape=_reorder_shape,
    allocates_output=True,
)


@sparse_reorder.kernel
def _(xp: Any, indices: Any, values: Any, shape: Any) -> tuple[Any, Any]:
    if indices.ndim != 2 or values.ndim != 1 or shape.ndim != 1 or indices.shape != (len(values), len(shape)):
        raise invalid(
            "indices must be a matrix of a row for each value and a column for each axis, but indices, "
            f"values and shape are of shapes {Shape(indices.shape)}, {Shape(values.shape)} and "
            f"{Shape(shape.shape)}"
        )
    order = xp.lexsort(xp.asarray(indices).T[::-1]) if indices.shape[1] else xp.arange(len(values))
    return indices[order], values[order]


@sparse_reorder.gradient
def _(g: GraphBuilder, node: NodeView, _: Any, dy: Tensor | None) -> tuple[None, Tensor | None, None]:
    indices, values, shape = node.inputs
    if dy is None:
        return None, None, None
    size = g.StridedSlice(g.shape_of(values), [0], [1], [1], shrink_axis_mask=1)
    _, order = g.SparseReorder(indices, g.Range(0, size, 1), shape)
    return None, g.GatherV2(dy, g.InvertPermutation(order), g.constant(0)), None


def _product_shape(c: ShapeContext) -> Shape:
    c.with_rank(0, 2)
    c.with_rank(1, 1)
    a, b = c.as_shape(2), c.with_rank(3, 2)
    if a.dims is not None and len(a.dims) != 2:
        raise invalid(f"a must be a matrix, but its shape has {len(a.dims)} elements")
    rows, inner = (a[1], a[0]) if c.attr("adjoint_a") else (a[0], a[1])
    other, columns = (b[1], b[0]) if c.attr("adjoint_b") else (b[0], b[1])
    merge_dim(inner, other)
    return matrix(rows, columns)


product = op(
    "SparseTensorDenseMatMul(a_indices: Tindices, a_values: T, a_shape: int64, b: T; T: type, "
    "Tindices: type in {int32, int64} = int64, adjoint_a: bool = false, adjoint_b: bool = false) -> "
    "(product: T)",
    shape=_product_shape,
    allocates_output=True,
)


@product.kernel
def _(xp: Any, indices: Any, values: Any, shape: Any, b: Any, *, adjoint_a: bool, adjoint_b: bool) -> Any:
    dims = _check_dense_shape(shape)
    if len(dims) != 2 or b.ndim != 2 or values.ndim != 1 or indices.shape != (len(values), 2):
        raise invalid(
            "a and b must be matrices, but a's indices, values and shape are of shapes "
            f"{Shape(indices.shape)}, {Shape(values.shape)} and {Shape(shape.shape)}, and b of "
            f"{Shape(b.shape)}"
        )
    if adjoint_b:
        b = b.T.conj()
    rows, columns = indices[:, 0], indices[:, 1]
    if adjoint_a:
        rows, columns, values, dims = columns, rows, values.conj(), dims[::-1]
    if dims[1] != len(b):
        raise invalid(
            f"a matrix of shape {Shape(dims)} cannot be multiplied by one of shape {Shape(b.shape)}"
        )
    scatter.check_indices(columns, dims[1], "the column of a_indices")
    scatter.check_indices(rows, dims[0], "the row of a_indices")
    if xp is np and values.dtype.char in "fdFDil":
        return _by_scipy(rows, columns, values, dims, b)
    output = xp.zeros((dims[0], b.shape[1]), b.dtype)
    scatter.scatter_rows(xp, output, rows, values[:, None] * b[columns], "add")
    return output


def _by_scipy(rows: Any, columns: Any, values: Any, dims: tuple[int, ...], b: Any) -> Any:
    from scipy import sparse

    a: Any = sparse.csr_array((values, (rows, columns)), shape=dims)
    return np.asarray(a @ b, b.dtype)


@product.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[None, Tensor, None, Tensor]:
    indices, values, shape, b = node.inputs
    adjoint_a, adjoint_b = node.attr("adjoint_a"), node.attr("adjoint_b")
    for_b = g.SparseTensorDenseMatMul(indices, values, shape, dy, adjoint_a=not adjoint_a)
    if adjoint_b:
        for_b = g.Transpose(conj(g, for_b), [1, 0])
        b = g.Transpose(conj(g, b), [1, 0])
    rows, columns = (
        g.StridedSlice(indices, [0, i], [0, i + 1], [1, 1], begin_mask=1, end_mask=1, shrink_axis_mask=2)
        for i in (0, 1)
    )
    if adjoint_a:
        rows, columns = columns, rows
    zero = g.constant(0)
    for_a = g.Sum(g.GatherV2(dy, rows, zero) * conj(g, g.GatherV2(b, columns, zero)), g.constant(1))
    return None, conj(g, for_a) if adjoint_a else for_a, None, for_b
