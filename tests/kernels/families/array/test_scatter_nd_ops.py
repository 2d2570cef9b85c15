"""Writing elements and slices of a tensor by their indices."""

from __future__ import annotations

import numpy as np
import pytest
from tfg.graphfmt.errors import TfgError
from tfg.kernels.numeric.scatter import scatter_rows

from ...harness import case, cast, f32, i32, i64, rand, table_tests

AT = i32([[0, 1], [3, 2], [0, 1]])
ONCE = i32([[0, 1], [3, 2]])

CASES = [
    case("ScatterNd", AT, rand(3), i32([4, 3]), grad=True),
    case("ScatterNd", i64([[2], [2], [0]]), rand(3, 2), i64([3, 2]), grad=True),
    case("ScatterNd", i32([[[1]], [[0]]]), rand(2, 1, 2), i32([3, 2]), grad=True),
    case("ScatterNd", i32([1]), f32(3), i32([3]), error="INVALID_ARGUMENT: 'updates' must be of rank"),
    case("ScatterNd", np.zeros((0, 1), np.int32), rand(0), i32([3])),
    case("ScatterNd", np.zeros((0, 1), np.int32), rand(0), i32([0])),
    case("ScatterNd", i32([[0]]), rand(1), i32([0]), error="INVALID_ARGUMENT: indices of shape"),
    case("ScatterNd", AT, rand(2), i32([4, 3]), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("ScatterNd", AT, rand(3), i32([3, 3]), error="INVALID_ARGUMENT: does not index into"),
    case("ScatterNd", AT, rand(3), i32([3, 3]), bad_indices_policy="IGNORE"),
    case("ScatterNd", AT, rand(3), i32([-3, 3]), error="INVALID_ARGUMENT: negative dimension"),
    case("ScatterNd", AT, rand(3), i32([4]), error="INVALID_ARGUMENT: do not fit"),
    case("ScatterNd", i32([[0]]), rand(1), i32(4), error="INVALID_ARGUMENT: shape must be a vector"),
    *(
        case("ScatterNd", AT, cast(dtype, [1, 2, 3]), i32([4, 3]))
        for dtype in ("int32", "half", "bfloat16", "complex64", "uint8", "bool", "int64")
    ),
    case("ScatterNd", i32([[1], [0]]), np.array(["a", "b"]), i32([3])),
    *(
        case(
            f"TensorScatter{how}",
            rand(4, 3),
            AT if how in ("Add", "Sub", "Min", "Max") else ONCE,
            updates,
            grad=True,
        )
        for how, updates in (
            ("Update", rand(2)),
            ("Add", rand(3)),
            ("Sub", rand(3)),
            ("Min", f32([-3, 0.5, -1])),
            ("Max", f32([3, 0.5, 1])),
        )
    ),
    *(
        case(
            f"TensorScatter{how}",
            cast(dtype, [[1, 2], [3, 4], [5, 6]]),
            i64([[2], [0]]),
            cast(dtype, [[2, 3], [4, 1]]),
        )
        for how in ("Update", "Add", "Sub", "Min", "Max")
        for dtype in ("int32", "half", "bfloat16", "double", "uint8")
    ),
    case("TensorScatterMax", f32([1, 2, 3]), i32([[0], [1]]), f32([1, 5]), grad=True),
    case("TensorScatterMin", f32([[1, 2], [3, 3]]), i32([[0], [1]]), f32([[1, 1], [3, 7]]), grad=True),
    case("TensorScatterUpdate", np.array(["a", "b"]), i32([[1]]), np.array(["c"])),
    case("TensorScatterUpdate", cast("complex64", [1, 2]), i32([[1]]), cast("complex64", [3])),
    case("TensorScatterUpdate", cast("bool", [True, True]), i32([[1]]), cast("bool", [False])),
    case("TensorScatterUpdate", rand(4), i32([[4]]), rand(1), error="INVALID_ARGUMENT: does not index into"),
    case("TensorScatterUpdate", rand(4), i32([[4], [1]]), rand(2), bad_indices_policy="IGNORE"),
    case("TensorScatterUpdate", rand(4), i32([[-1]]), rand(1), error="INVALID_ARGUMENT: does not index into"),
    case("TensorScatterUpdate", rand(4), i32([[1, 1]]), rand(1), error="INVALID_ARGUMENT: do not fit"),
    case(
        "TensorScatterUpdate",
        rand(4),
        i32([[1]]),
        rand(2),
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
    case(
        "TensorScatterUpdate", f32(4), i32([[1]]), rand(1), error="INVALID_ARGUMENT: tensor must be of rank"
    ),
    case("TensorScatterAdd", rand(0, 2), np.zeros((0, 1), np.int32), rand(0, 2)),
    case("TensorScatterAdd", rand(3, 2), np.zeros((0, 1), np.int32), rand(0, 2)),
    case("ScatterNdNonAliasingAdd", rand(4, 3), AT, rand(3), grad=True),
    case("ScatterNdNonAliasingAdd", cast("complex64", [1, 2]), i32([[1], [1]]), cast("complex64", [3, 4])),
    case(
        "ScatterNdNonAliasingAdd",
        i32([1, 2]),
        i32([[1], [2]]),
        i32([3, 4]),
        error="INVALID_ARGUMENT: does not index into",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


HOW = {
    "update": lambda a, b: b,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": lambda a, b: np.trunc(a / b),
    "min": np.minimum,
    "max": np.maximum,
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 2, 3)])
@pytest.mark.parametrize("count", [1, 8])
def test_rows_are_updated_one_after_another(how: str, shape: tuple[int, ...], count: int) -> None:
    random = np.random.RandomState(count)
    table = random.randint(-40, 40, shape).astype(np.int32)
    at = random.randint(0, 5, count)
    updates = random.randint(1, 5, (count, *shape[1:])).astype(np.int32)
    expected = table.copy()
    for row, value in zip(at, updates):
        expected[row] = HOW[how](expected[row], value)
    scatter_rows(np, table, at, updates, how)
    np.testing.assert_array_equal(table, expected)


def test_nothing_is_written_where_an_index_is_bad() -> None:
    table = np.zeros((3, 2), np.float32)
    with pytest.raises(TfgError, match=r"indices\[1\] = 3"):
        scatter_rows(np, table, i32([0, 3]), f32(1), "add")
    assert not table.any()
