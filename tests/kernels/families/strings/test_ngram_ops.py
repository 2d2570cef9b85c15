from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import Case, case, i32, i64, table_tests

WORDS = np.array(["a", "b", "c", "d", "e", "ä"])


def ngrams(data: Any, splits: Any, widths: list[int], error: str | None = None, **attrs: Any) -> Case:
    given = {
        "separator": "|",
        "left_pad": "LP",
        "right_pad": "RP",
        "pad_width": -1,
        "preserve_short_sequences": False,
    }
    return case("StringNGrams", data, splits, error=error, **{**given, "ngram_widths": widths, **attrs})


CASES = [
    ngrams(WORDS, i64([0, 4, 6]), [3]),
    ngrams(WORDS, i32([0, 4, 6]), [1, 2, 3], Tsplits="int32"),
    ngrams(WORDS, i64([0, 4, 6]), [3], pad_width=0),
    ngrams(WORDS, i64([0, 4, 6]), [5], pad_width=0, preserve_short_sequences=True),
    ngrams(WORDS, i64([0, 0, 6, 6]), [7], pad_width=1, preserve_short_sequences=True),
    ngrams(WORDS, i64([0, 1, 6]), [4], pad_width=1),
    ngrams(WORDS, i64([0, 0, 1, 6]), [2, 3], pad_width=2),
    ngrams(WORDS, i64([0, 0, 6]), [2], separator="", left_pad="", right_pad=""),
    ngrams(WORDS, i64([0, 3, 6]), [], pad_width=1, preserve_short_sequences=True),
    ngrams(WORDS, i64([0, 3, 6]), [], pad_width=1),
    ngrams(np.array([], "S1"), i64([0, 0, 0]), [2]),
    ngrams(np.array([], "S1"), i64([]), [2]),
    ngrams(WORDS, i64([1, 6]), [2], error="INVALID_ARGUMENT: begin with 0"),
    ngrams(WORDS, i64([0, 4, 3, 6]), [2], error="INVALID_ARGUMENT: has 3 after 4"),
    ngrams(WORDS, i64([0, 4]), [2], error="INVALID_ARGUMENT: end with the 6"),
    ngrams(WORDS, i64([0, 9]), [2], error="INVALID_ARGUMENT: has 9 after 0"),
    ngrams(WORDS, i64([[0, 6]]), [2], error="INVALID_ARGUMENT: 'data_splits' must be of rank"),
    ngrams(WORDS.reshape(2, 3), i64([0, 6]), [2], error="INVALID_ARGUMENT: 'data' must be of rank"),
    ngrams(WORDS, i64([0, 6]), [0], error="INVALID_ARGUMENT: must be positive"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
