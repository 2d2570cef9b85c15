"""SparseMatrixMatMul and SparseMatrixSparseMatMul: products of sparse matrices in compressed rows (kernels/sparse in
TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.int_arguments import check_allocation
from .csr import CsrMatrix, csr_fact, csr_of, from_scipy, product_shape, static_shape, turned_shape

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_FLAGS = (
    "transpose_a: bool = false, transpose_b: bool = false, adjoint_a: bool = false, adjoint_b: bool = false"
)


def _product_shape(c: ShapeContext, right: Shape) -> Shape:
    attrs = c.attrs
    return product_shape(
        turned_shape(static_shape(c, 0), attrs["transpose_a"] or attrs["adjoint_a"]),
        turned_shape(right, attrs["transpose_b"] or attrs["adjoint_b"]),
    )


def _matmul_shape(c: ShapeContext) -> Shape:
    return turned_shape(_product_shape(c, c.input("b")), c.attr("transpose_output"))


matmul = op(
    f"SparseMatrixMatMul(a: variant, b: T; T: type, {_FLAGS}, transpose_output: bool = false, "
    "conjugate_output: bool = false) -> (output: T)",
    shape=_matmul_shape,
)


def _check_flags(*, transpose_a: bool, transpose_b: bool, adjoint_a: bool, adjoint_b: bool) -> None:
    if (adjoint_a and transpose_a) or (adjoint_b and transpose_b):
        raise invalid("Only one of adjoint and transpose may be true")


@matmul.kernel
def _(
    xp: Any, a: Any, b: Any, *, T: DType, transpose_a: bool, transpose_b: bool, adjoint_a: bool, adjoint_b: bool,
    transpose_output: bool, conjugate_output: bool,
) -> Any:  # fmt: skip
    _check_flags(transpose_a=transpose_a, transpose_b=transpose_b, adjoint_a=adjoint_a, adjoint_b=adjoint_b)
    left = csr_of(a, T, "a")
    if b.ndim != len(left.dims):
        raise invalid(f"Ranks of a and b must match: {list(left.dims)} and {Shape(b.shape)}")
    right = b.reshape(-1, *b.shape[-2:])
    parts = [_turned(part, transpose_a, adjoint_a) for part in left.to_scipy()]
    right = [_turned(part, transpose_b, adjoint_b) for part in right]
    if len(parts) != len(right):
        raise invalid(f"Batch dimensions of a and b must be equal: {len(parts)} and {len(right)}")
    rows, inner = (left.dims[-1], left.dims[-2]) if transpose_a or adjoint_a else left.dims[-2:]
    width = b.shape[-2] if transpose_b or adjoint_b else b.shape[-1]
    if inner != (b.shape[-1] if transpose_b or adjoint_b else b.shape[-2]):
        raise invalid(f"Inner dimensions of a, {list(left.dims)}, and b, {Shape(b.shape)}, do not agree")
    dims = (width, rows) if transpose_output else (rows, width)
    check_allocation((len(parts), *dims), T.numpy.itemsize)
    result = np.empty((len(parts), *dims), T.numpy)
    for i, (x, y) in enumerate(zip(parts, right)):
        product = x @ y
        result[i] = product.T if transpose_output else product
    result = result.conj() if conjugate_output else result
    return result if len(left.dims) == 3 else result[0]


def _turned(part: Any, transposes: bool, adjoint: bool) -> Any:
    if adjoint:
        return part.conj().T
    return part.T if transposes else part


@matmul.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
    """With P = A'B', where A' and B' are the operands as turned: dB' = A'^H dP, and dA' = dP B'^H, of which only
    the places that A has are computed."""
    a, b = node.inputs
    if b.shape.rank is None:
        raise invalid("SparseMatrixMatMul has a gradient where the rank of b is known only")
    rank = b.shape.rank
    dy = _dense_turned(g, dy, rank, node.attr("transpose_output"), node.attr("conjugate_output"))
    t_a, h_a = node.attr("transpose_a"), node.attr("adjoint_a")
    t_b, h_b = node.attr("transpose_b"), node.attr("adjoint_b")
    right = _dense_turned(g, b, rank, t_b or h_b, h_b)
    indices, _, dims = g.CSRSparseMatrixToSparseTensor(a, type=b.dtype)
    row, col = (rank - 1, rank - 2) if t_a or h_a else (rank - 2, rank - 1)
    rows = g.GatherNd(dy, _index(g, indices, rank, row))
    cols = g.GatherNd(right, _index(g, indices, rank, col))
    values = g.Sum(g.Mul(rows, _conjugate(g, cols)), g.constant([1], "int32"))
    d_a = g.SparseTensorToCSRSparseMatrix(indices, _conjugate(g, values) if h_a else values, dims)
    if t_a:
        # The adjoint of the transpose is the conjugate.
        adjoint = g.SparseMatrixTranspose(a, conjugate=True, type=b.dtype)
        d_right = g.SparseMatrixMatMul(adjoint, dy, transpose_a=True)
    else:
        d_right = g.SparseMatrixMatMul(a, dy, adjoint_a=not h_a)
    return [d_a, _dense_turned(g, d_right, rank, t_b or h_b, h_b)]


def _index(g: GraphBuilder, indices: Tensor, rank: int, column: int) -> Tensor:
    """The indices of vectors in the last dimension but one: the batch, and the given column."""
    kept = [*range(rank - 2), column]
    return g.GatherV2(indices, g.constant(kept, "int32"), g.constant(1, "int32"))


def _conjugate(g: GraphBuilder, x: Tensor) -> Tensor:
    return g.Conj(x) if x.dtype.name.startswith("complex") else x


def _dense_turned(g: GraphBuilder, x: Tensor, rank: int, transposes: bool, conjugates: bool) -> Tensor:
    if transposes:
        x = g.Transpose(x, g.constant([*range(rank - 2), rank - 1, rank - 2], "int32"))
    return _conjugate(g, x) if conjugates else x


sparse_matmul = op(
    "SparseMatrixSparseMatMul(a: variant, b: variant; type: type in {float, double, complex64, complex128}, "
    f"{_FLAGS}) -> (c: variant)",
    shape=lambda c: csr_fact(c.attr("type"), _product_shape(c, static_shape(c, 1))),
)


@sparse_matmul.kernel
def _(
    xp: Any,
    a: Any,
    b: Any,
    *,
    type: DType,
    transpose_a: bool,
    transpose_b: bool,
    adjoint_a: bool,
    adjoint_b: bool,
) -> Any:
    _check_flags(transpose_a=transpose_a, transpose_b=transpose_b, adjoint_a=adjoint_a, adjoint_b=adjoint_b)
    left, right = csr_of(a, type, "a"), csr_of(b, type, "b")
    if left.dims[:-2] != right.dims[:-2]:
        raise invalid(f"Batch dimensions of {list(left.dims)} and {list(right.dims)} must be equal")
    first = [_turned(part, transpose_a, adjoint_a) for part in left.to_scipy()]
    second = [_turned(part, transpose_b, adjoint_b) for part in right.to_scipy()]
    if first and first[0].shape[1] != second[0].shape[0]:
        raise invalid(f"Inner dimensions of {list(left.dims)} and {list(right.dims)} do not agree")
    parts = [from_scipy(x @ y) for x, y in zip(first, second)]
    dims = (first[0].shape[0], second[0].shape[1]) if first else (0, 0)
    return CsrMatrix((*left.dims[:-2], *dims), parts, type)
