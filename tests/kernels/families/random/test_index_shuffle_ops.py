"""Where indices go in random permutations."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, i32, i64, table_tests

OP = "RandomIndexShuffle"
SEED = i32([1, -2, 3])

CASES = [
    *(case(OP, cast(d, m // 2), SEED, cast(d, m), rounds=r)
      for d in ("int32", "uint32", "int64", "uint64")
      for m in (0, 1, 10, 255, 256, 257, 65537, 10**6, 2**31 - 1) for r in (4, 8)),
    *(case(OP, i64(np.arange(m + 1)), i64([2**33 + 5, 7, -1]), i64(m)) for m in (0, 1, 2, 30)),
    case(OP, i64([2**40, 5]), np.uint32([[1, 2, 3], [4, 5, 6]]), i64([2**41 + 3, 17])),
    case(OP, i32(3), np.uint64([[1, 2, 3], [4, 5, 6]]), i32(9)),
    case(OP, i32([]), SEED, i32(9), error="INVALID_ARGUMENT: index at least"),
    case(OP, i32(30), SEED, i32(10), error="INVALID_ARGUMENT: max_index of"),
    case(OP, i32(-1), SEED, i32(10), error="INVALID_ARGUMENT: max_index of"),
    case(OP, i32([0, 1]), SEED, i32([10, 11, 12]), error="INVALID_ARGUMENT: one length"),
    case(OP, i32(0), i32([1, 2]), i32(10), error="INVALID_ARGUMENT: max_index must be scalars"),
    case(OP, i32([[0]]), SEED, i32(10), error="INVALID_ARGUMENT: max_index must be scalars"),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
