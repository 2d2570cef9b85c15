"""Maps of tensors: entries, errors, and gradients through them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import Case, f32, graph_case, i32, table_tests


def entries(g: Any, *pairs: tuple[Any, Any]) -> Any:
    made = g.EmptyTensorMap()
    for key, value in pairs:
        made = g.TensorMapInsert(made, g.constant(key), value)
    return made


def row(name: str, build: Any, *values: Any, **options: Any) -> Case:
    return graph_case(f"TensorMap {name}", build, *(values or (f32([1, 2, 3]),)), **options)


def looked_up(g: Any, x: Any) -> Any:
    made = entries(g, (i32(1), x), (i32(2), x * x))
    return [g.TensorMapLookup(made, g.constant(i32(n)), value_dtype="float") for n in (1, 2)]


def replaced(g: Any, x: Any) -> Any:
    made = entries(g, (i32(1), x), (i32(1), x * x))
    return [g.TensorMapLookup(made, g.constant(i32(1)), value_dtype="float"), g.TensorMapSize(made)]


def erased(g: Any, x: Any) -> Any:
    made = entries(g, (i32(1), x), (i32(2), x * x))
    less = g.TensorMapErase(made, g.constant(i32(2)), value_dtype="float")
    value = g.TensorMapLookup(less, g.constant(i32(1)), value_dtype="float")
    present = [g.TensorMapHasKey(each, g.constant(i32(2))) for each in (made, less)]
    return [value, g.TensorMapSize(less), *present]


def keys(g: Any, x: Any) -> Any:
    made = entries(g, (f32([1, 2]), x), (f32([3, 4]), x))
    # TensorFlow's order is that of its hashes.
    return g.Sum(g.TensorMapStackKeys(made, key_dtype="float"), g.constant(i32(0)))


def other_keys(g: Any, x: Any) -> Any:
    made = entries(g, (i32(1), x), (f32(1), x), (i32([1]), x), (f32(-0.0), x), (f32(0), x))
    text = g.TensorMapInsert(made, g.constant(np.array("k", object)), x)
    return [g.TensorMapSize(text), g.TensorMapHasKey(text, g.constant(np.array("k", object)))]


def same_key_of_other_dtype(g: Any, x: Any) -> Any:
    return g.TensorMapHasKey(entries(g, (f32(1), x)), g.constant(i32(1)))


def lookup(g: Any, made: Any, key: Any = 3, dtype: str = "float") -> Any:
    return g.TensorMapLookup(made, g.constant(i32(key)), value_dtype=dtype)


CASES: list[Case] = [
    row("lookup", looked_up, grad=True),
    row("replace", replaced, grad=True),
    row("erase", erased, grad=True),
    row("keys", keys),
    row("kinds of keys", other_keys),
    row("dtypes differ", same_key_of_other_dtype),
    row("missing", lambda g, x: lookup(g, entries(g, (i32(1), x))), error="INVALID_ARGUMENT: non-existent"),
    row(
        "erase missing",
        lambda g, x: g.TensorMapSize(g.TensorMapErase(entries(g), g.constant(i32(1)), value_dtype="float")),
        error="INVALID_ARGUMENT: non-existent",
    ),
    row(
        "no keys",
        lambda g, x: g.TensorMapStackKeys(entries(g), key_dtype="float"),
        error="INVALID_ARGUMENT: empty map",
    ),
    row(
        "keys of another dtype",
        lambda g, x: g.TensorMapStackKeys(entries(g, (i32(1), x)), key_dtype="float"),
        error="INVALID_ARGUMENT: requested dtype",
    ),
    row(
        "keys of several shapes",
        lambda g, x: g.TensorMapStackKeys(entries(g, (i32(1), x), (i32([1]), x)), key_dtype="int32"),
        error="INVALID_ARGUMENT: same shape",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
