"""Rows dealt out and put together again, and one-hot vectors."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, i32, i64, rand, table_tests

WORDS = np.array(["a", "b", "c"])

CASES = [
    case("DynamicPartition", rand(5), i32([0, 1, 0, 2, 1]), num_partitions=3, grad=True),
    case("DynamicPartition", rand(5, 2), i32([0, 6, 0, 2, 1]), num_partitions=7, grad=True),
    case("DynamicPartition", rand(2, 2, 3), i32([[0, 1], [1, 1]]), num_partitions=2, grad=True),
    case("DynamicPartition", rand(3), i32(1), num_partitions=2, grad=True),
    case("DynamicPartition", f32(3), i32(1), num_partitions=2, grad=True),
    case("DynamicPartition", rand(0, 3), i32([]), num_partitions=2),
    case("DynamicPartition", rand(3, 0), i32([0, 1, 0]), num_partitions=2),
    case("DynamicPartition", WORDS, i32([1, 0, 1]), num_partitions=2),
    case("DynamicPartition", WORDS, i32([1, 0, 1]), num_partitions=9),
    *(
        case("DynamicPartition", cast(d, [1, 0, 1]), i32([1, 0, 1]), num_partitions=2)
        for d in ("bool", "half", "bfloat16", "complex64", "int8", "double")
    ),
    case(
        "DynamicPartition", rand(3), i32([0, 1, 2]), num_partitions=2, error="INVALID_ARGUMENT: is not in ["
    ),
    case(
        "DynamicPartition", rand(3), i32([0, -1, 0]), num_partitions=2, error="INVALID_ARGUMENT: is not in ["
    ),
    case(
        "DynamicPartition",
        rand(3),
        i32([0, 1]),
        num_partitions=2,
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
    case(
        "DynamicPartition",
        rand(3),
        i32([[0, 1]]),
        num_partitions=2,
        error="INVALID_ARGUMENT: partitions of shape",
    ),
    *(
        row
        for op in ("DynamicStitch", "ParallelDynamicStitch")
        for row in (
            case(op, [i32(1), i32([0, 2])], [rand(2), rand(2, 2)], grad=True),
            case(op, [i32([[1, 4]]), i32([0, 2, 3])], [rand(1, 2), rand(3)], grad=True),
            case(op, [i32([2, 0]), i32([1])], [WORDS[:2], WORDS[2:]]),
            case(op, [i32([])], [rand(0, 2)]),
            case(op, [i32([0, 1])], [rand(3)], error="INVALID_ARGUMENT: Dimensions must be equal"),
            case(
                op,
                [i32([0, 1]), i32([2])],
                [rand(2, 2), rand(1, 3)],
                error="INVALID_ARGUMENT: Dimensions must be equal",
            ),
            case(op, [i32([0, -1])], [rand(2)], error="INVALID_ARGUMENT: is not in ["),
            case(op, [i32([-5, -9])], [rand(2)], error="INVALID_ARGUMENT: is not in ["),
        )
    ),
    case("DynamicStitch", [i32([0, 1]), i32([1, 0])], [rand(2), rand(2, seed=1)], grad=True),
    case("OneHot", i32([0, 2, 1]), i32(3), f32(1), f32(0)),
    case("OneHot", i64([0, 2, -1, 5]), i32(3), f32(5), f32(-1)),
    case("OneHot", cast("uint8", [[0, 2], [1, 9]]), i32(3), i32(1), i32(0)),
    case("OneHot", cast("int8", [[0, 2], [1, -9]]), i32(3), i32(1), i32(0), axis=0),
    case("OneHot", i32([[0, 2], [1, -9]]), i32(3), i32(1), i32(0), axis=1),
    case("OneHot", i32([[[0, 2]], [[1, -9]]]), i32(4), i32(1), i32(0), axis=2),
    case("OneHot", i32(1), i32(3), f32(1), f32(0)),
    case("OneHot", i32([]), i32(3), f32(1), f32(0)),
    case("OneHot", i32([1, 0]), i32(0), f32(1), f32(0)),
    case("OneHot", i32([1]), i32(2), np.array("on"), np.array("off")),
    *(
        case("OneHot", i32([1, 0]), i32(2), cast(d, 1), cast(d, 0))
        for d in ("bool", "half", "bfloat16", "complex64", "int8", "double")
    ),
    case("OneHot", i32([1]), i32(-1), f32(1), f32(0), error="INVALID_ARGUMENT: but must not be negative"),
    case("OneHot", i32([1]), i32(2), f32(1), f32(0), axis=2, error="INVALID_ARGUMENT: indices of rank"),
    case(
        "OneHot", i32([1]), i32(2), f32(1), f32(0), axis=-2, error="INVALID_ARGUMENT: but must be -1 or more"
    ),
    case("OneHot", i32([1]), i32([2]), f32(1), f32(0), error="INVALID_ARGUMENT: depth must be a scalar"),
    case("OneHot", i32([1]), i32(2), f32([1]), f32(0), error="INVALID_ARGUMENT: on_value must be a scalar"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
