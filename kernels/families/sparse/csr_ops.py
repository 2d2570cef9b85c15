"""Conversions of sparse matrices in compressed rows, to and from dense and sparse tensors (kernels/sparse in
TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape, matrix, vector
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.int_arguments import check_allocation, int_scalar, known_shape
from .csr import CsrMatrix, csr_fact, csr_of, from_coordinates, from_scipy, static_shape, turned_shape

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_VALUES = "type: type in {float, double, complex64, complex128}"

from_sparse = op(
    "SparseTensorToCSRSparseMatrix(indices: int64, values: T, dense_shape: int64; "
    "T: type in {float, double, complex64, complex128}) -> (sparse_matrix: variant)",
    shape=lambda c: csr_fact(c.attr("T"), c.as_shape(2)),
)


@from_sparse.kernel
def _(xp: Any, indices: Any, values: Any, shape: Any, *, T: DType) -> Any:
    if values.ndim != 1 or indices.ndim != 2 or len(indices) != len(values):
        raise invalid(
            f"indices and values must have shapes [count, rank] and [count], but have {Shape(indices.shape)} and "
            f"{Shape(values.shape)}"
        )
    dims = known_shape(shape)
    check_allocation((*dims[:-1],), 4)
    return from_coordinates(indices, values, dims, T)


@from_sparse.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
    return [None, g.CSRSparseMatrixToSparseTensor(dy, type=node.attr("T"))[1], None]


def _sparse_shape(c: ShapeContext) -> list[Shape]:
    rank = static_shape(c, 0).rank
    return [matrix(None, rank), vector(None), vector(rank)]


to_sparse = op(
    f"CSRSparseMatrixToSparseTensor(sparse_matrix: variant; {_VALUES}) "
    "-> (indices: int64, values: type, dense_shape: int64)",
    shape=_sparse_shape,
)


@to_sparse.kernel
def _(xp: Any, sparse_matrix: Any, *, output_types: Any) -> list[Any]:
    given = csr_of(sparse_matrix, output_types[1])
    return [given.coordinates(), given.values(), np.array(given.dims, np.int64)]


@to_sparse.gradient
def _(g: GraphBuilder, node: NodeView, _: Any, dy: Tensor | None, __: Any) -> Tensor | None:
    if dy is None:
        return None
    return g.SparseTensorToCSRSparseMatrix(node.outputs[0], dy, node.outputs[2])


from_dense = op(
    "DenseToCSRSparseMatrix(dense_input: T, indices: int64; T: type in {float, double, complex64, complex128}) "
    "-> (sparse_output: variant)",
    shape=lambda c: csr_fact(c.attr("T"), c.input(0)),
)


@from_dense.kernel
def _(xp: Any, dense: Any, indices: Any, *, T: DType) -> Any:
    if dense.ndim not in (2, 3) or indices.ndim != 2 or indices.shape[1] != dense.ndim:
        raise invalid(
            "dense_input must have rank 2 or 3 and indices as many columns, but they have shapes "
            f"{Shape(dense.shape)} and {Shape(indices.shape)}"
        )
    if ((indices < 0) | (indices >= np.array(dense.shape))).any():
        raise invalid(f"indices are outside of a matrix of shape {Shape(dense.shape)}")
    return from_coordinates(indices, dense[tuple(indices.T)], dense.shape, T)


@from_dense.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
    return [g.CSRSparseMatrixToDense(dy, type=node.attr("T")), None]


to_dense = op(
    f"CSRSparseMatrixToDense(sparse_input: variant; {_VALUES}) -> (dense_output: type)",
    shape=lambda c: static_shape(c, 0),
)


@to_dense.kernel
def _(xp: Any, sparse_input: Any, *, output_types: Any) -> Any:
    given = csr_of(sparse_input, output_types[0])
    check_allocation(given.dims, output_types[0].numpy.itemsize)
    result = np.zeros(given.dims, output_types[0].numpy)
    result[tuple(given.coordinates().T)] = given.values()
    return result


@to_dense.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    indices, _, dims = g.CSRSparseMatrixToSparseTensor(node.inputs[0], type=dy.dtype)
    return g.SparseTensorToCSRSparseMatrix(indices, g.GatherNd(dy, indices), dims)


def _components_shape(c: ShapeContext) -> list[Shape]:
    dims = static_shape(c, 0).dims
    rows = dims[-2] if dims and len(dims) > 1 else None
    return [vector(None if rows is None else rows + 1), vector(None), vector(None)]


components = op(
    f"CSRSparseMatrixComponents(csr_sparse_matrix: variant, index: int32; {_VALUES}) "
    "-> (row_ptrs: int32, col_inds: int32, values: type)",
    shape=_components_shape,
)


@components.kernel
def _(xp: Any, csr_sparse_matrix: Any, index: Any, *, output_types: Any) -> list[Any]:
    given = csr_of(csr_sparse_matrix, output_types[2])
    place = int_scalar(np.asarray(index), "index")
    if not 0 <= place < len(given.parts):
        raise invalid(f"index ({place}) not in [0, {len(given.parts)})")
    return list(given.parts[place])


def _count_shape(c: ShapeContext) -> Shape:
    shape = static_shape(c, 0)
    return UNKNOWN if shape.dims is None else Shape(shape.dims[:-2])


count_nonzeros = op(
    "SparseMatrixNNZ(sparse_matrix: variant) -> (nnz: int32)",
    shape=_count_shape,
    differentiable=False,
)


@count_nonzeros.kernel
def _(xp: Any, sparse_matrix: Any) -> Any:
    given = csr_of(sparse_matrix)
    counts = np.array([len(part.values) for part in given.parts], np.int32)
    return counts if len(given.dims) == 3 else counts[0]


transpose = op(
    f"SparseMatrixTranspose(input: variant; conjugate: bool = false, {_VALUES}) -> (output: variant)",
    shape=lambda c: csr_fact(c.attr("type"), turned_shape(static_shape(c, 0), True)),
)


@transpose.kernel
def _(xp: Any, input: Any, *, conjugate: bool, type: DType) -> Any:
    return transposed(csr_of(input, type), conjugate=conjugate)


@transpose.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return g.SparseMatrixTranspose(dy, type=node.attr("type"), conjugate=node.attr("conjugate"))


def transposed(given: CsrMatrix, *, conjugate: bool = False) -> CsrMatrix:
    """Returns the transposes of the matrices, conjugated if asked for."""
    parts = [from_scipy(part.conj().T if conjugate else part.T) for part in given.to_scipy()]
    return CsrMatrix((*given.dims[:-2], given.dims[-1], given.dims[-2]), parts, given.dtype_of_values)
