from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import case, f32, graph_case, i32, i64, table_tests

SPLITS = i64([0, 2, 2, 5, 6])
OUTER = i64([0, 1, 3, 4])
VALUES = f32([1, 2, 3, 4, 5, 6])
MATRIX = f32(np.arange(12).reshape(6, 2))


def sparse(nested: list[Any], values: Any, **options: Any) -> Any:
    return case("RaggedTensorToSparse", nested, values, **options)


def dense(shape: Any, values: Any, default: Any, parts: dict[str, Any], **options: Any) -> Any:
    """A row of RaggedTensorToTensor; the partitions are named by a letter and their kind."""
    kinds = [name[2:] for name in parts]
    return case(
        "RaggedTensorToTensor",
        shape,
        values,
        default,
        list(parts.values()),
        row_partition_types=kinds,
        **options,
    )


ROWS = {"a:ROW_SPLITS": SPLITS}
NESTED = {"a:ROW_SPLITS": OUTER, "b:ROW_SPLITS": SPLITS}
IDS = {"a:FIRST_DIM_SIZE": i64(4), "b:VALUE_ROWIDS": i64([0, 0, 2, 2, 2, 3])}


def of_unknown_rank(g: Any, values: Any) -> Any:
    shape, default = g.constant(-1, "int64"), g.constant(9.0, "float")
    return g.RaggedTensorToTensor(
        shape, values, default, [g.constant(SPLITS)], row_partition_types=["ROW_SPLITS"]
    )


CASES = [
    sparse([SPLITS], VALUES, grad=True),
    sparse([OUTER, SPLITS], MATRIX, grad=True),
    sparse([i32([0, 1, 3])], np.array(list("abc"))),
    sparse([i64([0])], f32([])),
    sparse([i64([0, 0])], f32(np.zeros((0, 3)))),
    sparse([SPLITS], f32(np.zeros((6, 0)))),
    sparse([SPLITS], f32(np.arange(24).reshape(6, 2, 2))),
    sparse([i64([1, 6])], VALUES, error="INVALID_ARGUMENT: must begin with 0"),
    sparse([i64([0, 4])], VALUES, error="INVALID_ARGUMENT: must end with"),
    sparse([i64([0, 5, 4, 6])], VALUES, error="INVALID_ARGUMENT: must be sorted"),
    sparse([i64([])], VALUES, error="INVALID_ARGUMENT: not empty"),
    sparse([i64([0])], f32(1), error="INVALID_ARGUMENT: 'rt_dense_values' must be"),
    dense(i64([-1, -1]), VALUES, f32(9), ROWS, grad=True),
    graph_case("RaggedTensorToTensor of unknown rank", of_unknown_rank, VALUES, grad=True),
    dense(i64([2, 2]), VALUES, f32(9), ROWS, grad=True),
    dense(i32([6, 5]), VALUES, f32(9), ROWS, grad=True),
    dense(i64([-1, -1, 2]), MATRIX, f32(9), ROWS, grad=True),
    dense(i64([-1, 2, -1]), MATRIX, f32([8, 9]), ROWS, grad=True),
    dense(i64([-1, -1, -1]), VALUES, f32(9), NESTED, grad=True),
    dense(i64([2, 2, 2]), VALUES, f32(9), NESTED, grad=True),
    dense(i64([-1, -1, -1, -1]), MATRIX, f32([0, 9]), NESTED, grad=True),
    dense(i64([-1, -1]), VALUES, f32(9), IDS, grad=True),
    dense(i64([3, 2]), VALUES, f32(9), IDS, grad=True),
    dense(i64([6, -1]), VALUES, f32(9), IDS),
    dense(i64([-1, -1]), np.array(list("abcdef")), np.array("-"), ROWS),
    dense(i32([-1, -1]), VALUES, f32(9), {"a:ROW_SPLITS": i32([0, 1, 6])}),
    dense(i64([-1, -1]), f32([]), f32(9), {"a:ROW_SPLITS": i64([0])}),
    dense(i64([2, 3]), f32([]), f32(9), {"a:ROW_SPLITS": i64([0, 0])}),
    dense(i64([-1, -1]), VALUES, f32([1, 2]), ROWS, error="INVALID_ARGUMENT: cannot be broadcast"),
    dense(i64([-1, -1, -1]), VALUES, f32(1), ROWS, error="INVALID_ARGUMENT: has rank 3"),
    dense(i64([-1, -1, 3]), MATRIX, f32(1), ROWS, error="INVALID_ARGUMENT: does not fit values"),
    dense(
        i64([-1, -1]),
        VALUES,
        f32(1),
        {"a:VALUE_ROWIDS": SPLITS},
        error="INVALID_ARGUMENT: must not be VALUE_ROWIDS",
    ),
    dense(i64([-1, -1]), VALUES, f32(1), {"a:ROW_SPLITS": i64([0, 4])}),
    dense(i64([-1, -1]), VALUES, f32(1), {"a:NONE": SPLITS}, error="INVALID_ARGUMENT: Unknown string"),
    dense(
        i64([-1]),
        VALUES,
        f32(1),
        {"a:FIRST_DIM_SIZE": i64(6)},
        error="INVALID_ARGUMENT: followed by VALUE_ROWIDS",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
