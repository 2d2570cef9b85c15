from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import case, f32, rand, table_tests

B, N, C, T = 2, 3, 4, 5


def weights(*, gates: int = 4) -> list[Any]:
    """w, wci, wcf, wco and b of a cell with N inputs and C states."""
    return [rand(N + C, gates * C) - 0.5, rand(C), rand(C)[::-1].copy(), rand(C) * 2, rand(gates * C) - 0.5]


STATE = [rand(B, C) - 0.5, rand(B, C)[::-1] - 0.5]
STATES = [rand(B, C) * 0.9 for _ in range(6)]
SEQUENCE = [rand(T, B, N) - 0.5, *STATE, *weights()]
MANY = [rand(T, B, C) * (0.9 - 0.05 * n) for n in range(9)]
GRU = [rand(B, N), rand(B, C), rand(N + C, 2 * C) - 0.5, rand(N + C, C) - 0.5, rand(2 * C), rand(C)]

CASES = [
    case("LSTMBlockCell", rand(B, N), *STATE, *weights(), tol=1e-5),
    case("LSTMBlockCell", rand(B, N), *STATE, *weights(), use_peephole=True, forget_bias=0.5, tol=1e-5),
    case("LSTMBlockCell", rand(B, N) * 9, *STATE, *weights(), cell_clip=0.1, tol=1e-5),
    case("LSTMBlockCell", *[x.astype(np.float16) for x in (rand(B, N), *STATE, *weights())], tol=5e-3),
    case("LSTMBlockCellGrad", rand(B, N), *STATE, *weights(), *STATES, *STATE, use_peephole=False, tol=1e-5),
    case("LSTMBlockCellGrad", rand(B, N), *STATE, *weights(), *STATES, *STATE, use_peephole=True, tol=1e-5),
    case("BlockLSTM", np.int64(T), *SEQUENCE, tol=1e-5, grad=True),
    case("BlockLSTM", np.int64(T), *SEQUENCE, use_peephole=True, cell_clip=0.3, tol=1e-5),
    case("BlockLSTMV2", np.int64(T), *SEQUENCE, tol=1e-5),
    case("BlockLSTMV2", np.int64(T), *SEQUENCE, use_peephole=True, cell_clip=0.2, tol=1e-5),
    case("BlockLSTMGrad", np.int64(T), *SEQUENCE, *MANY, use_peephole=True, tol=1e-4),
    case("BlockLSTMGradV2", np.int64(T), *SEQUENCE, *MANY, use_peephole=False, tol=1e-4),
    case("GRUBlockCell", *GRU, tol=1e-5),
    case("GRUBlockCellGrad", *GRU, *[rand(B, C) * 0.8 for _ in range(4)], tol=1e-5),
]

CASES += [
    case("LSTMBlockCell", rand(B, N), *STATE, rand(2, 16), *weights()[1:], error="INVALID_ARGUMENT: w must"),
    case("GRUBlockCell", *GRU[:2], f32([[1]]), *GRU[3:], error="INVALID_ARGUMENT: w_ru"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
