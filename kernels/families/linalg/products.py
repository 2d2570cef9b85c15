"""Matrix products of any dtype and their gradients, for MatMul and its batched relatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...builder.graph_builder import Tensor
from ...numeric import parallel_products
from ...numeric.reductions import accumulator_dtype

# A function from two tensors, and whether each is to be transposed, to their product.
Product = Callable[[Tensor, Tensor, bool, bool], Tensor]


def multiply(xp: Any, a: Any, b: Any) -> Any:
    """Multiplies (stacks of) matrices of one dtype. 16-bit floats accumulate in float32, integers wrap."""
    dtype = a.dtype
    wide = accumulator_dtype(dtype)
    if wide is not dtype and xp is np:
        return _multiply_stack(xp, a.astype(wide, copy=False), b.astype(wide, copy=False)).astype(
            dtype, copy=False
        )
    return _multiply_stack(xp, a, b)


def _multiply_stack(xp: Any, a: Any, b: Any) -> Any:
    """Multiplies; a stack times a single matrix is one large product rather than many small ones."""
    if b.ndim == 2 and a.ndim > 2 and a.size and a.flags.c_contiguous:
        product = _matmul(xp)(a.reshape(-1, a.shape[-1]), b)
        return product.reshape(*a.shape[:-1], b.shape[-1])
    return _matmul(xp)(a, b)


def _matmul(xp: Any) -> Any:
    return parallel_products.matmul if xp is np else xp.matmul


def matmul_gradients(
    product: Product, a: Tensor, b: Tensor, dy: Tensor, *, turned_a: bool, turned_b: bool
) -> tuple[Tensor, Tensor]:
    """Returns the gradients of op(a) @ op(b), where op is a transposition (or adjoint) if ``turned``.

    Where it is a transposition, complex a and b must be passed conjugated.
    """
    da = product(b, dy, turned_b, True) if turned_a else product(dy, b, False, not turned_b)
    db = product(dy, a, True, turned_a) if turned_b else product(a, dy, not turned_a, False)
    return da, db
