from __future__ import annotations

from typing import Any

import numpy as np
from tfg.graphfmt import dtypes

from ...harness import f32, graph_case, i32, i64, table_tests

SPLITS = i64([0, 2, 2, 5, 6])
OUTER = i64([0, 1, 3, 4])
VALUES = f32([1, 2, 3, 4, 5, 6])
MATRIX = f32(np.arange(12).reshape(6, 2))


def encoded(
    g: Any, values: Any, *, batched: bool, nested: tuple[Any, ...] = (SPLITS,), dtype: Any = dtypes.int64
) -> Any:
    splits = [g.constant(s) for s in nested]
    return g.RaggedTensorToVariant(splits, values, batched_input=batched, Tsplits=dtype)


def decoded(
    g: Any, variant: Any, *, rank: int, given: int = -1, values: Any = dtypes.float32, **attrs: Any
) -> Any:
    outputs = g.RaggedTensorFromVariant(
        variant, output_ragged_rank=rank, input_ragged_rank=given, Tvalues=values, **attrs
    )
    return [tensor for part in outputs for tensor in (part if isinstance(part, list | tuple) else [part])]


def row(name: str, build: Any, values: Any = VALUES, **options: Any) -> Any:
    return graph_case(f"RaggedVariant {name}", build, values, **options)


def there_and_back(
    name: str, values: Any = VALUES, *, encode: Any, decode: Any, grad: bool = False, error: str | None = None
) -> Any:
    """A row that encodes values with these arguments and decodes them with those."""

    def build(g: Any, tensor: Any) -> Any:
        return decoded(g, encoded(g, tensor, **encode), **decode)

    return row(name, build, values, grad=grad, error=error)


def gathered(g: Any, values: Any) -> Any:
    """Rows 2, 0 and 2 again, each as a ragged tensor of its own."""
    rows = g.GatherV2(encoded(g, values, batched=True), g.constant(i32([2, 0, 2])), g.constant(0, "int32"))
    return decoded(g, rows, rank=1, given=0)


def of_list(g: Any, values: Any) -> Any:
    """The rows as elements of a TensorList, stacked again."""
    shape = g.constant(i32([]))
    rows = g.TensorListFromTensor(encoded(g, values, batched=True), shape)
    stacked = g.TensorListStack(rows, shape, element_dtype=dtypes.variant)
    return decoded(g, stacked, rank=1, given=0)


def grid(g: Any, values: Any) -> Any:
    rows = g.Reshape(encoded(g, values, batched=True), g.constant(i32([2, 2])))
    return decoded(g, rows, rank=2, given=0)


WHOLE = {"batched": False}
ROWS = {"batched": True}
NESTED = (OUTER, SPLITS)
SMALL = {"batched": True, "nested": (i32([0, 2, 6]),), "dtype": dtypes.int32}

CASES = [
    there_and_back("whole", encode=WHOLE, decode={"rank": 1}, grad=True),
    there_and_back("of rank 2", MATRIX, encode={**WHOLE, "nested": NESTED}, decode={"rank": 2}, grad=True),
    there_and_back("rows", encode=ROWS, decode={"rank": 1, "given": 0}, grad=True),
    there_and_back("rows inferred", MATRIX, encode=ROWS, decode={"rank": 1}),
    there_and_back(
        "rows of rows", encode={**ROWS, "nested": NESTED}, decode={"rank": 2, "given": 1}, grad=True
    ),
    there_and_back("dense", MATRIX, encode={**WHOLE, "nested": ()}, decode={"rank": 0}, grad=True),
    there_and_back("dense rows", MATRIX, encode={**ROWS, "nested": ()}, decode={"rank": 1, "given": 0}),
    there_and_back("dense stacked", MATRIX, encode={**ROWS, "nested": ()}, decode={"rank": 0}),
    there_and_back("int32", encode=SMALL, decode={"rank": 1, "Tsplits": dtypes.int32}),
    there_and_back(
        "strings", np.array(list("abcdef")), encode=ROWS, decode={"rank": 1, "values": dtypes.string}
    ),
    row("grid", grid),
    row("gathered", gathered),
    row("list", of_list, grad=True),
    there_and_back(
        "wrong dtype",
        encode=ROWS,
        decode={"rank": 1, "values": dtypes.int32},
        error="INVALID_ARGUMENT: has values of float32, not of int32",
    ),
    there_and_back(
        "wrong splits",
        encode=WHOLE,
        decode={"rank": 1, "Tsplits": dtypes.int32},
        error="INVALID_ARGUMENT: has row_splits of int64, not of int32",
    ),
    there_and_back(
        "wrong rank", encode=WHOLE, decode={"rank": 2}, error="INVALID_ARGUMENT: has ragged rank 1, not 2"
    ),
    there_and_back(
        "bad splits",
        encode={**ROWS, "nested": (i64([0, 4, 9]),)},
        decode={"rank": 1},
        error="INVALID_ARGUMENT: must end with",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
