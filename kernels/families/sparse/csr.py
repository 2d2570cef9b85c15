"""Matrices in compressed sparse rows, and batches of them, as variants (CSRSparseMatrix in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import SCALAR, UNKNOWN, Shape
from ...core.facts import Fact, Handle
from ...numeric.variants import Variant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext


class Csr(NamedTuple):
    """One matrix: row i has the values from ``row_ptrs[i]`` up to ``row_ptrs[i + 1]``, in the columns ``cols``."""

    row_ptrs: Any
    cols: Any
    values: Any


class CsrMatrix(Variant):
    """A matrix, ``dims`` [rows, columns], or a batch of them, [batch, rows, columns], with a ``Csr`` for each."""

    __slots__ = ("dims", "dtype_of_values", "parts")

    def __init__(self, dims: Sequence[int], parts: Sequence[Csr], dtype: DType) -> None:
        self.dims = tuple(dims)
        self.parts = tuple(parts)
        self.dtype_of_values = dtype

    def zeros_like(self) -> CsrMatrix:
        """Returns a matrix of the same dimensions without values."""
        empty = Csr(np.zeros(self.dims[-2] + 1, np.int32), np.zeros(0, np.int32), self.parts[0].values[:0])
        return CsrMatrix(self.dims, [empty] * len(self.parts), self.dtype_of_values)

    def __add__(self, other: Any) -> Any:
        """Returns the sum. Raises INVALID_ARGUMENT for other dimensions."""
        if not isinstance(other, CsrMatrix):
            return NotImplemented
        if self.dims != other.dims:
            raise invalid(
                f"sparse matrices of shapes {list(self.dims)} and {list(other.dims)} cannot be added"
            )
        parts = [from_scipy(a + b) for a, b in zip(self.to_scipy(), other.to_scipy())]
        return CsrMatrix(self.dims, parts, self.dtype_of_values)

    def to_scipy(self) -> list[Any]:
        """Returns the matrices as scipy's."""
        from scipy.sparse import csr_matrix

        dims = self.dims[-2:]
        return [csr_matrix((part.values, part.cols, part.row_ptrs), shape=dims) for part in self.parts]

    def coordinates(self) -> Any:
        """The indices of all values in row-major order, int64[values, rank]."""
        rows = [np.repeat(np.arange(self.dims[-2]), np.diff(part.row_ptrs)) for part in self.parts]
        columns = [np.concatenate(rows), np.concatenate([part.cols for part in self.parts])]
        if len(self.dims) == 3:
            columns.insert(0, np.repeat(np.arange(len(rows)), [len(row) for row in rows]))
        return np.stack(columns, axis=1).astype(np.int64)

    def values(self) -> Any:
        """All values in row-major order."""
        return np.concatenate([part.values for part in self.parts])


def from_scipy(matrix: Any) -> Csr:
    """Returns one of scipy's matrices with its columns sorted and int32 indices."""
    matrix = matrix.tocsr()
    matrix.sort_indices()
    return Csr(matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32), matrix.data)


def csr_of(value: Any, dtype: DType | None = None, what: str = "the variant") -> CsrMatrix:
    """The matrix in a variant. Raises INVALID_ARGUMENT if it holds something else, or another dtype."""
    element = value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
    if not isinstance(element, CsrMatrix):
        raise invalid(f"{what} does not hold a CSRSparseMatrix")
    if dtype is not None and element.dtype_of_values is not dtype:
        raise invalid(f"{what} has values of {element.dtype_of_values}, not of {dtype}")
    return element


def from_coordinates(indices: Any, values: Any, dims: tuple[int, ...], dtype: DType) -> CsrMatrix:
    """Returns a matrix from indices, int64[values, rank], which must be inside, in row-major order, and all different.

    Raises INVALID_ARGUMENT where they are not, and for other ranks than 2 and 3.
    """
    if len(dims) not in (2, 3):
        raise invalid(f"a sparse matrix must have rank 2 or 3, but has shape {list(dims)}")
    if indices.ndim != 2 or indices.shape[1] != len(dims):
        raise invalid(f"indices of a sparse matrix of shape {list(dims)} must have {len(dims)} columns")
    if ((indices < 0) | (indices >= np.array(dims, np.int64))).any():
        raise invalid(f"indices are outside of a sparse matrix of shape {list(dims)}")
    batch = dims[0] if len(dims) == 3 else 1
    of_part = indices[:, 0] if len(dims) == 3 else np.zeros(len(indices), np.int64)
    rows = of_part * dims[-2] + indices[:, -2]
    keys = rows * max(dims[-1], 1) + indices[:, -1]
    if (np.diff(keys) <= 0).any():
        raise invalid("indices of a sparse matrix must be sorted and all different")
    bounds = np.searchsorted(of_part, np.arange(batch + 1))
    parts: list[Csr] = []
    for part in range(batch):
        inside = slice(bounds[part], bounds[part + 1])
        ptrs = np.searchsorted(indices[inside, -2], np.arange(dims[-2] + 1)).astype(np.int32)
        parts.append(Csr(ptrs, indices[inside, -1].astype(np.int32), values[inside]))
    return CsrMatrix(dims, parts, dtype)


def csr_fact(dtype: DType, shape: Shape) -> Fact:
    """The fact of a matrix: a variant that leads to values of this dtype and shape."""
    return Fact(dtypes.variant, SCALAR, handle=Handle(dtype, shape))


def static_shape(c: ShapeContext, key: int) -> Shape:
    """The shape of the matrix that an input holds, as far as known."""
    handle = c.handle(key)
    return UNKNOWN if handle is None else handle.shape


def turned_shape(shape: Shape, transposes: bool) -> Shape:
    """The shape with its last two dimensions exchanged if asked for."""
    if shape.dims is None or len(shape.dims) < 2 or not transposes:
        return shape
    return Shape((*shape.dims[:-2], shape.dims[-1], shape.dims[-2]))


def product_shape(left: Shape, right: Shape) -> Shape:
    """The shape of the product of matrices of these shapes, or of batches of them.

    Raises INVALID_ARGUMENT where the inner dimensions are known and differ.
    """
    if left.dims is None or right.dims is None or len(left.dims) < 2 or len(right.dims) < 2:
        return UNKNOWN
    inner = {size for size in (left.dims[-1], right.dims[-2]) if size is not None}
    if len(inner) > 1:
        raise invalid(f"Inner dimensions of shapes {left} and {right} do not agree")
    return Shape((*left.dims[:-2], left.dims[-2], right.dims[-1]))
