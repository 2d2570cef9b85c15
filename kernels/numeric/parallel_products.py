"""Matrix products cut into chunks of columns or rows, which several threads compute."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.parallel import POOL

# A chunk is worth about 50 µs of one processor: less is not handed to another thread.
_LEAST_WORK = 10_000_000
_MOST_CHUNKS = 16
# Narrower chunks make BLAS pack the other matrix too often.
_LEAST_WIDTH = 128
_TYPES = frozenset("fdFD")


def chunks_of_product(rows: int, inner: int, columns: int) -> int:
    """Returns the number of chunks of a product, of columns or of rows, whichever are more. It depends on the shapes
    alone, so that results are the same for any number of threads."""
    work = 2 * rows * inner * columns
    return min(_MOST_CHUNKS, work // _LEAST_WORK, max(rows, columns) // _LEAST_WIDTH)


def matmul(a: Any, b: Any, out: Any = None) -> Any:
    """Multiplies two matrices, or two stacks of them, as ``numpy.matmul`` does. Large products of matrices are cut into
    chunks; BLAS is single-threaded."""
    if a.ndim != 2 or b.ndim != 2 or a.dtype.char not in _TYPES or a.shape[1] != b.shape[0]:
        return np.matmul(a, b, out=out)
    rows, columns = a.shape[0], b.shape[1]
    count = chunks_of_product(rows, a.shape[1], columns)
    if count < 2:
        return np.matmul(a, b, out=out)
    product = np.empty((rows, columns), np.result_type(a, b)) if out is None else out
    if columns >= rows:
        POOL.run(
            lambda i: _columns(a, b, product, slice(i * columns // count, (i + 1) * columns // count)), count
        )
    else:
        POOL.run(lambda i: _rows(a, b, product, slice(i * rows // count, (i + 1) * rows // count)), count)
    return product


def _columns(a: Any, b: Any, out: Any, part: slice) -> None:
    np.matmul(a, b[:, part], out=out[:, part])


def _rows(a: Any, b: Any, out: Any, part: slice) -> None:
    np.matmul(a[part], b, out=out[part])
