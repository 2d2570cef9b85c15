from __future__ import annotations

from typing import Any

import numpy as np
from tfg.graphfmt import dtypes

from ...harness import case, f32, graph_case, i64, table_tests

INDICES = i64([[0, 1], [0, 2], [2, 0]])
VALUES = f32([1, 2, 3])
SHAPE = i64([3, 4])
WORDS = np.array(["a", "", "ccc"])
NO_WORDS = np.array([[]], object).reshape(0, 3)


def both_ways(
    name: str, values: Any, *, many: bool, out: Any, dtype: Any = dtypes.float32, **options: Any
) -> Any:
    """A row that serializes a sparse tensor, or its rows, and reads it again."""

    def build(g: Any, tensor: Any) -> Any:
        method = g.SerializeManySparse if many else g.SerializeSparse
        text = method(g.constant(INDICES), tensor, g.constant(SHAPE), out_type=out)
        return list(g.DeserializeSparse(text, dtype=dtype, Tserialized=out))

    return graph_case(f"Serialized {name}", build, values, **options)


def many_strings(g: Any, values: Any) -> Any:
    text = g.SerializeManySparse(g.constant(INDICES), values, g.constant(SHAPE))
    return list(g.DeserializeManySparse(text, dtype=dtypes.float32))


def grid(g: Any, values: Any) -> Any:
    """Sparse tensors of different shapes, in a matrix."""
    shapes = (i64([3, 4]), i64([5, 3]))
    rows = [g.SerializeSparse(g.constant(INDICES), values, g.constant(s)) for s in shapes]
    cube = g.Reshape(g.Pack([*rows, *rows]), g.constant(np.array([2, 2, 3], np.int32)))
    return list(g.DeserializeSparse(cube, dtype=dtypes.float32))


CASES = [
    case("SerializeSparse", INDICES, VALUES, SHAPE),
    case("SerializeManySparse", INDICES, VALUES, SHAPE),
    both_ways("strings", VALUES, many=False, out=dtypes.string),
    both_ways("variants", VALUES, many=False, out=dtypes.variant),
    both_ways("rows as strings", VALUES, many=True, out=dtypes.string),
    both_ways("rows as variants", VALUES, many=True, out=dtypes.variant),
    both_ways("words", WORDS, many=True, out=dtypes.string, dtype=dtypes.string),
    graph_case("Serialized rows", many_strings, VALUES),
    graph_case("Serialized grid", grid, VALUES),
    both_ways(
        "wrong dtype",
        VALUES,
        many=True,
        out=dtypes.string,
        dtype=dtypes.int32,
        error="INVALID_ARGUMENT: Type mismatch",
    ),
    both_ways(
        "wrong dtype of variants",
        VALUES,
        many=True,
        out=dtypes.variant,
        dtype=dtypes.int32,
        error="INVALID_ARGUMENT: Requested SparseTensor of type",
    ),
    case("SerializeManySparse", INDICES[:, :1], VALUES, i64([3]), error="INVALID_ARGUMENT: should be > 1"),
    case("SerializeManySparse", INDICES[::-1], VALUES, SHAPE, error="INVALID_ARGUMENT: must be sorted"),
    case(
        "DeserializeSparse",
        np.array(["a", "b", "c"]),
        dtype=dtypes.int32,
        error="INVALID_ARGUMENT: Could not parse",
    ),
    case("DeserializeManySparse", np.array([["a", "b"]]), dtype=dtypes.int32, error="INVALID_ARGUMENT: 3"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
