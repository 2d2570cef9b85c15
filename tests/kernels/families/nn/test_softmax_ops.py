"""Softmax and cross-entropies."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, f64, i32, i64, rand, table_tests

CASES = [
    *[
        case(name, x, grad=True)
        for name in ("Softmax", "LogSoftmax")
        for x in (
            rand(2, 3),
            rand(5),
            rand(2, 3, 4, dtype="double"),
            rand(0, 3),
            rand(3, 0),
            rand(2, 3, dtype="half"),
            rand(2, 3, dtype="bfloat16"),
        )
    ],
    *[
        case(name, x)
        for name in ("Softmax", "LogSoftmax")
        for x in (
            f32([[1000, 1000.5], [-1000, -1001]]),
            f32([[-np.inf, 1], [-np.inf, -np.inf], [np.nan, np.nan]]),
        )
    ],
    *[
        case(name, f32(3), error="INVALID_ARGUMENT: 'logits' must be of rank")
        for name in ("Softmax", "LogSoftmax")
    ],
    case("SoftmaxCrossEntropyWithLogits", rand(3, 4), rand(3, 4, low=0, seed=1), grad=True),
    case(
        "SoftmaxCrossEntropyWithLogits",
        rand(3, 4, dtype="double"),
        rand(3, 4, dtype="double", seed=1),
        grad=True,
    ),
    case(
        "SoftmaxCrossEntropyWithLogits", rand(3, 4, dtype="half"), rand(3, 4, low=0, dtype="half"), grad=True
    ),
    case("SoftmaxCrossEntropyWithLogits", rand(3, 4, dtype="bfloat16"), rand(3, 4, low=0, dtype="bfloat16")),
    case("SoftmaxCrossEntropyWithLogits", rand(1, 4), rand(3, 4)),
    case("SoftmaxCrossEntropyWithLogits", rand(3, 1), rand(3, 4)),
    case("SoftmaxCrossEntropyWithLogits", rand(3, 4), rand(3, 1)),
    case("SoftmaxCrossEntropyWithLogits", rand(3, 4), rand(1, 4)),
    case("SoftmaxCrossEntropyWithLogits", rand(3, 4), rand(4)),
    case("SoftmaxCrossEntropyWithLogits", rand(4), rand(4), error="INVALID_ARGUMENT: broadcast to a matrix"),
    case(
        "SoftmaxCrossEntropyWithLogits",
        rand(3, 4),
        rand(3, 5),
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
    case(
        "SoftmaxCrossEntropyWithLogits",
        rand(2, 3, 4),
        rand(2, 3, 4),
        error="INVALID_ARGUMENT: broadcast to a matrix",
    ),
    case("SoftmaxCrossEntropyWithLogits", rand(0, 4), rand(0, 4)),
    case("SoftmaxCrossEntropyWithLogits", rand(3, 0), rand(3, 0)),
    case("SoftmaxCrossEntropyWithLogits", f32([[np.nan, 1], [1, 2]]), f32([[0, 1], [0, 1]])),
    case("SoftmaxCrossEntropyWithLogits", f32([[0, 1], [1, 2]]), f32([[np.nan, 1], [0, 1]])),
    case("SoftmaxCrossEntropyWithLogits", f32([[-np.inf, 1], [1, -np.inf]]), f32([[0, 1], [0, 1]])),
    case("SoftmaxCrossEntropyWithLogits", f32([[np.inf, 1], [1, -np.inf]]), f32([[0, 1], [0, 1]])),
    *[
        case("SparseSoftmaxCrossEntropyWithLogits", rand(3, 4, dtype=t), labels, grad=True)
        for t in ("float", "double", "half", "bfloat16")
        for labels in (i32([0, 3, 1]), i64([2, 2, 0]))
    ],
    case("SparseSoftmaxCrossEntropyWithLogits", rand(0, 4), i32([])),
    case(
        "SparseSoftmaxCrossEntropyWithLogits",
        rand(2, 0),
        i32([0, 0]),
        error="INVALID_ARGUMENT: at least one class",
    ),
    case(
        "SparseSoftmaxCrossEntropyWithLogits",
        rand(0, 0),
        i32([]),
        error="INVALID_ARGUMENT: at least one class",
    ),
    case(
        "SparseSoftmaxCrossEntropyWithLogits", rand(2, 4), i32([0, 4]), error="INVALID_ARGUMENT: valid range"
    ),
    case(
        "SparseSoftmaxCrossEntropyWithLogits", rand(2, 4), i64([-1, 0]), error="INVALID_ARGUMENT: valid range"
    ),
    case(
        "SparseSoftmaxCrossEntropyWithLogits",
        rand(2, 4),
        i32([1, 2, 3]),
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
    case(
        "SparseSoftmaxCrossEntropyWithLogits",
        rand(4),
        i32(1),
        error="INVALID_ARGUMENT: 'features' must be of rank",
    ),
    case(
        "SparseSoftmaxCrossEntropyWithLogits",
        rand(2, 3, 4),
        i32([[1, 2, 3], [0, 0, 0]]),
        error="INVALID_ARGUMENT: 'features' must be of rank",
    ),
    case(
        "SparseSoftmaxCrossEntropyWithLogits",
        rand(2, 4),
        i32([[1], [2]]),
        error="INVALID_ARGUMENT: 'labels' must be of rank",
    ),
    case(
        "SparseSoftmaxCrossEntropyWithLogits", f32([[np.nan, 1], [np.inf, 1], [-np.inf, 1]]), i32([0, 0, 1])
    ),
    case("SparseSoftmaxCrossEntropyWithLogits", f64([[900, -900], [0, 0]]), i32([1, 0]), grad=True),
    case("SparseSoftmaxCrossEntropyWithLogits", cast("half", [[900, -900], [0, 0]]), i32([1, 0])),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
