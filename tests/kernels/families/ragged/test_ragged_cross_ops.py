from __future__ import annotations

from typing import Any

import numpy as np
from tfg.graphfmt import dtypes

from ...harness import case, i32, i64, table_tests

SPLITS = i64([0, 2, 2, 3])
WORDS = np.array(["a", "bb", "ccc"])
NUMBERS = i64([1, -2, 3])
DENSE = i64([[4, 5], [6, 7], [8, 9]])
INDICES = i64([[0, 0], [1, 0], [2, 0]])


def _types(values: list[Any]) -> list[Any]:
    return [dtypes.int64 if np.asarray(v).dtype.kind == "i" else dtypes.string for v in values]


def cross(
    order: str, ragged: list[Any], sparse: list[Any], dense: list[Any], *, hashed: bool = False,
    splits: Any = SPLITS, **options: Any,
) -> Any:  # fmt: skip
    attrs: dict[str, Any] = {
        "num_buckets": 0,
        "hash_key": 956888297470,
        "out_row_splits_type": dtypes.int64,
        **options,
    }
    splits_type = dtypes.int64 if splits.dtype == np.int64 else dtypes.int32
    return case(
        "RaggedCross", ragged, [splits] * len(ragged), [INDICES] * len(sparse), sparse,
        [i64([3, 1])] * len(sparse), dense, input_order=order, hashed_output=hashed,
        ragged_values_types=_types(ragged), ragged_splits_types=[splits_type] * len(ragged),
        sparse_values_types=_types(sparse), dense_types=_types(dense),
        out_values_type=dtypes.int64 if hashed else dtypes.string, **attrs,
    )  # fmt: skip


CASES = [
    cross("RR", [WORDS, WORDS], [], []),
    cross("RDS", [WORDS], [WORDS], [DENSE]),
    cross("SRD", [NUMBERS], [WORDS], [DENSE]),
    cross("DR", [NUMBERS], [], [DENSE], hashed=True),
    cross("RR", [WORDS, NUMBERS], [], [], hashed=True, num_buckets=10, hash_key=3),
    cross("R", [WORDS], [], [], splits=i32([0, 1, 2, 3]), out_row_splits_type=dtypes.int32),
    cross("RD", [WORDS], [], [DENSE[:2]], error="INVALID_ARGUMENT: same batch dimension size"),
    cross("R", [WORDS], [], [], splits=i64([0, 2, 1, 3]), error="INVALID_ARGUMENT: must be sorted"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
