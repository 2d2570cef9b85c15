"""Reading rows, slices and elements by their indices."""

from __future__ import annotations

import numpy as np
import pytest

from ...harness import case, cast, f32, i32, i64, rand, table_tests

TABLE = rand(5, 3)
WORDS = np.array([["a", "bb"], ["", "d"], ["e", "ff"]])

CASES = [
    case("Gather", TABLE, i32([4, 0, 0]), grad=True),
    case("Gather", TABLE, i64([[1, 2], [3, 1]]), grad=True),
    case("Gather", rand(4), i32(2), grad=True),
    case("Gather", WORDS, i32([2, 0])),
    case("Gather", WORDS[:, 0], i32(2)),
    case("GatherNd", WORDS, i32([2, 1])),
    case("Gather", TABLE, i32([0, 5]), error="INVALID_ARGUMENT: is not in ["),
    case("Gather", TABLE, i32([[0, 1], [2, -1]]), error="INVALID_ARGUMENT: is not in ["),
    case("Gather", f32(1), i32([0]), error="INVALID_ARGUMENT: 'params' must be of rank"),
    case("Gather", rand(0, 3), i32([0]), error="INVALID_ARGUMENT: is not in ["),
    case("Gather", rand(0, 3), np.zeros(0, np.int32)),
    case("GatherV2", TABLE, i32([4, 0, 0]), i32(0), grad=True),
    case("GatherV2", TABLE, i32([2, 0, 0]), i32(1), grad=True),
    case("GatherV2", TABLE, i32([2, 0, 0]), i64(-1), grad=True),
    case("GatherV2", TABLE, cast("int16", [2, 0]), i32(-2), grad=True),
    case("GatherV2", TABLE, i32(1), i32(1), grad=True),
    case("GatherV2", rand(2, 3, 4), i64([[1, 0], [2, 2]]), i32(1), grad=True),
    case("GatherV2", rand(2, 3, 4), i32([[1, 0], [2, 2]]), i32(1), batch_dims=1, grad=True),
    case("GatherV2", rand(2, 3, 4), i32([[1, 0], [3, 2]]), i32(2), batch_dims=1, grad=True),
    case("GatherV2", rand(2, 3, 4), i32([[1, 0], [3, 2]]), i32(-1), batch_dims=-1, grad=True),
    case("GatherV2", rand(2, 3, 4), i32([[1, 0, 1], [3, 2, 0]]), i32(2), batch_dims=2, grad=True),
    case("GatherV2", rand(2, 3, 4), i32([[[1], [0]], [[2], [2]]]), i32(1), batch_dims=1, grad=True),
    case(
        "GatherV2",
        rand(2, 3, 4),
        i32([[1, 0], [3, 2], [0, 0]]),
        i32(2),
        batch_dims=1,
        error="INVALID_ARGUMENT: same dimensions",
    ),
    case(
        "GatherV2",
        rand(2, 3, 4),
        i32([[1, 0], [3, 2]]),
        i32(0),
        batch_dims=1,
        error="INVALID_ARGUMENT: greater than axis",
    ),
    case(
        "GatherV2",
        rand(2, 3, 4),
        i32([[1, 0], [3, 2]]),
        i32(2),
        batch_dims=3,
        error="INVALID_ARGUMENT: rank being",
    ),
    case(
        "GatherV2",
        rand(2, 3, 4),
        i32([[1, 0], [9, 2]]),
        i32(2),
        batch_dims=1,
        error="INVALID_ARGUMENT: is not in [",
    ),
    case("GatherV2", rand(0, 3, 4), np.zeros((0, 2), np.int32), i32(1), batch_dims=1),
    case("GatherV2", TABLE, i32([2]), i32(2), error="INVALID_ARGUMENT: is out of range for rank"),
    case("GatherV2", TABLE, i32([2]), i32([0]), error="INVALID_ARGUMENT: axis must be a scalar"),
    case("GatherV2", TABLE, i32([2, 3]), i32(1), error="INVALID_ARGUMENT: is not in ["),
    case("GatherV2", WORDS, i32([1, 1, 0]), i32(1)),
    *(
        case("GatherV2", cast(dtype, [[1, 0], [3, 1]]), i32([1, 0, 1]), i32(1))
        for dtype in ("bool", "half", "bfloat16", "complex64", "uint16", "int8", "double")
    ),
    case("GatherV2", rand(3, 0), i32([2, 1]), i32(0)),
    case("GatherV2", rand(3, 0), i32([7]), i32(0)),
    case("GatherV2", rand(2, 0, 0), i32([[1], [0]]), i32(1), batch_dims=1),
    case("GatherNd", rand(2, 0), i32([[0], [1]]), error="INVALID_ARGUMENT: ask for elements"),
    case("GatherV2", rand(3, 2), np.zeros((0, 2), np.int32), i32(1)),
    case("GatherNd", TABLE, i32([[1, 2], [0, 0], [1, 2]]), grad=True),
    case("GatherNd", TABLE, i32([[1], [4], [1]]), grad=True),
    case("GatherNd", TABLE, i64([[[1], [4]], [[1], [0]]]), grad=True),
    case("GatherNd", TABLE, np.zeros((2, 0), np.int32)),
    case("GatherNd", TABLE, np.zeros((0, 2), np.int32), grad=True),
    case("GatherNd", rand(4), i32([3])),
    case("GatherNd", WORDS, i32([[2, 1], [0, 0]])),
    case("GatherNd", cast("bool", [True, False]), i32([[1], [0]])),
    case("GatherNd", TABLE, i32([[1, 3]]), error="INVALID_ARGUMENT: does not index into"),
    case("GatherNd", TABLE, i32([[-1, 0]]), error="INVALID_ARGUMENT: does not index into"),
    case("GatherNd", TABLE, i32([[1, 2, 0]]), error="INVALID_ARGUMENT: do not fit"),
    case("GatherNd", TABLE, i32(1), error="INVALID_ARGUMENT: 'indices' must be of rank"),
    case("GatherNd", rand(0, 3), i32([[0]]), error="INVALID_ARGUMENT: ask for elements"),
    case("GatherNd", TABLE, i32([[1, 2], [7, 0], [1, -2]]), bad_indices_policy="IGNORE"),
    case("GatherNd", TABLE, i32([[1], [-7]]), bad_indices_policy="IGNORE"),
    case(
        "GatherNd",
        TABLE,
        i32([[1], [-7]]),
        bad_indices_policy="ERROR",
        error="INVALID_ARGUMENT: does not index into",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_a_bad_index_is_named() -> None:
    from tfg.graphfmt.errors import TfgError
    from tfg.kernels.numeric.scatter import check_indices

    with pytest.raises(TfgError, match=r"indices\[1,0\] = -3 is not in \[0, 4\)"):
        check_indices(i32([[0, 3], [-3, 9]]), 4)
