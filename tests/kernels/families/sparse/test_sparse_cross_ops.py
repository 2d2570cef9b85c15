from __future__ import annotations

from typing import Any

import numpy as np
from tfg.graphfmt import dtypes

from ...harness import case, i64, table_tests

INDICES = i64([[0, 0], [0, 1], [2, 0]])
SHAPE = i64([3, 2])
WORDS = np.array(["a", "bb", "a much longer string than sixteen bytes"])
NUMBERS = i64([1, -2, 2**40 + 5])
DENSE_WORDS = np.array([["x", "y"], ["z", "w"], ["", "v"]])
DENSE_NUMBERS = i64([[4], [5], [-6]])
NOTHING = i64(np.zeros((0, 2)))


def _types(values: list[Any]) -> list[Any]:
    return [dtypes.int64 if np.asarray(v).dtype.kind == "i" else dtypes.string for v in values]


def _inputs(sparse: list[Any], dense: list[Any]) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    return [INDICES] * len(sparse), sparse, [SHAPE] * len(sparse), dense


def v1(sparse: list[Any], dense: list[Any], *, hashed: bool, internal: Any, **options: Any) -> Any:
    attrs: dict[str, Any] = {"num_buckets": 0, "hash_key": 956888297470, **options}
    out = dtypes.int64 if hashed else dtypes.string
    return case(
        "SparseCross", *_inputs(sparse, dense), hashed_output=hashed, out_type=out, internal_type=internal,
        sparse_types=_types(sparse), dense_types=_types(dense), **attrs,
    )  # fmt: skip


def v2(sparse: list[Any], dense: list[Any], **options: Any) -> Any:
    return case(
        "SparseCrossV2", *_inputs(sparse, dense), np.array("_Y_"), sparse_types=_types(sparse),
        dense_types=_types(dense), **options,
    )  # fmt: skip


def hashed(
    sparse: list[Any], dense: list[Any], *, buckets: int = 0, strong: bool = False, **options: Any
) -> Any:
    return case(
        "SparseCrossHashed", *_inputs(sparse, dense), i64(buckets), np.bool_(strong), i64([5, 7]),
        sparse_types=_types(sparse), dense_types=_types(dense), **options,
    )  # fmt: skip


CASES = [
    v1([WORDS], [DENSE_WORDS], hashed=False, internal=dtypes.string),
    v1([WORDS, WORDS], [], hashed=False, internal=dtypes.string),
    v1([WORDS, NUMBERS], [DENSE_NUMBERS, DENSE_WORDS], hashed=True, internal=dtypes.int64),
    v1([WORDS, NUMBERS], [], hashed=True, internal=dtypes.int64, num_buckets=100),
    v1([], [DENSE_NUMBERS], hashed=True, internal=dtypes.int64, hash_key=-3),
    v1([NUMBERS], [], hashed=False, internal=dtypes.string, error="INVALID_ARGUMENT: internal type string"),
    v2([WORDS], [DENSE_WORDS]),
    v2([WORDS, NUMBERS], [DENSE_NUMBERS, DENSE_WORDS]),
    v2([], [DENSE_WORDS, DENSE_NUMBERS]),
    v2([WORDS[:2]], [], error="INVALID_ARGUMENT: Expected indices [count, 2]"),
    v2([WORDS], [DENSE_WORDS[:2]], error="INVALID_ARGUMENT: Expected batch size"),
    hashed([WORDS], [DENSE_WORDS]),
    hashed([WORDS], [DENSE_WORDS], strong=True),
    hashed([NUMBERS, WORDS], [DENSE_NUMBERS]),
    hashed([NUMBERS, WORDS], [DENSE_WORDS], strong=True, buckets=1000),
    case(
        "SparseCrossV2",
        [NOTHING, INDICES],
        [WORDS[:0], WORDS],
        [SHAPE, SHAPE],
        [],
        np.array("-"),
        sparse_types=[dtypes.string] * 2,
        dense_types=[],
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
