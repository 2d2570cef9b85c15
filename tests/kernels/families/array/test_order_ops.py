"""Reversals and rolls."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, i32, i64, rand, table_tests

X = rand(3, 4, 2)
EMPTY = np.zeros(0, np.int32)
STRINGS = np.array([b"a", b"b", b"c"], object)

CASES = [
    case("Reverse", X, np.array([True, False, True]), grad=True),
    case("Reverse", STRINGS, np.array([True])),
    case("Reverse", f32(3), np.zeros(0, bool)),
    case("Reverse", X, np.array([True, False]), error="INVALID_ARGUMENT: must be equal rank"),
    case("ReverseV2", X, i32([1]), grad=True),
    case("ReverseV2", X, i64([-1, 0]), grad=True),
    case("ReverseV2", X, EMPTY),
    case("ReverseV2", cast("bfloat16", [1, 2, 3]), i32([0])),
    case("ReverseV2", STRINGS, i32([0])),
    case("ReverseV2", f32(3), EMPTY, grad=True),
    case("ReverseV2", rand(0, 3), i32([1])),
    case("ReverseV2", X, i32([0, 0]), error="INVALID_ARGUMENT: is given twice"),
    case("ReverseV2", X, i32([0, -3]), error="INVALID_ARGUMENT: is given twice"),
    case("ReverseV2", X, i32([3]), error="INVALID_ARGUMENT: is out of range for rank"),
    case("ReverseV2", X, i32([-4]), error="INVALID_ARGUMENT: is out of range for rank"),
    case("ReverseV2", X, i32(0), error="INVALID_ARGUMENT: 'axis' must be of rank"),
    case("ReverseSequence", X, i64([2, 4, 0]), seq_dim=1, grad=True),
    case("ReverseSequence", X, i32([3, 1, 2, 0]), seq_dim=0, batch_dim=1, grad=True),
    case("ReverseSequence", X, i32([3, 2]), seq_dim=0, batch_dim=2),
    case("ReverseSequence", np.array([[b"a", b"b"]], object), i32([2]), seq_dim=1),
    case("ReverseSequence", rand(0, 3), np.zeros(0, np.int64), seq_dim=1),
    case("ReverseSequence", X, i32([5, 1, 2]), seq_dim=1, error="INVALID_ARGUMENT: seq_lengths"),
    case("ReverseSequence", X, i32([-1, 1, 2]), seq_dim=1, error="INVALID_ARGUMENT: seq_lengths"),
    case("ReverseSequence", X, i32([1, 2]), seq_dim=1, error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("ReverseSequence", X, i32([1, 2, 3]), seq_dim=0, error="INVALID_ARGUMENT: seq_dim and batch_dim"),
    case("ReverseSequence", X, i32([1, 2, 3]), seq_dim=3, error="INVALID_ARGUMENT: tensor of shape"),
    case("Roll", X, i32(1), i32(0), grad=True),
    case("Roll", X, i32([-3, 7]), i64([1, -1]), grad=True),
    case("Roll", X, i64([1, 2]), i32([1, 1]), grad=True),
    case("Roll", STRINGS, i32(1), i32(0)),
    case("Roll", rand(0, 3), i32(1), i32(0)),
    case("Roll", X, EMPTY, EMPTY),
    case("Roll", f32(3), i32(1), i32(0), error="INVALID_ARGUMENT: 'input' must be of rank"),
    case("Roll", X, i32([1, 2]), i32([1]), error="INVALID_ARGUMENT: axis must be of one shape"),
    case("Roll", X, i32(1), i32(3), error="INVALID_ARGUMENT: is out of range for rank"),
    case("Roll", X, i32([[1]]), i32([[1]]), error="INVALID_ARGUMENT: axis must be scalars"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
