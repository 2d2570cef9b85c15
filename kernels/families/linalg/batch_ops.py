"""The names that operations on stacks of matrices had before TensorFlow 1.0: BatchCholesky is Cholesky."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....graphfmt.errors import invalid
from ...core.registry import Family, get
from ...core.traits import GpuSupport
from .matrices import check_square, to_lapack_dtype

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_SIGNATURES = (
    "BatchCholesky(input: T; T: type in {double, float}) -> (output: T)",
    "BatchCholeskyGrad(l: T, grad: T; T: type in {float, double}) -> (output: T)",
    "BatchMatrixDeterminant(input: T; T: type in {float, double, complex64, complex128}) -> (output: T)",
    "BatchMatrixInverse(input: T; adjoint: bool = false, T: type in {double, float}) -> (output: T)",
    "BatchMatrixSolve(matrix: T, rhs: T; adjoint: bool = false, T: type in {double, float}) -> (output: T)",
    "BatchMatrixSolveLs(matrix: T, rhs: T, l2_regularizer: double; T: type in {double, float}, fast: bool = true) -> "
    "(output: T)",
    "BatchMatrixTriangularSolve(matrix: T, rhs: T; lower: bool = true, adjoint: bool = false, "
    "T: type in {double, float}) -> (output: T)",
    "BatchSelfAdjointEigV2(input: T; compute_v: bool = true, T: type in {double, float}) -> (e: T, v: T)",
    "BatchSvd(input: T; compute_uv: bool = true, full_matrices: bool = false, "
    "T: type in {double, float, complex64, complex128}) -> (s: T, u: T, v: T)",
)


def _declare(text: str) -> None:
    """Declares an operation with the shapes and the kernel of the one without ``Batch``."""
    modern = get(text[: text.index("(")].removeprefix("Batch"))
    old = op(text, shape=modern.shape, allocates_output=modern.allocates_output)
    old.kernel_function = modern.kernel_function
    old.bind_function = modern.bind_function


for _text in _SIGNATURES:
    _declare(_text)


def _values_above_vectors(c: Any) -> Any:
    from ....graphfmt.shapes import UNKNOWN, Shape

    shape = c.with_rank_at_least("input", 2)
    if shape.dims is None:
        return UNKNOWN
    *stack, _, size = shape.dims
    return Shape((*stack, None if size is None else size + 1, size))


def _self_adjoint_eig(xp: Any, input: Any) -> Any:
    """Returns the eigenvalues as a first row, and the eigenvectors as columns below it."""
    check_square("SelfAdjointEig", input)
    try:
        values, vectors = xp.linalg.eigh(to_lapack_dtype(input))
    except np.linalg.LinAlgError as error:
        raise invalid(f"SelfAdjointEig: {error}") from None
    return xp.concatenate([values[..., None, :], vectors], axis=-2).astype(input.dtype, copy=False)


for _name, _types in (("SelfAdjointEig", "double, float, half"), ("BatchSelfAdjointEig", "double, float")):
    op(
        f"{_name}(input: T; T: type in {{{_types}}}) -> (output: T)",
        shape=_values_above_vectors,
        allocates_output=True,
    ).kernel(_self_adjoint_eig)
