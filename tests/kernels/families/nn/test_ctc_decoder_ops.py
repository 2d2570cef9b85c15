from __future__ import annotations

import numpy as np

from ...harness import case, f32, i32, table_tests

LOGITS = f32(np.random.default_rng(3).normal(size=(7, 3, 4)))
# Times with the same best class, and with blanks between.
REPEATED = f32(np.eye(4)[[[0, 3, 1], [0, 3, 1], [3, 2, 1], [0, 2, 3], [1, 2, 3], [1, 3, 1]]])
LENGTHS = i32([7, 4, 0])

CASES = [
    case("CTCGreedyDecoder", LOGITS, LENGTHS),
    case("CTCGreedyDecoder", LOGITS, LENGTHS, merge_repeated=True),
    case("CTCGreedyDecoder", LOGITS.astype(np.float64), LENGTHS, merge_repeated=True),
    case("CTCGreedyDecoder", REPEATED, i32([6, 5, 6]), merge_repeated=True),
    case("CTCGreedyDecoder", REPEATED, i32([6, 5, 6])),
    case("CTCGreedyDecoder", REPEATED, i32([6, 5, 6]), blank_index=0),
    case("CTCGreedyDecoder", REPEATED, i32([6, 5, 6]), blank_index=-3, merge_repeated=True),
    case("CTCGreedyDecoder", LOGITS, i32([0, 0, 0])),
    case("CTCGreedyDecoder", LOGITS, i32([8, 4, 0]), error="FAILED_PRECONDITION: sequence_length(0) <= 7"),
    case("CTCGreedyDecoder", LOGITS, LENGTHS, blank_index=9, error="INVALID_ARGUMENT: blank_index expected"),
    case("CTCGreedyDecoder", LOGITS[0], LENGTHS, error="INVALID_ARGUMENT: rank 3"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
