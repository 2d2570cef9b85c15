"""Space, batch and depth."""

from __future__ import annotations

import numpy as np
from tfg.kernels.builder.graph_builder import GraphBuilder

from tests import reference

from ...harness import case, cast, i32, i64, rand, table_tests

X = rand(2, 4, 6, 3)
EMPTY = np.zeros(0, np.int32)
NONE = np.zeros((0, 2), np.int32)

CASES = [
    case("SpaceToBatch", X, i32([[0, 0], [0, 0]]), block_size=2, grad=True),
    case("SpaceToBatch", X, i64([[1, 1], [2, 1]]), block_size=3, grad=True),
    case(
        "SpaceToBatch", X, i32([[0, 1], [0, 0]]), block_size=2, error="INVALID_ARGUMENT: is not a multiple of"
    ),
    case(
        "SpaceToBatch",
        X,
        i32([[-1, 1], [0, 0]]),
        block_size=2,
        error="INVALID_ARGUMENT: paddings must not be negative",
    ),
    case(
        "SpaceToBatch",
        rand(2, 4, 6),
        i32([[0, 0], [0, 0]]),
        block_size=2,
        error="INVALID_ARGUMENT: 'input' must be of rank",
    ),
    case("SpaceToBatch", X, i32([[0, 0]]), block_size=2, error="INVALID_ARGUMENT: are of shape"),
    case("BatchToSpace", rand(8, 2, 3, 3), i32([[0, 0], [0, 0]]), block_size=2, grad=True),
    case("BatchToSpace", rand(8, 2, 3, 3), i64([[1, 0], [2, 1]]), block_size=2, grad=True),
    case(
        "BatchToSpace",
        rand(7, 2, 3, 3),
        i32([[0, 0], [0, 0]]),
        block_size=2,
        error="INVALID_ARGUMENT: is not a multiple of",
    ),
    case(
        "BatchToSpace",
        rand(8, 2, 3, 3),
        i32([[3, 2], [0, 0]]),
        block_size=2,
        error="INVALID_ARGUMENT: cannot be cropped",
    ),
    case("SpaceToBatchND", X, i32([2, 3]), i32([[1, 1], [0, 0]]), grad=True),
    case("SpaceToBatchND", rand(2, 4), i32([2]), i32([[1, 1]]), grad=True),
    case("SpaceToBatchND", rand(2, 4, 3, 2), i64([2, 1, 2]), i64([[0, 0], [1, 1], [0, 2]]), grad=True),
    case("SpaceToBatchND", X, EMPTY, NONE),
    case("SpaceToBatchND", cast("bfloat16", [[1, 2]]), i32([2]), i32([[0, 0]])),
    case(
        "SpaceToBatchND",
        X,
        i32([2, 4]),
        i32([[1, 1], [0, 0]]),
        error="INVALID_ARGUMENT: is not a multiple of",
    ),
    case(
        "SpaceToBatchND",
        X,
        i32([2, 0]),
        i32([[1, 1], [0, 0]]),
        error="INVALID_ARGUMENT: block_shape must be positive",
    ),
    case("SpaceToBatchND", X, i32([2, 3]), i32([[1, 1]]), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case(
        "SpaceToBatchND",
        rand(2, 4),
        i32([2, 2]),
        i32([[0, 0], [0, 0]]),
        error="INVALID_ARGUMENT: block sizes",
    ),
    case("BatchToSpaceND", rand(12, 2, 3, 1), i32([2, 3]), i32([[1, 1], [0, 2]]), grad=True),
    case("BatchToSpaceND", rand(4, 3), i64([2]), i64([[0, 1]]), grad=True),
    case("BatchToSpaceND", rand(8, 1, 3, 1, 2), i32([2, 1, 2]), i32([[0, 0], [1, 1], [0, 1]]), grad=True),
    case(
        "BatchToSpaceND", rand(5, 3), i64([2]), i64([[0, 1]]), error="INVALID_ARGUMENT: is not a multiple of"
    ),
    case("BatchToSpaceND", rand(4, 3), i64([2]), i64([[5, 2]]), error="INVALID_ARGUMENT: cannot be cropped"),
    case(
        "BatchToSpaceND",
        rand(4, 3),
        i64([2]),
        i64([[5, -1]]),
        error="INVALID_ARGUMENT: crops must not be negative",
    ),
    case(
        "BatchToSpaceND",
        rand(4, 3),
        i64([-2]),
        i64([[0, 0]]),
        error="INVALID_ARGUMENT: block_shape must be positive",
    ),
    case("SpaceToDepth", X, block_size=2, grad=True),
    case("SpaceToDepth", rand(0, 4, 6, 3), block_size=2),
    case("SpaceToDepth", X, block_size=3, error="INVALID_ARGUMENT: is not a multiple of"),
    case("SpaceToDepth", rand(2, 4, 6), block_size=2, error="INVALID_ARGUMENT: 'input' must be of rank"),
    case("DepthToSpace", rand(2, 2, 3, 8), block_size=2, grad=True),
    case("DepthToSpace", rand(2, 2, 3, 9), block_size=3, grad=True),
    case("DepthToSpace", rand(2, 2, 3, 6), block_size=2, error="INVALID_ARGUMENT: is not a multiple of"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_channels_first_is_channels_last_transposed() -> None:
    for name, shape in (("SpaceToDepth", (2, 4, 6, 3)), ("DepthToSpace", (2, 2, 3, 8))):
        g = GraphBuilder()
        x = g.placeholder("float", shape, name="x")
        last = g.add_op(name, x, block_size=2)
        first = g.add_op(name, g.Transpose(x, [0, 3, 1, 2]), block_size=2, data_format="NCHW")
        assert g.Transpose(first, [0, 2, 3, 1]).shape == last.shape
        a, b = reference.run(g.graph(), [last.name, first.name], {"x": rand(*shape)})
        np.testing.assert_array_equal(a, b.transpose(0, 2, 3, 1))
