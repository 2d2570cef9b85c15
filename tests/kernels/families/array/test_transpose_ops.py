"""Axes in another order."""

from __future__ import annotations

import numpy as np

from ...harness import case, f32, i32, i64, rand, table_tests

Z = (rand(2, 3) + 1j * rand(2, 3, seed=1)).astype(np.complex64)
EMPTY = np.zeros(0, np.int32)

CASES = [
    case("Transpose", rand(2, 3), i32([1, 0]), grad=True),
    case("Transpose", rand(2, 3, 4), i64([2, 0, 1]), grad=True),
    case("Transpose", rand(2, 0, 4), i32([1, 2, 0])),
    case("Transpose", f32(3), EMPTY, grad=True),
    case("Transpose", Z, i32([1, 0])),
    case("Transpose", np.array([[b"a", b"b"]], object), i32([1, 0])),
    case("Transpose", rand(2, 3), i32([0, 0]), error="INVALID_ARGUMENT: is not a permutation"),
    case("Transpose", rand(2, 3), i32([0, 2]), error="INVALID_ARGUMENT: is not a permutation"),
    case("Transpose", rand(2, 3), i32([-1, 0])),
    case("Transpose", rand(2, 3), i32([0]), error="INVALID_ARGUMENT: tensor has shape"),
    case("Transpose", rand(2, 3), i32([[1, 0]]), error="INVALID_ARGUMENT: perm must be a vector"),
    case("ConjugateTranspose", Z, i32([1, 0])),
    case("ConjugateTranspose", rand(2, 3), i32([1, 0]), grad=True),
    case("ConjugateTranspose", Z, i32([0, 1])),
    case("InvertPermutation", i32([2, 0, 1])),
    case("InvertPermutation", i64([3, 4, 0, 2, 1])),
    case("InvertPermutation", EMPTY),
    case("InvertPermutation", i32([0, 0]), error="INVALID_ARGUMENT: is not a permutation"),
    case("InvertPermutation", i32([0, 2]), error="INVALID_ARGUMENT: is not a permutation"),
    case("InvertPermutation", i32([0, -1]), error="INVALID_ARGUMENT: is not a permutation"),
    case("InvertPermutation", i32([[0]]), error="INVALID_ARGUMENT: 'x' must be of rank"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
