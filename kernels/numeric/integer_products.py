"""Sums of products of integers, exact to 32 bits, by means of floating-point arithmetic.

A sum of products whose magnitude stays below 2^24 is exact in float, below 2^53 in double, in any order of its terms;
so BLAS multiplies matrices of 8-bit integers. Larger sums are computed with integers. Results wrap to 32 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import parallel_products

if TYPE_CHECKING:
    from collections.abc import Callable


def sum_products(
    multiply: Callable[[Any, Any], Any], x: Any, w: Any, x_zero: Any = 0, w_zero: Any = 0
) -> Any:
    """Returns the sums of products of ``x - x_zero`` and ``w - w_zero`` that ``multiply`` computes, as int32.

    Every sum takes each weight of an output once: the outputs are the last axis of ``w``.
    """
    centred = w.astype(np.int64) - w_zero
    weights = np.abs(centred).sum(axis=tuple(range(w.ndim - 1))).max(initial=0)
    most = _magnitude(x.dtype, x_zero) * int(weights)
    wide = np.float32 if most < 2**24 else np.float64 if most < 2**53 else np.int64
    return to_int32(multiply(x.astype(wide) - np.asarray(x_zero, wide), centred.astype(wide)))


def _magnitude(dtype: Any, zero: Any) -> int:
    """Returns the greatest magnitude that an element of this dtype may have, less its zero point."""
    info, zeros = np.iinfo(dtype), np.asarray(zero, np.int64)
    return int(max(zeros.max(initial=0) - info.min, info.max - zeros.min(initial=0)))


def to_int32(sums: Any) -> Any:
    """Returns whole numbers as int32, wrapped to 32 bits; int32 themselves as they are."""
    if sums.dtype == np.float32:
        return sums.astype(np.int32)
    return sums.astype(np.int64, copy=False).astype(np.int32)


def matmul(a: Any, b: Any, a_zero: Any = 0, b_zero: Any = 0) -> Any:
    """Returns the product of the matrices ``a - a_zero`` and ``b - b_zero`` as int32."""
    return sum_products(parallel_products.matmul, a, b, a_zero, b_zero)
