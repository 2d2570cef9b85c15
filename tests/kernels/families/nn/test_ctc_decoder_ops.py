from __future__ import annotations

import numpy as np

from ...harness import case, f32, i32, table_tests

LOGITS = f32(np.random.default_rng(3).normal(size=(7, 3, 4)))
# Times with the same best class, and with blanks between.
REPEATED = f32(np.eye(4)[[[0, 3, 1], [0, 3, 1], [3, 2, 1], [0, 2, 3], [1, 2, 3], [1, 3, 1]]])
MANY = f32(np.random.default_rng(4).normal(size=(30, 2, 9)))
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
    *(
        case(
            "CTCBeamSearchDecoder",
            LOGITS,
            LENGTHS,
            beam_width=width,
            top_paths=1,
            merge_repeated=merge,
            tol=1e-5,
        )
        for width in (1, 2, 5, 100)
        for merge in (True, False)
    ),
    *(
        case("CTCBeamSearchDecoder", LOGITS, i32([7, 4, 5]), beam_width=width, top_paths=paths, tol=1e-5)
        for width, paths in ((2, 2), (4, 3), (30, 30))
    ),
    case(
        "CTCBeamSearchDecoder",
        3 * MANY,
        i32([30, 20]),
        beam_width=12,
        top_paths=6,
        merge_repeated=False,
        tol=1e-5,
    ),
    case(
        "CTCBeamSearchDecoder", MANY.astype(np.float64), i32([30, 20]), beam_width=40, top_paths=9, tol=1e-7
    ),
    case(
        "CTCBeamSearchDecoder",
        np.where(LOGITS > 0, LOGITS, -np.inf),
        i32([7, 4, 5]),
        beam_width=3,
        top_paths=1,
        tol=1e-5,
    ),
    case(
        "CTCBeamSearchDecoder", LOGITS, LENGTHS, beam_width=4, top_paths=2, error="INVALID_ARGUMENT: leaves"
    ),
    case(
        "CTCBeamSearchDecoder",
        LOGITS,
        i32([7, 4, 5]),
        beam_width=2,
        top_paths=3,
        error="INVALID_ARGUMENT: width",
    ),
    case(
        "CTCBeamSearchDecoder",
        LOGITS,
        i32([8, 4, 0]),
        beam_width=2,
        top_paths=1,
        error="FAILED_PRECONDITION: sequence_length(0)",
    ),
    case(
        "CTCBeamSearchDecoder",
        LOGITS[:0],
        i32([0, 0, 0]),
        beam_width=2,
        top_paths=1,
        error="INVALID_ARGUMENT: elements",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
