"""The largest elements of rows, and the n-th."""

from __future__ import annotations

import numpy as np
import pytest
from tfg.kernels.families.math.topk_ops import top_k

from ...harness import case, cast, f32, f64, gradients_tfg, i32, i64, rand, run_tfg, table_tests

INF = np.inf
TIED = [[3, 1, 3, 2], [0, 0, 0, 0], [1, 2, 3, 4]]
DTYPES = (
    "float",
    "double",
    "half",
    "bfloat16",
    "int32",
    "uint8",
    "int16",
    "int8",
    "int64",
    "uint16",
    "uint32",
    "uint64",
)

CASES = [
    *(case("TopKV2", cast(d, TIED), i32(k)) for d in DTYPES for k in (1, 3, 4)),
    case("TopKV2", f32([-1, -0.0, 0.0, -INF, INF]), i32(5)),
    case("TopKV2", f64([-1, -0.0, 0.0, -INF, INF]), i32(4)),
    case("TopKV2", cast("int8", [-128, 127, -1]), i32(2)),
    *(
        case("TopKV2", cast(d, rand(6, 40, low=-9, high=9)), i32(3))
        for d in ("float", "int32", "int64", "int8", "double")
    ),
    case("TopKV2", cast("int32", rand(2, 3, 40)), i32(4)),
    case("TopKV2", rand(3, 40), i32(2), grad=True),
    case("TopKV2", rand(3, 7), i32(2), grad=True),
    case("TopKV2", rand(2, 2, 5), i32(3), grad=True),
    case("TopKV2", rand(6), i32(6), grad=True),
    case("TopKV2", rand(6), i32(0), grad=True),
    case("TopKV2", rand(0, 3), i32(2)),
    case("TopKV2", rand(6), cast("int16", 2), index_type="int16"),
    case("TopKV2", rand(6), i64(2), index_type="int64"),
    case("TopKV2", rand(6), i32(7), error="INVALID_ARGUMENT: the last dimension of"),
    case("TopKV2", rand(6), i32(-1), error="INVALID_ARGUMENT: the last dimension of"),
    case("TopKV2", rand(6), i32([1]), error="INVALID_ARGUMENT: must be a scalar"),
    case("TopKV2", f32(1), i32(1), error="INVALID_ARGUMENT: 'input' must be of rank"),
    *(case("ApproxTopK", cast(d, TIED), k=3) for d in ("float", "half", "bfloat16")),
    case("ApproxTopK", rand(3, 40), k=4, grad=True),
    case("ApproxTopK", rand(6), k=6, aggregate_to_topk=False),
    case("ApproxTopK", f32([1, 2, INF, np.nan]), k=2, unset=(0, 1)),
    case("ApproxTopK", rand(6), k=7, error="INVALID_ARGUMENT: at least k columns"),
    *(
        case("NthElement", cast(d, [[3, 1, 2], [5, 5, 4]]), i32(n), reverse=r)
        for d in DTYPES
        for n, r in ((0, False), (1, True))
    ),
    case("NthElement", rand(2, 5), i32(2), grad=True),
    case("NthElement", f32([[1, 1, 2], [2, 2, 2]]), i32(1), grad=True),
    case("NthElement", rand(5), i32(2), reverse=True, grad=True),
    case("NthElement", rand(5), i32(5), error="INVALID_ARGUMENT: but must be less than"),
    case("NthElement", rand(5), i32(-1), error="INVALID_ARGUMENT: but must not be negative"),
    case("NthElement", rand(5), i32([1]), error="INVALID_ARGUMENT: must be a scalar"),
    case("NthElement", f32(1), i32(0), error="INVALID_ARGUMENT: 'input' must be of rank"),
    case("InTopK", rand(4, 5), i32([0, 1, 2, 4]), k=2),
    case("InTopK", f32([[1, 1, 1], [1, 2, 2]]), i32([2, 0]), k=1),
    case("InTopK", f32([[1, np.nan, 0], [1, INF, 0], [-INF, 0, 1], [1, 2, 3]]), i32([0, 0, 2, 2]), k=3),
    case("InTopK", f32([[1, 2], [1, 2]]), i64([5, -1]), k=2),
    case("InTopK", f32([[1, 2], [1, 2]]), i64([0, 1]), k=0),
    case("InTopK", f32([[1, 2], [1, 2]]), i64([0, 1]), k=-1),
    case("InTopK", f32([[1, 2], [1, 2]]), i64([0]), k=1, error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("InTopK", f32([1, 2]), i64([0]), k=1, error="INVALID_ARGUMENT: 'predictions' must be of rank"),
    case("InTopK", rand(0, 3), i32([]), k=1),
    case("InTopKV2", rand(4, 5), i32([0, 1, 2, 4]), i32(2)),
    case("InTopKV2", rand(4, 5), i64([0, 1, 2, 4]), i64(3)),
    case("InTopKV2", rand(4, 5), i64([0, 1, 2, 4]), i64([3]), error="INVALID_ARGUMENT: must be a scalar"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_the_first_version_is_the_second_with_k_an_attribute() -> None:
    x = rand(3, 5)
    for run in (run_tfg, gradients_tfg):
        first, second = run(case("TopK", x, k=2)), run(case("TopKV2", x, i32(2)))
        np.testing.assert_array_equal(first[0], second[0])


def test_nan_is_the_largest() -> None:
    for dtype in (np.float32, np.float64):
        for more in (0, 30):
            values, index = top_k(np, np.array([1, np.nan, 3, -np.nan, 2, *[0] * more], dtype), 4)
            assert index.tolist() == [1, 3, 2, 4]
            assert np.isnan(values[:2]).all()


@pytest.mark.parametrize("is_max_k", [True, False])
@pytest.mark.parametrize("axis", [0, 1, -2])
def test_the_least_or_greatest_along_any_axis(axis: int, is_max_k: bool) -> None:
    x = rand(5, 4, 3)
    attrs = {"k": 2, "reduction_dimension": axis, "is_max_k": is_max_k}
    values, index = run_tfg(case("ApproxTopK", x, **attrs))
    order = np.argsort(-x if is_max_k else x, axis=axis, kind="stable")
    np.testing.assert_array_equal(index, np.take(order, [0, 1], axis=axis))
    np.testing.assert_array_equal(values, np.take_along_axis(x, index.astype(np.int64), axis))
    (gradient,) = gradients_tfg(case("ApproxTopK", x, grad=True, **attrs))
    chosen = np.zeros(x.shape, bool)
    np.put_along_axis(chosen, index.astype(np.int64), True, axis)
    np.testing.assert_array_equal(gradient != 0, chosen)
